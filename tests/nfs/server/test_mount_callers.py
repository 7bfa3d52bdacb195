"""MNT for callers of every kind: it is granted exactly when NFS serves them."""

from __future__ import annotations

import asyncio
import posixpath
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from oncrpc.errors import AuthError
from oncrpc.nfs.backends.memory import MemoryFileSystem
from oncrpc.nfs.filesystem import Attributes, Identity, NewAttributes
from oncrpc.nfs.handles import Handles
from oncrpc.nfs.status import NfsError
from oncrpc.programs.mount import (
    MOUNT_V3,
    MOUNTVERS,
    MOUNTVERS_POSIX,
    mountstat3,
)
from oncrpc.programs.nfs3 import NFS_V3
from oncrpc.rpc import AUTH_NONE, Call, Caller, auth_sys
from oncrpc.rpc.prot import authsys_parms
from support.mount_site import (
    CLIENT,
    DIRECTORY,
    FILE,
    KEY,
    OTHER,
    USER,
    MountSite,
    Tree,
    directories,
    mounted,
    share,
    tcp,
    udp,
)

MNT = MOUNT_V3.MOUNTPROC3_MNT
OLD: list[Any] = [MOUNTVERS, MOUNTVERS_POSIX]
HANDLES = Handles(KEY)


def test_mount_over_udp_proves_nothing() -> None:
    site = MountSite(share(hosts=(CLIENT, OTHER)))

    mounted(site, b"/srv", caller=udp())
    mounted(site, b"/srv", caller=tcp(OTHER))

    assert (site.mounts.has(CLIENT), site.mounts.proved(CLIENT)) == (True, False)
    assert site.mounts.proved(OTHER)


def test_local_caller_is_not_listed() -> None:
    site = MountSite(share(hosts=("",)))
    caller = Caller("local", uid=0, loopback=True)

    assert mounted(site, b"/srv", caller=caller) is mountstat3.MNT3_OK
    assert len(site.mounts) == 0


def test_groups_of_host_replace_those_of_call() -> None:
    directory = {b"/a": Attributes(DIRECTORY, 0o710, gid=77), b"/a/b": Attributes(DIRECTORY)}
    site = MountSite(share(tree=Tree(directory)))
    assert mounted(site, b"/srv/a/b") is mountstat3.MNT3ERR_ACCES

    site.shares.groups_of = lambda uid, gid: (77,)

    assert mounted(site, b"/srv/a/b") is mountstat3.MNT3_OK


OPTIONS = [
    {}, {"secure": False}, {"sec": ("none",)}, {"sec": ("krb5",)}, {"sec": ("krb5", "sys")},
    {"all_squash": True}, {"root_squash": False},
]  # fmt: skip
CALLERS = [tcp(), tcp(port=5000), tcp(OTHER), tcp("2001:db8::1")]
CREDENTIALS = [USER, auth_sys(b"client", 0, 0), AUTH_NONE]


@pytest.mark.parametrize("options", OPTIONS, ids=str)
@pytest.mark.parametrize("caller", CALLERS, ids=str)
def test_mount_is_refused_as_nfs_is(options: dict[str, Any], caller: Caller) -> None:
    """Claim 19: MNT is refused exactly when NFS is, with every flavor that it offers."""
    site = MountSite(share(**options))

    for cred in CREDENTIALS:
        result = site.call(MNT, b"/srv", caller=caller, cred=cred)
        served = [flavor for flavor in (0, 1) if nfs_serves(site, caller, flavor)]
        offered = result.body.auth_flavors if result.body else []
        assert sorted(offered) == served


def nfs_serves(site: MountSite, caller: Caller, flavor: int) -> bool:
    """Whether GETATTR of the export's root is served, with a credential of a flavor."""
    credential = authsys_parms(0, b"client", 1000, 100, []) if flavor else None
    call = Call(
        1, NFS_V3.NFSPROC3_GETATTR, credential, AUTH_NONE,
        caller=caller, message=b"", arguments_at=0,
    )  # fmt: skip
    try:
        asyncio.run(site.shares.open(call, HANDLES.make(7, b"/")))
    except (NfsError, AuthError):
        return False
    return True


NAMES = st.sampled_from([b"a", b"b", b"file", b"..", b".", b"", b"\0", b"\xff", b"x" * 256, b"srv"])
HOSTILE = st.lists(NAMES, max_size=10).map(b"/".join).map(lambda path: b"/srv/" + path[:1000])


@settings(max_examples=300)
@given(HOSTILE)
@example(b"/srv/../../srv/a/../../../etc")
def test_no_path_leaves_its_export(path: bytes) -> None:
    files = {**directories(b"/a", b"/a/b", b"/b"), b"/file": Attributes(FILE)}
    tree = Tree(files)
    site = MountSite(share(tree=tree))

    result = site.call(MNT, path)

    assert all(directory in files or directory == b"/" for directory, _ in tree.looked_up)
    assert all(b"/" not in name and name not in (b"", b".", b"..") for _, name in tree.looked_up)
    if result.fhs_status is mountstat3.MNT3_OK:
        assert HANDLES.open(result.body.fhandle) == (7, inside(path, b"/srv"))
        assert list(site.mounts) == [(CLIENT, posixpath.normpath(path))]
    else:
        assert list(site.mounts) == []


def inside(path: bytes, root: bytes) -> bytes:
    """The path from the export's root, as the file system sees it."""
    return posixpath.normpath(path).removeprefix(root) or b"/"


def test_mount_works_over_the_memory_file_system() -> None:
    memory = MemoryFileSystem()
    root = Identity(0, 0)
    closed = memory.mkdir(root, memory.root, b"closed", NewAttributes(mode=0o700))
    memory.mkdir(root, closed, b"inner", NewAttributes(mode=0o777))
    memory.symlink(root, memory.root, b"link", b"closed", NewAttributes(mode=0o777))
    site = MountSite(share(tree=memory))

    assert mounted(site, b"/srv") is mountstat3.MNT3_OK
    assert mounted(site, b"/srv/closed") is mountstat3.MNT3_OK
    assert mounted(site, b"/srv/closed/inner") is mountstat3.MNT3ERR_ACCES
    assert mounted(site, b"/srv/link/inner") is mountstat3.MNT3ERR_ACCES
    trusting = MountSite(share(tree=memory, root_squash=False))
    as_root = auth_sys(b"client", 0, 0)
    assert mounted(trusting, b"/srv/closed/inner", cred=as_root) is mountstat3.MNT3_OK
