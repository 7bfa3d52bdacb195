"""A local directory on disks that are full, broken, read-only, or mounted below each other."""

from __future__ import annotations

import asyncio
import errno
import os
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from oncrpc.nfs.answers import settled
from oncrpc.nfs.backends.local.local import LocalFileSystem
from oncrpc.nfs.backends.local.volumes import volume_identity
from oncrpc.nfs.filesystem import (
    Answer,
    FileSystem,
    Identity,
    NewAttributes,
    SyncError,
)
from oncrpc.programs.nfs3 import ftype3, nfsstat3, stable_how
from support.disks import Disks
from support.file_user import FileUser, refused
from support.namespace import Namespace

pytestmark = [pytest.mark.interop, pytest.mark.slow]

ROOT, ANN = Identity(0, 0), Identity(1000, 1000)
MIB = 1 << 20
UNSTABLE, DATA_SYNC, FILE_SYNC = stable_how
NOSPC, ROFS, STALE = (
    nfsstat3.NFS3ERR_NOSPC,
    nfsstat3.NFS3ERR_ROFS,
    nfsstat3.NFS3ERR_STALE,
)


@pytest.fixture
def disks() -> Iterator[Disks]:
    with Namespace() as namespace:
        yield Disks(namespace)


@pytest.fixture
def export() -> Iterator[Callable[[Path], FileUser]]:
    """Exports a directory; all are closed before the namespace ends."""
    exported = list[FileSystem]()
    with asyncio.Runner() as runner:

        def made(path: Path, who: Identity = ROOT) -> FileUser:
            exported.append(LocalFileSystem(str(path)))
            return FileUser(exported[-1], who, runner=runner)

        yield made
        for files in exported:
            files.close()


Export = Callable[[Path], FileUser]


def fill(user: FileUser, file: bytes, unit: int) -> int:
    """Write until the disk is full; returns the size of the file."""
    size = 0
    with refused(NOSPC):
        while size < 1 << 30:
            size += user.write(file, b"x" * unit, size, stable=DATA_SYNC).length
    return size


def test_full_disk_is_nospc_until_space_is_free(disks: Disks, export: Export) -> None:
    root = export(disks.ext4("small", size="16M"))
    ann, top = root.like(ANN), root.files.root
    file = ann.create(top, b"file")

    size = fill(ann, file, MIB)
    fill(ann, ann.create(top, b"rest"), 4096)

    assert ann.getattr(file).size >= size > MIB
    assert ann.statfs(file).available_bytes < MIB
    other = root.create(top, b"other", NewAttributes(mode=0o666))
    with refused(NOSPC):
        ann.write(other, b"data" * 5000)
    assert root.write(other, b"data" * 5000).length == 20_000, "root may use what is reserved"
    ann.remove(top, b"file")
    assert ann.write(other, b"data" * 50_000).length == 200_000


def test_full_table_of_inodes_is_nospc(disks: Disks, export: Export) -> None:
    root = export(disks.ext4("small", size="16M", options="-N 128"))
    new = NewAttributes(mtime=5)

    with refused(NOSPC):
        for number in range(100_000):
            root.create(root.files.root, b"%d" % number, new if number % 2 else NewAttributes())

    assert root.statfs(root.files.root).free_files == 0
    with refused(NOSPC):
        root.mkdir(root.files.root, b"d")


def test_read_only_disk_refuses_all_changes(disks: Disks, export: Export) -> None:
    path = disks.ext4("disk")
    (path / "file").write_bytes(b"data")
    (path / "d").mkdir()
    disks.remount("disk", "ro")
    user = export(path)
    top = user.files.root
    file = user.lookup(top, b"file")

    changes: list[Callable[[], object]] = [
        lambda: user.write(file, b"more"),
        lambda: user.setattr(file, NewAttributes(mode=0)),
        lambda: user.setattr(file, NewAttributes(size=0)),
        lambda: user.setattr(file, NewAttributes(mtime=0)),
        lambda: user.create(top, b"new"),
        lambda: user.create(top, b"new", NewAttributes(mtime=5)),
        lambda: user.mkdir(top, b"new"),
        lambda: user.symlink(top, b"new", b"target"),
        lambda: user.mknod(top, b"new", ftype3.NF3FIFO),
        lambda: user.remove(top, b"file"),
        lambda: user.rmdir(top, b"d"),
        lambda: user.rename(top, b"file", top, b"new"),
        lambda: user.link(file, top, b"new"),
    ]
    for change in changes:
        with refused(ROFS):
            change()

    assert user.read(file) == b"data"
    assert user.access(file) == 4
    assert sorted(user.names(top)) == [b"d", b"file", b"lost+found"]


