"""``oncrpc.nfs.quota.program``: the bytes of every procedure, and who may ask."""

from __future__ import annotations

import asyncio
import errno
from collections.abc import Sequence

import pytest

from oncrpc.nfs.backends.memory import MemoryFileSystem
from oncrpc.nfs.filesystem import (
    FileSystem,
    Identity,
    NewAttributes,
    Quota,
    QuotaKind,
    QuotaLimits,
)
from oncrpc.nfs.handles import Handles
from oncrpc.nfs.options import ExportOptions
from oncrpc.nfs.quota.program import RquotaProgram
from oncrpc.nfs.server.duplicates import CHANGES
from oncrpc.nfs.server.shares import Share, Shares
from oncrpc.nfs.status import NfsError
from oncrpc.programs.nfs3 import nfsstat3
from oncrpc.programs.rquota import EXT_RQUOTAVERS, RQUOTAPROG, RQUOTAVERS
from oncrpc.rpc import Caller
from oncrpc.rpc.dispatch import Dispatcher
from oncrpc.testing import ManualClock
from support.exported import OPTIONS, TCP, SameRules
from support.words import words

OK, NOQUOTA, EPERM = 1, 2, 3
NULL, GET, GETACTIVE, SET, SETACTIVE = range(5)
USER, GROUP = 0, 1
UID, GID, NOW = 1000, 100, 5000.0
QUOTA = Quota(QuotaLimits(8192, 4096, 20, 10), 6144, 15, 5060, 0)
QUOTA_BYTES = words(
    1024, 1,                      # rq_bsize, rq_active
    8, 4, 6,                      # hard and soft limit, current blocks
    20, 10, 15,                   # the same of files
    60, 0,                        # seconds left
)  # fmt: skip
SET_LIMITS = 0x70000
LIMITS = words(16, 12, 99, 200, 100, 99, 0, 0)
OTHER_PORT = Caller("udp", ("192.0.2.9", 40000, 0), ("192.0.2.1", 2049, 0), datagram=True)


class Counted(MemoryFileSystem):
    """A file system in memory with quotas. ``error`` is raised by the operations if it is set."""

    def __init__(self) -> None:
        super().__init__()
        self.quotas = {(QuotaKind.USER, UID): QUOTA, (QuotaKind.GROUP, GID): QUOTA}
        self.error: OSError | None = None
        self.asked: list[bytes] = []

    async def quota(self, who: Identity, file: bytes, kind: QuotaKind, number: int) -> Quota | None:
        await asyncio.sleep(0)
        self.asked.append(file)
        if self.error is not None:
            raise self.error
        return self.quotas.get((kind, number))

    async def set_quota(
        self, who: Identity, file: bytes, kind: QuotaKind, number: int, limits: QuotaLimits
    ) -> None:
        await asyncio.sleep(0)
        if self.error is not None:
            raise self.error
        before = self.quotas.get((kind, number), Quota(limits, 0, 0))
        self.quotas[kind, number] = before._replace(limits=limits)


class Site:
    """An export with quotas, asked by a user."""

    def __init__(
        self, options: ExportOptions | None = OPTIONS, *, files: FileSystem | None = None
    ) -> None:
        self.files = Counted()
        self.rules = SameRules(options)
        self.shares = Shares(Handles(bytes(32)))
        served: FileSystem = self.files if files is None else files
        self.shares.replace([Share(1, b"/srv", served, self.rules, fsid=1)])
        self.program = RquotaProgram(self.shares, may_set=True, clock=lambda: NOW, sleep=self.sleep)
        self.dispatcher = Dispatcher(list(self.program.services()), clock=ManualClock())
        self.slept: list[float] = []

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)

    def reply(
        self, vers: int, proc: int, *arguments: int | bytes, cred: bytes, caller: Caller = TCP
    ) -> bytes | None:
        call = words(0x11223344, 0, 2, RQUOTAPROG, vers, proc, cred, 0, 0, *arguments)

        async def handled() -> bytes | None:
            found = self.dispatcher.handle(call, caller)
            return found if found is None or isinstance(found, bytes) else await found

        return asyncio.run(handled())

    def results(
        self,
        vers: int,
        proc: int,
        *arguments: int | bytes,
        uid: int = UID,
        gid: int = GID,
        groups: Sequence[int] = (),
        caller: Caller = TCP,
    ) -> bytes:
        reply = self.reply(vers, proc, *arguments, cred=sys_cred(uid, gid, groups), caller=caller)
        assert reply is not None
        assert reply[:24] == words(0x11223344, 1, 0, 0, 0, 0)
        return reply[24:]

    def ask(
        self, kind: int = USER, number: int = UID, *, path: bytes = b"/srv", uid: int = UID,
        gid: int = GID, groups: Sequence[int] = (), caller: Caller = TCP,
    ) -> bytes:  # fmt: skip
        """GETQUOTA of version 2."""
        return self.results(
            2, GET, string(path), kind, number, uid=uid, gid=gid, groups=groups, caller=caller
        )

    def set(self, *, uid: int = 0, command: int = SET_LIMITS, caller: Caller = TCP) -> bytes:
        """SETQUOTA of version 2."""
        return self.results(
            2, SET, command, string(b"/srv"), UID, USER, LIMITS, uid=uid, caller=caller
        )


