"""What all operations of a local directory share."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from oncrpc.nfs.backends.local import base
from oncrpc.nfs.backends.local.local import LocalFileSystem
from oncrpc.nfs.filesystem import MAY_EXECUTE, MAY_READ, MAY_WRITE, NewAttributes
from support.errnos import fails_with
from support.file_user import FileUser


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

    assert os.listdir("/proc/self/fd") == before


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
