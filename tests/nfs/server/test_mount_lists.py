"""``oncrpc.nfs.server.mount_lists``: EXPORT and DUMP, their bytes, bounds and refusals."""

from __future__ import annotations

import logging
from typing import Any

import pytest

from oncrpc.access.line_limit import LineLimit
from oncrpc.errors import SystemFailure
from oncrpc.nfs.options import ExportOptions
from oncrpc.nfs.server.mount_list import MAX_MOUNTS
from oncrpc.nfs.server.mount_lists import MAX_LIST, MAX_UDP_LIST, bounded
from oncrpc.nfs.server.shares import Share
from oncrpc.nfs.status import NfsError
from oncrpc.programs.mount import MOUNT_V3, MOUNTVERS, exportnode, exports, groupnode, mountbody
from oncrpc.programs.nfs3 import nfsstat3
from oncrpc.rpc import Caller
from oncrpc.xdr import encode
from support.mount_site import CLIENT, OTHER, MountSite, Tree, share, tcp, udp
from support.words import words

EXPORT, DUMP, MNT = MOUNT_V3.MOUNTPROC3_EXPORT, MOUNT_V3.MOUNTPROC3_DUMP, MOUNT_V3.MOUNTPROC3_MNT


def called(proc: int, vers: int = 3) -> bytes:
    return words(0x11223344, 0, 2, 100005, vers, proc, 0, 0, 0, 0)


@pytest.mark.parametrize(("vers", "proc"), [(1, 5), (1, 6), (2, 5), (2, 6), (3, 5)])
def test_bytes_of_the_export_list(vers: int, proc: int) -> None:
    site = MountSite(share(groups=("@staff", "192.0.2.1")), share(b"/all", tag=8, groups=()))

    assert site.reply(tcp(), called(proc, vers)) == words(
        0x11223344, 1, 0, 0, 0, 0,
        1, 4, b"/srv",                 # an export
        1, 6, b"@staff\0\0",           # a group
        1, 9, b"192.0.2.1\0\0\0",
        0,                             # no more groups
        1, 4, b"/all",
        0,                             # no groups: everybody
        0,                             # no more exports
    )  # fmt: skip


@pytest.mark.parametrize("vers", [1, 2, 3])
def test_bytes_of_the_mount_list(vers: int) -> None:
    site = MountSite(share(hosts=(CLIENT, "2001:db8::1")))
    for host in (CLIENT, "2001:db8::1"):
        site.call(MNT, b"/srv", caller=tcp(host))

    assert site.reply(tcp(), called(2, vers)) == words(
        0x11223344, 1, 0, 0, 0, 0,
        1, 9, b"192.0.2.1\0\0\0", 4, b"/srv",
        1, 11, b"2001:db8::1\0", 4, b"/srv",
        0,                             # no more mounts
    )  # fmt: skip


def test_empty_lists_are_one_word() -> None:
    site = MountSite()

    for proc in (2, 5):
        assert site.reply(tcp(), called(proc)) == words(0x11223344, 1, 0, 0, 0, 0, 0)


def test_export_list_follows_the_exports() -> None:
    site = MountSite(share())
    assert len(site.call(EXPORT)) == 1

    site.shares.replace([])

    assert site.call(EXPORT) == []


def test_mount_list_follows_the_mounts() -> None:
    site = MountSite(share())
    assert site.call(DUMP) == []

    site.call(MNT, b"/srv")
    assert site.call(DUMP) == [mountbody(CLIENT.encode(), b"/srv")]
    site.clock.now += 1e9

    assert site.call(DUMP) == []


def test_option_hides_what_the_caller_may_not_mount() -> None:
    shares = share(b"/a", tag=1), share(b"/b", tag=2, hosts=(OTHER,)), share(b"/c", tag=3)
    site = MountSite(*shares, only_allowed=True)

    def paths(caller: Caller) -> list[bytes]:
        return [each.ex_dir for each in site.call(EXPORT, caller=caller)]

    assert paths(tcp()) == [b"/a", b"/c"]
    assert paths(tcp(port=5000)) == [b"/a", b"/c"]
    assert paths(tcp(OTHER)) == [b"/b"]
    assert paths(tcp("198.51.100.1")) == []
    site.program.only_allowed = False
    assert paths(tcp(OTHER)) == [b"/a", b"/b", b"/c"]


class LateRules:
    """Rules that look up a name for some questions."""

    def __init__(self, questions: int) -> None:
        self.left = questions

    def options_for(self, host: str) -> ExportOptions | None:
        if self.left:
            self.left -= 1
            raise NfsError(nfsstat3.NFS3ERR_JUKEBOX)
        return ExportOptions()


