"""``oncrpc.nfs.server.mount``: MNT and its refusals, UMNT, DUMP, EXPORT and PATHCONF."""

from __future__ import annotations

import logging
from typing import Any

import pytest

from oncrpc.nfs.filesystem import Attributes, Identity
from oncrpc.nfs.handles import Handles
from oncrpc.nfs.options import ExportOptions
from oncrpc.nfs.server.shares import Share
from oncrpc.nfs.status import NfsError
from oncrpc.programs.mount import (
    MOUNT_V3,
    MOUNTVERS,
    MOUNTVERS_POSIX,
    exportnode,
    fhstatus,
    groupnode,
    mountbody,
    mountres3,
    mountres3_ok,
    mountstat3,
    ppathcnf,
)
from oncrpc.programs.nfs3 import nfsstat3
from oncrpc.rpc import AUTH_NONE, auth_sys
from support.mount_site import (
    CLIENT,
    DIRECTORY,
    FILE,
    KEY,
    LINK,
    OTHER,
    STRANGER,
    USER,
    MountSite,
    SlowTree,
    Tree,
    directories,
    mounted,
    share,
    tcp,
)
from support.words import words

MNT = MOUNT_V3.MOUNTPROC3_MNT
OLD: list[Any] = [MOUNTVERS, MOUNTVERS_POSIX]
HANDLES = Handles(KEY)


def test_mount_of_an_export_is_its_root() -> None:
    site = MountSite(share())

    result = site.call(MNT, b"/srv")

    handle = HANDLES.make(7, b"/")
    assert result == mountres3(mountstat3.MNT3_OK, mountres3_ok(handle, [1]))


def test_bytes_of_a_mount_in_version_3() -> None:
    site = MountSite(share())
    call = words(
        0x11223344, 0, 2,              # xid, CALL, rpcvers
        100005, 3, 1,                  # MOUNTPROG, version 3, MNT
        0, 0, 0, 0,                    # cred AUTH_NONE, verf AUTH_NONE
        4, b"/srv",                    # dirpath
    )  # fmt: skip

    reply = site.reply(tcp(), call)

    assert reply == words(
        0x11223344, 1, 0, 0, 0, 0,     # xid, REPLY, MSG_ACCEPTED, verf AUTH_NONE, SUCCESS
        0,                             # MNT3_OK
        13, HANDLES.make(7, b"/"), b"\0\0\0",
        1, 1,                          # one flavor: AUTH_SYS
    )  # fmt: skip


@pytest.mark.parametrize("vers", [1, 2])
def test_bytes_of_a_mount_in_old_versions(vers: int) -> None:
    site = MountSite(share())
    call = words(
        0x11223344, 0, 2, 100005, vers, 1, 0, 0, 0, 0,
        4, b"/srv",                    # dirpath
    )  # fmt: skip

    reply = site.reply(tcp(), call)

    assert reply == words(
        0x11223344, 1, 0, 0, 0, 0,
        0,                             # status
        HANDLES.make_v2(7, b"/"),      # 32 bytes
    )  # fmt: skip


@pytest.mark.parametrize("tree", [Tree, SlowTree])
def test_mount_of_a_subdirectory_is_that_directory(tree: type[Tree]) -> None:
    site = MountSite(share(tree=tree(directories(b"/a", b"/a/b"))))

    result = site.call(MNT, b"/srv/a/b")

    assert HANDLES.open(result.body.fhandle) == (7, b"/a/b")


