"""Which callers may lock which files, and which may give up locks."""

from __future__ import annotations

import pytest

from oncrpc.nfs.filesystem import NewAttributes
from oncrpc.nfs.status import NfsError
from oncrpc.programs.nfs3 import nfsstat3
from oncrpc.programs.nlm import NLM4_VERS, nlm4_stats
from oncrpc.rpc import AUTH_NONE
from support.callers import changed
from support.exported import OPTIONS, ROOT, USER_CRED
from support.loops import in_loop
from support.nlm_site import ONE, TWO, NlmSite

GRANTED, FAILED = nlm4_stats.NLM4_GRANTED, nlm4_stats.NLM4_FAILED
STALE, GRACE = nlm4_stats.NLM4_STALE_FH, nlm4_stats.NLM4_DENIED_GRACE_PERIOD


@in_loop
async def test_reader_may_lock_exclusively() -> None:
    site = NlmSite()

    assert await site.lock(cred=USER_CRED) is GRANTED


@pytest.mark.parametrize(
    ("mode", "expected"), [(0o600, FAILED), (0o604, GRANTED), (0o601, GRANTED)]
)
@in_loop
async def test_lock_needs_permission_to_read(mode: int, expected: nlm4_stats) -> None:
    site = NlmSite()
    site.files.setattr(ROOT, site.ids[0], NewAttributes(mode=mode))

    assert await site.lock(cred=USER_CRED) is expected
    assert (await site.test(cred=USER_CRED)).stat is expected
    assert await site.shared(cred=USER_CRED) is expected


@in_loop
async def test_owner_may_lock_whatever_the_mode() -> None:
    site = NlmSite()
    site.files.setattr(ROOT, site.ids[0], NewAttributes(mode=0, uid=1000))

    assert await site.lock(cred=USER_CRED) is GRANTED


@in_loop
async def test_insecure_locks_need_no_permission() -> None:
    site = NlmSite(OPTIONS._replace(insecure_locks=True))
    site.files.setattr(ROOT, site.ids[0], NewAttributes(mode=0))

    assert await site.lock(cred=AUTH_NONE) is GRANTED


@in_loop
async def test_flavor_that_the_export_lacks_is_refused() -> None:
    site = NlmSite()
    reply = await site.reply(site.message(NLM4_VERS.NLMPROC4_LOCK, site.lockargs(), cred=AUTH_NONE))

    assert reply is not None
    assert reply[4:20] == bytes.fromhex("00000001 00000001 00000001 00000005")  # AUTH_TOOWEAK


@in_loop
async def test_host_that_may_not_use_the_export_fails() -> None:
    site = NlmSite(None)

    assert await site.lock() is FAILED
    assert (await site.test()).stat is FAILED
    assert await site.shared() is FAILED


@in_loop
async def test_unreserved_port_fails_on_a_secure_export() -> None:
    site = NlmSite()
    user = changed(ONE, source=("192.0.2.9", 5000, 0))
    await site.lock()

    assert await site.lock(caller=user) is FAILED
    assert await site.unlock(caller=user) is FAILED
    assert await site.cancel(caller=user) is FAILED
    assert len(site.held) == 1


@in_loop
async def test_former_export_keeps_no_locks() -> None:
    site = NlmSite()
    await site.lock()
    await site.lock(wait=True, **TWO)
    site.shares.replace([])

    assert await site.cancel(**TWO) is GRANTED
    assert await site.unlock() is GRANTED
    assert site.held == []
    assert await site.lock() is STALE


@in_loop
async def test_host_without_rights_may_unlock() -> None:
    site = NlmSite()
    await site.lock()
    site.rules.options = None

    assert await site.unlock() is GRANTED
    assert site.held == []


@pytest.mark.parametrize("handle", [b"", b"x" * 28, bytes(64)])
@in_loop
async def test_handle_that_is_not_ours_is_stale(handle: bytes) -> None:
    site = NlmSite()

    assert await site.lock(fh=handle) is STALE
    assert await site.unlock(fh=handle) is STALE
    assert (await site.test(fh=handle)).stat is STALE


@in_loop
async def test_removed_file_is_stale() -> None:
    site = NlmSite()
    site.files.remove(ROOT, site.files.root, b"file")

    assert await site.lock() is STALE


@in_loop
async def test_only_regular_files_are_locked() -> None:
    site = NlmSite()

    assert await site.lock(fh=site.root) is FAILED


@in_loop
async def test_read_only_export_has_locks() -> None:
    site = NlmSite(OPTIONS._replace(ro=True))

    assert await site.lock() is GRANTED


@in_loop
async def test_user_unlocks_nothing_during_a_lookup() -> None:
    site = NlmSite()
    await site.lock()
    site.rules.pending = NfsError(nfsstat3.NFS3ERR_JUKEBOX)

    assert await site.unlock(caller=changed(ONE, source=("192.0.2.9", 5000, 0))) is GRACE
    assert len(site.held) == 1
    assert await site.unlock() is GRANTED
    assert site.held == []


@in_loop
async def test_name_being_looked_up_is_waited_for() -> None:
    site = NlmSite()
    site.rules.pending = NfsError(nfsstat3.NFS3ERR_JUKEBOX)

    assert await site.lock() is GRACE  # try again later
    assert sum(site.slept) == pytest.approx(5)
