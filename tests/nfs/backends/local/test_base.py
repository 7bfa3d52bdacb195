"""What all operations of a local directory share."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest

from oncrpc.nfs.backends.local import base
from oncrpc.nfs.backends.local.local import LocalFileSystem
from oncrpc.nfs.filesystem import MAY_EXECUTE, MAY_READ, MAY_WRITE, NewAttributes
from support.errnos import fails_with
from support.file_user import FileUser
from support.namespace import environment


def test_missing_proc_is_told(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(base, "PROC", "/nowhere/fd")

    with pytest.raises(FileNotFoundError, match="/proc must be mounted"):
        LocalFileSystem(str(place))


def test_missing_directory_is_told(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        LocalFileSystem(str(tmp_path / "gone"))


def test_closed_file_system_holds_no_descriptor(place: Path) -> None:
    before = os.listdir("/proc/self/fd")

    LocalFileSystem(str(place)).close()

    assert set(os.listdir("/proc/self/fd")) <= set(before)


def test_limits_are_those_of_the_file_system(root: FileUser, place: Path) -> None:
    features = root.files.features

    assert features.name_max == os.pathconf(place, "PC_NAME_MAX")
    assert features.link_max == os.pathconf(place, "PC_LINK_MAX")
    assert features.stable_ids


@pytest.mark.parametrize(
    ("mode", "expected"),
    [
        (0o777, MAY_READ | MAY_WRITE | MAY_EXECUTE),
        (0o640, 0),
        (0o644, MAY_READ),
        (0o602, MAY_WRITE),
        (0o601, MAY_EXECUTE),
    ],
)
def test_access_is_judged_by_the_kernel(
    root: FileUser, bob: FileUser, mode: int, expected: int
) -> None:
    file = root.create(root.files.root, b"file", NewAttributes(mode=mode))

    assert bob.access(file) == expected


def test_owner_has_no_access_beyond_the_mode(root: FileUser, ann: FileUser) -> None:
    """The owner may use data whatever the mode is, but ACCESS does not promise it."""
    file = ann.create(root.files.root, b"file", NewAttributes(mode=0))

    assert ann.access(file) == 0
    assert ann.write(file, b"data").length == 4
    assert ann.read(file) == b"data"


def test_further_groups_give_access(root: FileUser, ann: FileUser, bob: FileUser) -> None:
    file = root.create(root.files.root, b"file", NewAttributes(mode=0o040, gid=8))

    assert (ann.access(file), bob.access(file)) == (MAY_READ, 0)


def test_program_can_be_read_to_be_run(root: FileUser, bob: FileUser) -> None:
    file = root.create(root.files.root, b"file", NewAttributes(mode=0o711))
    root.write(file, b"program")

    assert bob.read(file) == b"program"
    with fails_with(errno.EACCES):
        bob.write(file, b"virus")


def test_immutable_file_is_refused(root: FileUser, place: Path) -> None:
    """The owner's right to write does not go beyond that of the server."""
    import fcntl
    import struct

    (place / "file").write_bytes(b"data")
    with (place / "file").open("rb") as file:
        try:
            fcntl.ioctl(file, 0x40086602, struct.pack("l", 0x10))
        except OSError:
            pytest.skip("this file system has no immutable files")
        try:
            found = root.lookup(root.files.root, b"file")
            with fails_with(errno.EPERM):
                root.write(found, b"more")
            with fails_with(errno.EPERM):
                root.setattr(found, NewAttributes(mode=0))
        finally:
            fcntl.ioctl(file, 0x40086602, struct.pack("l", 0))


def test_space_is_that_of_the_file_system(root: FileUser, place: Path) -> None:
    space, expected = root.statfs(root.files.root), os.statvfs(place)

    assert space.total_bytes == expected.f_blocks * expected.f_frsize
    assert space.total_files == expected.f_files
    assert 0 < space.available_bytes <= space.free_bytes


def test_too_long_a_name_is_refused(root: FileUser) -> None:
    for change in (root.create, root.mkdir, root.lookup):
        with fails_with(errno.ENAMETOOLONG):
            change(root.files.root, b"x" * 256)


WITHOUT_PRIVILEGE = """
import asyncio, os, stat, sys
from oncrpc.nfs.backends.local.kernel_handles import KernelHandles, NoKernelHandles
from oncrpc.nfs.backends.local.local import LocalFileSystem
from oncrpc.nfs.backends.local.table import HandleTable
from oncrpc.nfs.backends.local.table_rows import Rows
from oncrpc.nfs.filesystem import Identity, NewAttributes
from oncrpc.programs.nfs3 import ftype3, stable_how
from support.file_user import FileUser
from support.namespace import environment

path = sys.argv[1]
try:
    KernelHandles(path)
except NoKernelHandles:
    print("no handles")
files = LocalFileSystem(path, objects=HandleTable(os.fsencode(path), Rows(None)))
with asyncio.Runner() as runner:
    ann = FileUser(files, Identity(1000, 1001, (7,)), runner=runner)
    top = files.root
    file = ann.create(top, b"file", NewAttributes(mode=0o444))
    print(ann.write(file, b"data").length, ann.read(file), oct(ann.getattr(file).mode))
    ann.setattr(file, NewAttributes(size=2, mode=0))
    ann.write(file, b"more", 2, stable=stable_how.UNSTABLE)
    ann.commit(file)
    ann.commit(file)
    print(ann.read(file), oct(ann.getattr(file).mode), ann.getattr(file).uid)
    fifo = ann.mknod(top, b"fifo", ftype3.NF3FIFO)
    ann.setattr(fifo, NewAttributes(mtime=5))
    directory = ann.mkdir(top, b"d", NewAttributes(mode=0o300))
    ann.create(directory, b"inside")
    foreign = ann.lookup(top, b"foreign")
    for refused in (
        lambda: ann.setattr(file, NewAttributes(uid=5)),
        lambda: ann.read(foreign),
        lambda: ann.write(foreign, b"data"),
        lambda: ann.readdir(directory),
    ):
        try:
            refused()
        except PermissionError as error:
            print(os.strerror(error.errno))
    files.close()
"""


@pytest.mark.slow
def test_server_without_privilege_serves_its_own_files(place: Path) -> None:
    (place / "foreign").touch(0o640)
    place.chmod(0o777)
    user = ("setpriv", "--reuid", "1234", "--regid", "1235", "--clear-groups")
    command = [*user, sys.executable, "-c", WITHOUT_PRIVILEGE, "."]

    # The directories above are closed to that user.
    ended = subprocess.run(
        command,
        cwd=place,
        capture_output=True,
        text=True,
        timeout=60,
        env=environment(),
        check=False,
    )

    denied = "Permission denied"
    assert ended.stdout.splitlines() == [
        "no handles",
        "4 b'data' 0o444",
        "b'damore' 0o0 1234",
        "Operation not permitted",
        *[denied] * 3,
    ], ended.stderr