@pytest.mark.parametrize(
    ("path", "status"),
    [
        (b"/srv/none", mountstat3.MNT3ERR_NOENT),
        (b"/srv/file", mountstat3.MNT3ERR_NOTDIR),
        (b"/srv/file/x", mountstat3.MNT3ERR_NOTDIR),
        (b"/srv/link", mountstat3.MNT3ERR_ACCES),
        (b"/srv/link/x", mountstat3.MNT3ERR_ACCES),
        (b"/srv/closed/x", mountstat3.MNT3ERR_ACCES),
        (b"/srv/" + b"n" * 256, mountstat3.MNT3ERR_NAMETOOLONG),
        (b"/srv/a\0b", mountstat3.MNT3ERR_ACCES),
        (b"/", mountstat3.MNT3ERR_ACCES),
        (b"/sr", mountstat3.MNT3ERR_ACCES),
        (b"/srvx", mountstat3.MNT3ERR_ACCES),
        (b"/etc/passwd", mountstat3.MNT3ERR_ACCES),
        (b"/srv/../etc", mountstat3.MNT3ERR_ACCES),
        (b"srv", mountstat3.MNT3ERR_ACCES),
        (b"", mountstat3.MNT3ERR_ACCES),
    ],
)
def test_refused_path_has_its_status(path: bytes, status: mountstat3) -> None:
    files = {
        b"/file": Attributes(FILE),
        b"/link": Attributes(LINK, 0o777),
        b"/closed": Attributes(DIRECTORY, 0o700),
        b"/closed/x": Attributes(DIRECTORY),
    }
    site = MountSite(share(tree=Tree(files)))

    assert mounted(site, path) is status
    old = site.call(MOUNTVERS.MOUNTPROC_MNT, path)
    assert old == fhstatus(status.value, None)
    assert list(site.mounts) == []


def test_closed_directory_itself_can_be_mounted() -> None:
    site = MountSite(share(tree=Tree(directories(b"/closed", mode=0o700))))

    assert mounted(site, b"/srv/closed") is mountstat3.MNT3_OK


def test_squashed_root_may_not_search() -> None:
    """CVE-2025-12801: root of a client is not root on the way."""
    tree = Tree(directories(b"/closed", b"/closed/x", mode=0o700))
    root = auth_sys(b"client", 0, 0)
    site = MountSite(share(tree=tree))

    assert mounted(site, b"/srv/closed/x", cred=root) is mountstat3.MNT3ERR_ACCES
    assert (b"/closed", b"x") not in tree.looked_up
    trusting = MountSite(share(tree=tree, root_squash=False))
    assert mounted(trusting, b"/srv/closed/x", cred=root) is mountstat3.MNT3_OK


@pytest.mark.parametrize("host", [OTHER, STRANGER])
def test_host_without_a_rule_is_refused(host: str) -> None:
    site = MountSite(share(tree=Tree(directories(b"/a"))))

    for path in (b"/srv", b"/srv/a", b"/srv/none"):
        assert mounted(site, path, caller=tcp(host)) is mountstat3.MNT3ERR_ACCES


def test_high_port_is_refused_if_secure() -> None:
    site = MountSite(share())

    assert mounted(site, b"/srv", caller=tcp(port=1024)) is mountstat3.MNT3ERR_ACCES
    insecure = MountSite(share(secure=False))
    assert mounted(insecure, b"/srv", caller=tcp(port=1024)) is mountstat3.MNT3_OK


def test_innermost_export_of_the_host_decides() -> None:
    upper = share(b"/srv", Tree(directories(b"/a", b"/a/b")), tag=1, hosts=(CLIENT, OTHER))
    lower = share(b"/srv/a", Tree(directories(b"/b")), tag=2, hosts=(OTHER,))
    site = MountSite(upper, lower)

    for host, expected in ((OTHER, (2, b"/b")), (CLIENT, (1, b"/a/b"))):
        result = site.call(MNT, b"/srv/a/b", caller=tcp(host))
        assert HANDLES.open(result.body.fhandle) == expected


def test_inner_export_is_final_for_its_hosts(caplog: pytest.LogCaptureFixture) -> None:
    upper = share(b"/srv", Tree(directories(b"/a", b"/a/b")), tag=1, secure=False)
    lower = share(b"/srv/a", tag=2)
    site = MountSite(upper, lower)

    assert mounted(site, b"/srv/a/b") is mountstat3.MNT3ERR_NOENT
    assert mounted(site, b"/srv/a", caller=tcp(port=5000)) is mountstat3.MNT3ERR_ACCES
    assert "(/srv/a): No such file" in caplog.messages[0]


def test_export_is_mounted_by_its_spelling() -> None:
    exported = share(b"/mnt/disk/srv", Tree(directories(b"/a")))
    exported.spellings = {b"/srv"}
    site = MountSite(exported)

    for path in (b"/srv/a", b"/mnt/disk/srv/a"):
        result = site.call(MNT, path)
        assert HANDLES.open(result.body.fhandle) == (7, b"/a")
    assert mounted(site, b"/mnt/disk") is mountstat3.MNT3ERR_ACCES
    assert [mount.directory for mount in site.mounts] == [b"/srv/a", b"/mnt/disk/srv/a"]