@pytest.mark.parametrize(("questions", "listed"), [(5, [b"/a", b"/b"]), (10_000, [b"/b"])])
def test_list_waits_for_names(questions: int, listed: list[bytes]) -> None:
    async def sleep(_: float) -> None:
        return None

    late = Share(1, b"/a", Tree(), LateRules(questions), 1)
    site = MountSite(late, share(b"/b", tag=2), only_allowed=True, sleep=sleep)

    assert [each.ex_dir for each in site.call(EXPORT)] == listed


def test_rules_without_groups_are_shown_as_everybody() -> None:
    site = MountSite(Share(1, b"/a", Tree(), LateRules(0), 1))

    assert site.call(EXPORT) == [exportnode(b"/a", [])]


def test_export_that_nobody_may_mount_is_not_listed() -> None:
    site = MountSite(share(groups=None), share(b"/b", tag=8, groups=()))

    assert site.call(EXPORT) == [exportnode(b"/b", [])]


def test_long_names_are_cut() -> None:
    site = MountSite(share(groups=("g" * 300,)), share(b"/" + b"p" * 1024, tag=8))

    assert site.call(EXPORT) == [exportnode(b"/srv", [groupnode(b"g" * 255)])]


def test_export_list_is_bounded(caplog: pytest.LogCaptureFixture) -> None:
    names = [f"host{number}.example.com" for number in range(100)]
    shares = [share(b"/%d" % number, tag=number, groups=names) for number in range(1, 1000)]
    site = MountSite(*shares, only_allowed=True)
    site.program.lists.warnings = LineLimit(now=site.clock)

    with caplog.at_level(logging.WARNING, "oncrpc.nfs"):
        reply = site.reply(tcp(), called(5))
        site.reply(tcp(), called(5))

    assert reply is not None
    assert 0.9 * MAX_LIST < len(reply) - 24 <= MAX_LIST
    assert len(caplog.messages) == 1
    assert "exports have no room in the list of exports" in caplog.text


def test_size_of_a_bounded_list_is_exact() -> None:
    node = exportnode(b"/srv", [groupnode(b"a"), groupnode(b"four")])
    one = len(encode(exports, [node])) - 4

    kept = bounded([node] * (MAX_LIST // one + 5))

    assert len(kept) == (MAX_LIST - 4) // one


def test_longest_mount_list_is_sent() -> None:
    site = MountSite(share())
    for number in range(MAX_MOUNTS):
        site.mounts.add(f"2001:db8::{number:x}", b"/" + b"d" * 1000, proven=True)

    assert len(site.call(DUMP)) == len(site.mounts)


def test_list_with_room_is_sent_over_udp() -> None:
    site = MountSite(share())

    assert len(site.call(EXPORT, caller=udp())) == 1


def test_list_is_refused_over_udp_if_long() -> None:
    shares = [share(b"/" + b"%d" % number * 100, tag=number) for number in range(1, 100)]
    site = MountSite(*shares)
    assert len(site.reply(tcp(), called(5)) or b"") > MAX_UDP_LIST

    with pytest.raises(SystemFailure):
        site.call(EXPORT, caller=udp())


@pytest.mark.parametrize("procedure", [EXPORT, MOUNTVERS.MOUNTPROC_DUMP])
def test_forged_mount_buys_no_long_list(procedure: Any) -> None:
    """A MNT over UDP makes its source trusted; a list in its name is not amplified."""
    site = MountSite(share(groups=("192.0.2.0/24",) * 100))
    for _ in range(5):
        site.call(MNT, b"/srv", caller=udp())
    for number in range(20):
        site.mounts.add(f"192.0.2.{number + 10}", b"/srv", proven=True)

    with pytest.raises(SystemFailure):
        site.call(procedure, caller=udp())

    site.call(MNT, b"/srv", caller=tcp())
    assert site.call(procedure, caller=udp())


def test_loopback_has_long_lists_over_udp() -> None:
    site = MountSite(share(hosts=("127.0.0.1",), groups=("192.0.2.0/24",) * 100))
    local = ("127.0.0.1", 20048, 0)
    caller = Caller("udp", ("127.0.0.1", 700, 0), local, loopback=True, datagram=True)
    site.call(MNT, b"/srv", caller=caller)

    assert site.call(EXPORT, caller=caller)


@pytest.mark.parametrize("procedure", [DUMP, EXPORT, MOUNTVERS.MOUNTPROC_DUMP])
def test_broadcast_call_for_a_list_is_ignored(procedure: Any) -> None:
    site = MountSite(share())

    assert site.call(procedure, caller=udp(to_group=True)) is None