def test_broken_disk_fails_the_commit(disks: Disks, export: Export) -> None:
    """Claim 7. The data were taken by write(2), and fail on their way to the disk."""
    user = export(disks.ext4("disk", size="64M", backing="16M"))
    file = user.create(user.files.root, b"file")
    for number in range(32):
        assert user.write(file, b"x" * MIB, number * MIB, stable=UNSTABLE).length == MIB

    with pytest.raises(SyncError) as caught:
        user.commit(file)

    assert caught.value.errno in (errno.EIO, errno.ENOSPC)


def test_error_that_others_have_seen_fails_the_commit(disks: Disks, export: Export) -> None:
    """The kernel tells each descriptor of a failed write, so one from before it is kept."""
    path = disks.ext4("disk", size="64M", backing="16M")
    user = export(path)
    file = user.create(user.files.root, b"file")
    for number in range(32):
        user.write(file, b"x" * MIB, number * MIB, stable=UNSTABLE)
    with (path / "file").open("rb") as other, pytest.raises(OSError, match=r"error|space"):
        os.fsync(other.fileno())

    with pytest.raises(SyncError):
        user.commit(file)


def test_broken_disk_fails_every_stable_write(disks: Disks, export: Export) -> None:
    """Claim 9. Of many calls that share a sync, none is told that its data are stored."""
    user = export(disks.ext4("disk", size="64M", backing="16M"))
    files = user.files
    file = user.create(files.root, b"file")

    async def main() -> list[object]:
        answers: list[Answer[object]] = [
            files.write(ROOT, file, number * MIB, b"x" * MIB, stable=FILE_SYNC)
            for number in range(32)
        ]
        waiting = (settled(answer) for answer in answers)
        return list(await asyncio.gather(*waiting, return_exceptions=True))

    with asyncio.Runner() as runner:
        found = runner.run(main())

    assert {type(outcome) for outcome in found} == {SyncError}


def test_volume_keeps_its_identity_over_a_remount(disks: Disks, export: Export) -> None:
    before, other = volume_identity(str(disks.ext4("disk"))), disks.ext4("other")
    disks.umount("disk")
    disks.ext4("between")  # it gets the device of the first one

    disks.mount("disk")

    assert volume_identity(str(disks.path("disk"))) == before
    assert volume_identity(str(other)) != before


def test_handles_survive_a_remount(disks: Disks, export: Export) -> None:
    path = disks.ext4("disk")
    with closing(LocalFileSystem(str(path))) as files, asyncio.Runner() as runner:
        user = FileUser(files, ROOT, runner=runner)
        file = user.create(files.root, b"file")
        user.write(file, b"data")
    disks.umount("disk")

    disks.mount("disk")

    user = export(path)
    assert user.read(file) == b"data"
    assert user.lookup(user.files.root, b"file") == file


def test_handle_of_another_disk_is_stale(disks: Disks, export: Export) -> None:
    """The first file of a new disk has the inode number that it has on another one."""
    one, two = export(disks.ext4("one")), export(disks.ext4("two"))
    file = one.create(one.files.root, b"file")
    there = two.create(two.files.root, b"file")
    assert one.getattr(file).fileid == two.getattr(there).fileid

    with refused(STALE):
        two.getattr(file)


def test_removed_and_reused_inode_is_stale(disks: Disks, export: Export) -> None:
    user = export(disks.ext4("disk"))
    file = user.create(user.files.root, b"file")
    user.remove(user.files.root, b"file")
    later = user.create(user.files.root, b"later")
    assert later[1:5] == file[1:5], "ext4 uses the lowest free inode"

    with refused(STALE):
        user.read(file)
    assert user.read(later) == b""


def test_mount_point_is_refused_without_crossmnt(disks: Disks, export: Export) -> None:
    path = disks.ext4("disk")
    (path / "sub").mkdir()
    disks.sh("mount -t tmpfs tmpfs /mnt/disk/sub && touch /mnt/disk/sub/secret")

    said = disks.python("""
import asyncio, os
from oncrpc.nfs.backends.local.local import LocalFileSystem
from oncrpc.nfs.filesystem import Identity
from support.file_user import FileUser

with asyncio.Runner() as runner:
    user = FileUser(LocalFileSystem("/mnt/disk"), Identity(0, 0), runner=runner)
    top = user.files.root
    for refused in (
        lambda: user.lookup(top, b"sub"),
        lambda: user.rmdir(top, b"sub"),
        lambda: user.rename(top, b"sub", top, b"moved"),
    ):
        try:
            refused()
        except OSError as error:
            print(os.strerror(error.errno))
    listing = {entry.name: entry for entry in user.readdir(top, plus=True).entries}
    print(listing[b"sub"].file, listing[b"sub"].attributes)
    user.files.close()
""")

    busy = "Device or resource busy"
    assert said.splitlines() == ["Permission denied", busy, busy, "None None"]