def test_export_of_the_root_covers_every_path() -> None:
    site = MountSite(share(b"/", Tree(directories(b"/a"))))

    result = site.call(MNT, b"/a")

    assert HANDLES.open(result.body.fhandle) == (7, b"/a")


@pytest.mark.parametrize(
    "path", [b"/srv/a/", b"//srv///a", b"/srv/./a", b"/srv/b/../a", b"/../srv/a/.", b"/srv/x/../a"]
)
def test_path_is_read_as_rpc_mountd_reads_it(path: bytes) -> None:
    site = MountSite(share(tree=Tree(directories(b"/a", b"/b"))))

    result = site.call(MNT, path)

    assert HANDLES.open(result.body.fhandle) == (7, b"/a")
    assert list(site.mounts) == [(CLIENT, b"/srv/a")]


@pytest.mark.parametrize(
    ("sec", "flavors"),
    [(("sys",), [1]), (("none", "sys"), [0, 1]), (("krb5", "sys"), [1]), (("none",), [0])],
)
def test_reply_has_the_flavors_in_order(sec: tuple[str, ...], flavors: list[int]) -> None:
    site = MountSite(share(sec=sec))

    assert site.call(MNT, b"/srv").body.auth_flavors == flavors


def test_export_for_kerberos_only_is_refused(caplog: pytest.LogCaptureFixture) -> None:
    site = MountSite(share(sec=("krb5p",)))

    assert mounted(site, b"/srv") is mountstat3.MNT3ERR_ACCES
    assert "the server lacks the flavors of the export (sec=krb5p)" in caplog.text


@pytest.mark.parametrize(("sec", "cred"), [(("sys",), AUTH_NONE), (("none",), USER)])
def test_caller_without_the_flavor_is_anonymous(sec: tuple[str, ...], cred: Any) -> None:
    tree = Tree()
    site = MountSite(share(tree=tree, sec=sec, anonuid=4000, anongid=4001))

    assert mounted(site, b"/srv", cred=cred) is mountstat3.MNT3_OK
    assert {(who.uid, who.gid, who.groups) for who in tree.callers} == {(4000, 4001, ())}


def test_id_too_long_for_old_handles_is_refused(caplog: pytest.LogCaptureFixture) -> None:
    site = MountSite(share(tree=Tree(directories(b"/" + b"d" * 30))))

    assert mounted(site, b"/srv/" + b"d" * 30) is mountstat3.MNT3_OK
    old = site.call(MOUNTVERS.MOUNTPROC_MNT, b"/srv/" + b"d" * 30)
    assert old == fhstatus(5, None)
    assert "an id of 31 bytes has no room in a handle of version 2" in caplog.text


def test_failed_mount_is_not_listed() -> None:
    """DUMP lists no failed mount."""
    site = MountSite(share(tree=Tree({b"/f": Attributes(FILE)})))

    mounted(site, b"/srv/f")
    mounted(site, b"/srv/none")
    mounted(site, b"/srv", caller=tcp(STRANGER))

    assert site.call(MOUNT_V3.MOUNTPROC3_DUMP) == []
    assert not site.mounts.has(STRANGER)


def test_unmount_drops_one_entry_of_that_host() -> None:
    site = MountSite(share(tree=Tree(directories(b"/a")), hosts=(CLIENT, OTHER)))
    for host in (CLIENT, OTHER):
        for path in (b"/srv", b"/srv/a"):
            mounted(site, path, caller=tcp(host))

    site.call(MOUNT_V3.MOUNTPROC3_UMNT, b"/srv/a/")

    left = site.call(MOUNT_V3.MOUNTPROC3_DUMP)
    assert [(each.ml_hostname, each.ml_directory) for each in left] == [
        (b"192.0.2.1", b"/srv"),
        (b"192.0.2.2", b"/srv"),
        (b"192.0.2.2", b"/srv/a"),
    ]