def string(text: bytes) -> bytes:
    return words(len(text), text.ljust(len(text) + 3 & ~3, b"\0"))


def sys_cred(uid: int, gid: int, groups: Sequence[int] = ()) -> bytes:
    body = words(0, 1, b"h\0\0\0", uid, gid, len(groups), *groups)
    return words(1, len(body), body)


@pytest.fixture
def site() -> Site:
    return Site()


def test_null_does_no_work(site: Site) -> None:
    assert site.results(1, NULL) == site.results(2, NULL) == b""


@pytest.mark.parametrize("proc", [GET, GETACTIVE])
def test_quota_of_a_user_is_drawn(site: Site, proc: int) -> None:
    expected = words(OK, QUOTA_BYTES)

    assert site.results(1, proc, string(b"/srv"), UID) == expected
    assert site.results(2, proc, string(b"/srv"), USER, UID) == expected


def test_quota_of_a_group_is_drawn(site: Site) -> None:
    assert site.ask(GROUP, GID) == words(OK, QUOTA_BYTES)


def test_quota_that_is_not_enforced_is_inactive(site: Site) -> None:
    site.files.quotas[QuotaKind.USER, UID] = QUOTA._replace(enforced=False)
    counted = words(1024, 0, QUOTA_BYTES[8:])

    assert site.ask() == words(OK, counted)
    assert site.results(2, GETACTIVE, string(b"/srv"), USER, UID) == words(NOQUOTA)
    assert site.results(1, GETACTIVE, string(b"/srv"), UID) == words(NOQUOTA)


@pytest.mark.parametrize(
    ("kind", "number", "uid", "gid", "groups", "expected"),
    [
        (USER, UID, 0, 0, (), OK),
        (USER, UID, UID, 5, (), OK),
        (USER, UID, 1001, UID, (UID,), EPERM),
        (GROUP, GID, 0, 0, (), OK),
        (GROUP, GID, 5, GID, (), OK),
        (GROUP, GID, 5, 5, (7, GID), OK),
        (GROUP, GID, GID, 5, (7,), EPERM),
        (USER, 1001, 1001, 5, (), NOQUOTA),
        (2, UID, UID, GID, (), NOQUOTA),
        (-1, UID, 0, 0, (), NOQUOTA),
        (USER, -1, 0, 0, (), NOQUOTA),
    ],
)
def test_users_see_their_own_quotas(
    site: Site, kind: int, number: int, uid: int, gid: int, groups: Sequence[int], expected: int
) -> None:
    found = site.ask(kind, number, uid=uid, gid=gid, groups=groups)

    assert found[:4] == words(expected)
    assert (len(found) > 4) == (expected == OK)


def test_large_number_has_no_sign(site: Site) -> None:
    site.files.quotas[QuotaKind.USER, 0xFFFFFFFE] = QUOTA

    assert site.ask(USER, -2, uid=0xFFFFFFFE)[:4] == words(OK)


def test_squashed_root_is_not_root() -> None:
    site = Site(OPTIONS._replace(root_squash=True))
    site.files.quotas[QuotaKind.USER, 65534] = QUOTA

    assert site.ask(USER, UID, uid=0) == words(EPERM)
    assert site.ask(USER, 65534, uid=0)[:4] == words(OK)


def test_squashed_users_see_the_anonymous_quota() -> None:
    site = Site(OPTIONS._replace(all_squash=True, anonuid=7))
    site.files.quotas[QuotaKind.USER, 7] = QUOTA

    assert site.ask(USER, UID) == words(EPERM)
    assert site.ask(USER, 7)[:4] == words(OK)


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        (b"/srv", OK),
        (b"/srv/a/../b/", OK),
        (b"srv", OK),
        (b"/", NOQUOTA),
        (b"", NOQUOTA),
        (b"/srv/../etc", NOQUOTA),
        (b"/srvx", NOQUOTA),
    ],
)
def test_path_lies_in_an_export(site: Site, path: bytes, expected: int) -> None:
    assert site.ask(path=path)[:4] == words(expected)


def test_file_system_is_that_of_the_path() -> None:
    site = Site(OPTIONS._replace(crossmnt=True))
    root = Identity(0, 0)
    below = site.files.mkdir(root, site.files.root, b"below", NewAttributes(mode=0o755))
    site.files.mkdir(root, site.files.root, b"secret", NewAttributes(mode=0o700))

    site.ask(path=b"/srv/below")

    assert site.files.asked == [below]
    assert site.ask(path=b"/srv/missing") == words(NOQUOTA)
    site.files.mkdir(
        root, site.files.lookup(root, site.files.root, b"secret"), b"x", NewAttributes(mode=0o777)
    )
    assert site.ask(path=b"/srv/secret/x") == words(EPERM)


def test_other_hosts_are_refused() -> None:
    assert Site(options=None).ask() == words(EPERM)