CROSSING = """
import asyncio, os, sys
from oncrpc.nfs.backends.local.kernel_handles import KernelHandles
from oncrpc.nfs.backends.local.local import LocalFileSystem
from oncrpc.nfs.filesystem import Identity
from support.file_user import FileUser

def opened(crosses=lambda path: path != b"/mnt/disk/hidden"):
    handles = KernelHandles("/mnt/disk", crosses=crosses)
    files = LocalFileSystem("/mnt/disk", objects=handles)
    return FileUser(files, Identity(0, 0), runner=runner)

with asyncio.Runner() as runner:
    user = opened()
    top = user.files.root
    sub = user.lookup(top, b"sub")
    file = user.create(sub, b"file")
    user.write(file, b"data")
    deep = user.lookup(user.lookup(sub, b"d"), b"deep")
    sizes = [len(each) for each in (top, sub, file, deep)]
    print("sizes", max(sizes) <= 20)
    print("fsid", [bool(user.getattr(each).fsid) for each in (top, sub, file, deep)])
    print("parent", user.parent(sub) == top, user.parent(deep) == user.lookup(sub, b"d"))
    listed = {entry.name: entry.file for entry in user.readdir(top, plus=True).entries}
    print("listed", listed[b"sub"] == sub, listed[b"hidden"])
    for name in (b"hidden", b"special"):
        try:
            user.lookup(top, name)
        except PermissionError:
            print("refused")
    try:
        user.rename(sub, b"file", top, b"file")
    except OSError as error:
        print(os.strerror(error.errno))
    user.files.close()

    user = opened()
    print("restart", user.read(file), user.lookup(top, b"sub") == sub)
    user.files.close()

    user = opened(crosses=None)
    for each in (sub, file, deep):
        try:
            user.getattr(each)
        except OSError as error:
            print(os.strerror(error.errno))
    user.files.close()
    os.system("umount /mnt/disk/sub/d/deep /mnt/disk/sub")

    user = opened()
    for each in (file, file, deep):
        try:
            user.getattr(each)
        except OSError as error:
            print(os.strerror(error.errno))
    os.system("mount -o loop /mnt/sub.image /mnt/disk/sub")
    print("again", user.read(file))
    user.files.close()
"""


def test_crossmnt_enters_mount_points(disks: Disks) -> None:
    disks.ext4("sub")
    disks.umount("sub")
    path = disks.ext4("disk")
    for name in ("sub", "hidden"):
        (path / name).mkdir()
    (path / "special").touch()
    disks.sh("mount -o loop /mnt/sub.image /mnt/disk/sub && mkdir -p /mnt/disk/sub/d/deep")
    disks.sh("mount -t tmpfs tmpfs /mnt/disk/sub/d/deep")
    disks.sh("mount -t tmpfs tmpfs /mnt/disk/hidden")
    disks.sh("mount --bind /etc/hostname /mnt/disk/special")

    said = disks.python(CROSSING).splitlines()

    assert said == [
        "sizes True",
        "fsid [False, True, True, True]",
        "parent True True",
        "listed True None",
        "refused",
        "refused",
        "Invalid cross-device link",
        "restart b'data' True",
        *["Stale file handle"] * 3,
        *["Stale file handle"] * 3,
        "again b'data'",
    ]


def test_bind_mount_keeps_its_own_options(disks: Disks) -> None:
    """A read-only view of the same volume is not changed through the writable one."""
    path = disks.ext4("disk")
    (path / "view").mkdir()
    (path / "file").write_bytes(b"data")
    disks.sh("mount --bind /mnt/disk /mnt/disk/view && mount -o remount,bind,ro /mnt/disk/view")

    said = disks.python("""
import asyncio, os
from oncrpc.nfs.backends.local.kernel_handles import KernelHandles
from oncrpc.nfs.backends.local.local import LocalFileSystem
from oncrpc.nfs.filesystem import Identity
from support.file_user import FileUser

with asyncio.Runner() as runner:
    handles = KernelHandles("/mnt/disk", crosses=lambda path: True)
    user = FileUser(LocalFileSystem("/mnt/disk", objects=handles), Identity(0, 0), runner=runner)
    file = user.lookup(user.lookup(user.files.root, b"view"), b"file")
    try:
        user.write(file, b"more")
    except OSError as error:
        print(os.strerror(error.errno))
    print(user.write(user.lookup(user.files.root, b"file"), b"more").length)
    user.files.close()
""")

    assert said.splitlines() == ["Read-only file system", "4"]