def test_unmount_all_drops_the_host_only() -> None:
    site = MountSite(share(tree=Tree(directories(b"/a")), hosts=(CLIENT, OTHER)))
    for host in (CLIENT, OTHER):
        for path in (b"/srv", b"/srv/a"):
            mounted(site, path, caller=tcp(host))

    site.call(MOUNT_V3.MOUNTPROC3_UMNTALL)

    left = site.call(MOUNT_V3.MOUNTPROC3_DUMP)
    assert {each.ml_hostname for each in left} == {b"192.0.2.2"}


@pytest.mark.parametrize("version", OLD)
def test_old_versions_unmount_and_list_too(version: Any) -> None:
    site = MountSite(share(tree=Tree(directories(b"/a"))))
    for path in (b"/srv", b"/srv/a"):
        assert site.call(version.MOUNTPROC_MNT, path).status == 0

    site.call(version.MOUNTPROC_UMNT, b"/srv")

    assert site.call(version.MOUNTPROC_DUMP) == [mountbody(b"192.0.2.1", b"/srv/a")]
    site.call(version.MOUNTPROC_UMNTALL)
    assert site.call(version.MOUNTPROC_DUMP) == []
    listed = [exportnode(b"/srv", [groupnode(b"192.0.2.0/24")])]
    assert site.call(version.MOUNTPROC_EXPORT) == listed
    assert site.call(version.MOUNTPROC_EXPORTALL) == listed


@pytest.mark.parametrize("path", [b"", b"srv", b"/never", b"\0"])
def test_unmount_of_anything_is_answered(path: bytes) -> None:
    site = MountSite(share())
    mounted(site, b"/srv")

    assert site.call(MOUNT_V3.MOUNTPROC3_UMNT, path) is None
    assert len(site.mounts) == 1


def test_mount_is_logged_as_by_rpc_mountd(caplog: pytest.LogCaptureFixture) -> None:
    site = MountSite(share(tree=Tree(directories(b"/a"))))

    with caplog.at_level(logging.INFO, "oncrpc.nfs"):
        mounted(site, b"/srv/a")
        mounted(site, b"/srv/b\n")
        mounted(site, b"/etc", caller=tcp("2001:db8::1"))
        mounted(site, b"/srv", caller=tcp(OTHER, 900))

    assert caplog.messages == [
        "authenticated mount request from 192.0.2.1:700 for /srv/a (/srv)",
        r"refused mount request from 192.0.2.1:700 for /srv/b\n (/srv): No such file or directory",
        "refused mount request from [2001:db8::1]:700 for /etc (/): not exported",
        "refused mount request from 192.0.2.2:900 for /srv (/srv):"
        " 192.0.2.2 may not use this export",
    ]


def test_refusals_are_logged_once_a_second(caplog: pytest.LogCaptureFixture) -> None:
    site = MountSite(share())

    for _ in range(50):
        mounted(site, b"/etc")

    assert len(caplog.messages) == 1


def test_each_reason_of_a_host_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    site = MountSite(share())

    mounted(site, b"/etc")
    mounted(site, b"/srv/missing")

    assert len(caplog.messages) == 2


class PendingRules:
    """Rules that look up a name for some questions."""

    def __init__(self, questions: int, *, allowed: bool = True) -> None:
        self.left, self.allowed = questions, allowed

    def options_for(self, host: str) -> ExportOptions | None:
        if self.left:
            self.left -= 1
            raise NfsError(nfsstat3.NFS3ERR_JUKEBOX)
        return ExportOptions() if self.allowed else None


async def no_sleep(_: float) -> None:
    return None


@pytest.mark.parametrize(("allowed", "status"), [(True, 0), (False, 13)])
def test_mount_waits_for_a_name(allowed: bool, status: int) -> None:
    exported = Share(7, b"/srv", Tree(), PendingRules(3, allowed=allowed), 7)
    site = MountSite(exported, sleep=no_sleep)

    assert mounted(site, b"/srv") == status


def test_wait_for_a_name_ends() -> None:
    site = MountSite(Share(7, b"/srv", Tree(), PendingRules(1000), 7), sleep=no_sleep)

    assert mounted(site, b"/srv") is mountstat3.MNT3ERR_SERVERFAULT
    assert site.call(MOUNTVERS.MOUNTPROC_MNT, b"/srv") == fhstatus(5, None)