def test_outer_export_is_asked_if_inner_refuses(site: Site) -> None:
    inner = Share(2, b"/srv/in", Counted(), SameRules(None), fsid=2)
    site.shares.replace([*site.shares, inner])

    assert site.ask(path=b"/srv/in")[:4] == words(OK)


def test_flavor_must_be_that_of_the_export() -> None:
    assert Site(OPTIONS._replace(sec=("krb5",))).ask() == words(EPERM)


def test_caller_without_a_user_is_refused(site: Site) -> None:
    reply = site.reply(2, GET, string(b"/srv"), USER, UID, cred=words(0, 0))

    assert reply == words(0x11223344, 1, 1, 1, 5)  # MSG_DENIED, AUTH_ERROR, AUTH_TOOWEAK


def test_unreserved_port_may_ask() -> None:
    site = Site(OPTIONS._replace(secure=True))

    assert site.ask(caller=OTHER_PORT)[:4] == words(OK)


def test_caller_waits_while_a_name_is_looked_up(site: Site) -> None:
    site.rules.pending = NfsError(nfsstat3.NFS3ERR_JUKEBOX)

    assert site.reply(2, GET, string(b"/srv"), USER, UID, cred=sys_cred(UID, GID)) is None
    assert site.slept == [0.1] * 50


@pytest.mark.parametrize(
    ("number", "expected"), [(errno.EPERM, EPERM), (errno.EIO, NOQUOTA), (errno.ESTALE, NOQUOTA)]
)
def test_failure_of_the_file_system_is_a_status(site: Site, number: int, expected: int) -> None:
    site.files.error = OSError(number, "failed")

    assert site.ask() == words(expected)


def test_back_end_without_quotas_has_none() -> None:
    site = Site(files=MemoryFileSystem())

    assert site.ask() == words(NOQUOTA)
    assert site.set() == words(NOQUOTA)


# SETQUOTA

NEW_BYTES = words(1024, 1, 16, 12, 6, 200, 100, 15, 60, 0)


@pytest.mark.parametrize("proc", [SET, SETACTIVE])
@pytest.mark.parametrize("command", [SET_LIMITS, SET_LIMITS | 1, 0x40000])
def test_root_sets_limits(proc: int, command: int) -> None:
    expected = words(OK, NEW_BYTES)
    arguments = command, string(b"/srv"), UID

    assert Site().results(1, proc, *arguments, LIMITS, uid=0) == expected
    assert Site().results(2, proc, *arguments, USER, LIMITS, uid=0) == expected


def test_limits_of_a_group_are_set(site: Site) -> None:
    found = site.results(2, SET, 0x70001, string(b"/srv"), GID, GROUP, LIMITS, uid=0)

    assert found == words(OK, NEW_BYTES)
    assert site.files.quotas[QuotaKind.GROUP, GID].limits == QuotaLimits(16384, 12288, 200, 100)


@pytest.mark.parametrize(
    "options",
    [
        OPTIONS._replace(root_squash=True),
        OPTIONS._replace(all_squash=True),
        OPTIONS._replace(ro=True),
        None,
    ],
)
def test_export_may_forbid_to_set(options: ExportOptions | None) -> None:
    site = Site(options)

    assert site.set() == words(EPERM)
    assert site.files.quotas[QuotaKind.USER, UID] == QUOTA


def test_nothing_is_set_unless_configured(site: Site) -> None:
    site.program.may_set = False

    assert site.set() == words(EPERM)


def test_users_set_no_limits(site: Site) -> None:
    assert site.set(uid=UID) == words(EPERM)


def test_limits_come_from_a_reserved_port(site: Site) -> None:
    site.rules.options = OPTIONS._replace(secure=True)

    assert site.set(caller=OTHER_PORT) == words(EPERM)
    assert site.set()[:4] == words(OK)


@pytest.mark.parametrize("command", [0, 0x50000, 0x30000, 0x700, -1])
def test_usage_is_never_set(site: Site, command: int) -> None:
    assert site.set(command=command) == words(EPERM)


def test_reply_to_setquota_is_kept() -> None:
    assert {RQUOTAVERS.RQUOTAPROC_SETQUOTA, EXT_RQUOTAVERS.RQUOTAPROC_SETQUOTA} <= CHANGES


@pytest.mark.parametrize("proc", [GET, SET])
@pytest.mark.parametrize("vers", [1, 2])
def test_cut_arguments_are_garbage(site: Site, vers: int, proc: int) -> None:
    arguments = words(string(b"/srv"), UID) if proc == GET else words(7, string(b"/srv"), 0)

    reply = site.reply(vers, proc, arguments[:-4], cred=sys_cred(0, 0))

    assert reply == words(0x11223344, 1, 0, 0, 0, 4)  # GARBAGE_ARGS


def test_longer_path_is_garbage(site: Site) -> None:
    reply = site.reply(2, GET, string(b"/" * 1025), USER, UID, cred=sys_cred(UID, GID))

    assert reply == words(0x11223344, 1, 0, 0, 0, 4)
