"""Calls of the lock manager that arrive again, too late: they are answered, and change nothing."""

from __future__ import annotations

import pytest

from oncrpc.nfs.nlm.program import UNREPEATABLE
from oncrpc.programs.nlm import NLM4_VERS, nlm4_unlockargs
from oncrpc.rpc import Caller
from support.loops import in_loop
from support.nlm_site import ONE, ONE_UDP, NlmSite


@pytest.mark.parametrize("caller", [ONE, ONE_UDP], ids=["tcp", "udp"])
@in_loop
async def test_late_lock_does_not_lock_again(caller: Caller) -> None:
    site = NlmSite()
    message = site.message(NLM4_VERS.NLMPROC4_LOCK, site.lockargs())

    first = await site.reply(message, caller)
    await site.unlock(caller=caller)
    again = await site.reply(message, caller)

    assert again == first
    assert site.held == []


@pytest.mark.parametrize("caller", [ONE, ONE_UDP], ids=["tcp", "udp"])
@in_loop
async def test_late_unlock_does_not_unlock_again(caller: Caller) -> None:
    site = NlmSite()
    message = site.message(NLM4_VERS.NLMPROC4_UNLOCK, nlm4_unlockargs(b"", site.alock()))

    first = await site.reply(message, caller)
    await site.lock(caller=caller)
    again = await site.reply(message, caller)

    assert again == first
    assert len(site.held) == 1


def test_all_that_changes_something_must_not_run_twice() -> None:
    names = {each.name.split("_", 1)[1] for each in UNREPEATABLE}

    assert names == {"LOCK", "CANCEL", "UNLOCK", "SHARE", "UNSHARE", "NM_LOCK", "FREE_ALL"}
    assert len(UNREPEATABLE) == 3 + 3 + 7 + 7