def test_gone_root_is_not_found() -> None:
    tree = Tree()
    del tree.files[b"/"]

    assert mounted(MountSite(share(tree=tree)), b"/srv") is mountstat3.MNT3ERR_NOENT


class BrokenTree(Tree):
    """Fails as a back end may."""

    def __init__(self, error: OSError) -> None:
        super().__init__()
        self.error = error

    def getattr(self, who: Identity, file: bytes) -> Attributes:
        raise self.error


@pytest.mark.parametrize(
    ("error", "status", "old"),
    [
        (OSError(5, "Input/output error"), mountstat3.MNT3ERR_IO, 5),
        (OSError(22, "Invalid argument"), mountstat3.MNT3ERR_INVAL, 22),
        (OSError(1, "Operation not permitted"), mountstat3.MNT3ERR_ACCES, 13),
        (OSError(28, "No space left on device"), mountstat3.MNT3ERR_SERVERFAULT, 5),
        (NfsError(nfsstat3.NFS3ERR_NOTSUPP), mountstat3.MNT3ERR_NOTSUPP, 5),
        (NfsError(nfsstat3.NFS3ERR_JUKEBOX), mountstat3.MNT3ERR_SERVERFAULT, 5),
        (PermissionError(), mountstat3.MNT3ERR_ACCES, 13),
    ],
)
def test_failure_of_a_file_system_has_a_status(
    error: OSError, status: mountstat3, old: int
) -> None:
    site = MountSite(share(tree=BrokenTree(error)))

    assert mounted(site, b"/srv") is status
    assert site.call(MOUNTVERS.MOUNTPROC_MNT, b"/srv") == fhstatus(old, None)


def test_path_over_1024_bytes_is_garbage() -> None:
    site = MountSite(share())
    call = words(
        0x11223344, 0, 2, 100005, 3, 1, 0, 0, 0, 0,
        1028, b"/" * 1028,             # dirpath<MNTPATHLEN>
    )  # fmt: skip

    assert site.reply(tcp(), call) == words(0x11223344, 1, 0, 0, 0, 4)  # GARBAGE_ARGS


def test_longest_path_is_decoded() -> None:
    site = MountSite(share())

    assert mounted(site, b"/srv" + b"/" * 1020) is mountstat3.MNT3_OK
    assert mounted(site, b"/srv/" + b"x/" * 509 + b"x") is mountstat3.MNT3ERR_NOENT


@pytest.mark.parametrize(("vers", "high"), [(0, 3), (4, 3)])
def test_unknown_version_is_a_mismatch(vers: int, high: int) -> None:
    site = MountSite(share())
    call = words(0x11223344, 0, 2, 100005, vers, 1, 0, 0, 0, 0)

    assert site.reply(tcp(), call) == words(0x11223344, 1, 0, 0, 0, 2, 1, high)


@pytest.mark.parametrize(("vers", "last"), [(1, 6), (2, 7), (3, 5)])
def test_each_version_has_its_procedures(vers: int, last: int) -> None:
    site = MountSite(share())

    for proc in range(last + 2):
        call = words(0x11223344, 0, 2, 100005, vers, proc, 0, 0, 0, 0, 0)
        reply = site.reply(tcp(), call)
        unavailable = reply == words(0x11223344, 1, 0, 0, 0, 3)
        assert unavailable is (proc > last)


def test_pathconf_has_the_limits_of_the_file_system() -> None:
    site = MountSite(share(tree=Tree(directories(b"/a"))))

    result = site.call(MOUNTVERS_POSIX.MOUNTPROC_PATHCONF, b"/srv/a")

    assert result == ppathcnf(1000, 255, 255, 255, 4096, 4096, 0, 0, [0, 0])
    assert list(site.mounts) == []


@pytest.mark.parametrize("path", [b"/etc", b"/srv/none", b""])
def test_pathconf_of_a_refused_path_is_zero(path: bytes) -> None:
    site = MountSite(share())

    result = site.call(MOUNTVERS_POSIX.MOUNTPROC_PATHCONF, path)

    assert result == ppathcnf(0, 0, 0, 0, 0, 0, 0, 0, [0, 0])
