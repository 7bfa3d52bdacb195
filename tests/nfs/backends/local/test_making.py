"""New files appear with all their attributes, or not at all."""

from __future__ import annotations

import errno
import os
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from oncrpc.nfs.backends.local import making
from oncrpc.nfs.backends.local.making import (
    UNNAMED_PREFIX,
    make_directory,
    make_file,
    make_renamed,
    make_special,
    make_symlink,
    make_unnamed,
    unmasked,
)
from oncrpc.nfs.filesystem import NewAttributes
from oncrpc.programs.nfs3 import ftype3
from support.errnos import fails_with

WAYS = (make_file, make_unnamed, make_renamed)
Make = Callable[[int, bytes, NewAttributes], int]
TIMES = st.none() | st.integers(0, 1 << 32).map(lambda time: time * 1_000_000_007 % (1 << 61))
ATTRIBUTES = st.builds(
    NewAttributes,
    mode=st.none() | st.integers(0, 0o7777),
    size=st.none() | st.integers(0, 1 << 33),
    atime=TIMES,
    mtime=TIMES,
)


@pytest.fixture
def at(place: Path) -> Iterator[int]:
    """The directory in which files are made."""
    descriptor = os.open(place, os.O_PATH)
    yield descriptor
    os.close(descriptor)


@pytest.mark.parametrize("make", WAYS)
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(new=ATTRIBUTES)
def test_file_has_the_attributes_asked_for(
    at: int, place: Path, make: Make, new: NewAttributes
) -> None:
    os.close(make(at, b"file", new))

    found = (place / "file").stat()
    (place / "file").unlink()

    assert stat.S_IMODE(found.st_mode) == (0o600 if new.mode is None else new.mode)
    assert found.st_size == (new.size or 0)
    assert new.atime in (None, found.st_atime_ns)
    assert new.mtime in (None, found.st_mtime_ns)


@pytest.mark.parametrize("make", WAYS)
@pytest.mark.parametrize("new", [NewAttributes(), NewAttributes(mtime=5)])
def test_existing_name_is_kept(at: int, place: Path, make: Make, new: NewAttributes) -> None:
    (place / "file").write_text("old")

    with fails_with(errno.EEXIST):
        make(at, b"file", new)

    assert os.listdir(place) == ["file"]
    assert (place / "file").read_text() == "old"


def test_dangling_symlink_is_an_existing_name(at: int, place: Path) -> None:
    (place / "file").symlink_to("nowhere")

    for new in (NewAttributes(), NewAttributes(mtime=5)):
        with fails_with(errno.EEXIST):
            make_file(at, b"file", new)

    assert os.listdir(place) == ["file"]


@pytest.mark.parametrize("make", [make_unnamed, make_renamed])
def test_refused_attributes_leave_no_file(at: int, place: Path, make: Make) -> None:
    with fails_with(errno.EFBIG):
        make(at, b"file", NewAttributes(size=1 << 63))

    assert os.listdir(place) == []


@pytest.mark.slow
@pytest.mark.parametrize(("make", "left"), [("make_unnamed", 0), ("make_renamed", 1)])
def test_killed_server_leaves_no_incomplete_file(place: Path, make: str, left: int) -> None:
    """An exclusive create without its verifier would make the retry fail with EEXIST."""
    script = f"""
import os
from oncrpc.nfs.backends.local import making
from oncrpc.nfs.filesystem import NewAttributes
making.utimensat = lambda *_: os.kill(os.getpid(), 9)
making.{make}(os.open({str(place)!r}, os.O_PATH), b"file", NewAttributes(mtime=5))
"""
    ended = subprocess.run([sys.executable, "-c", script], timeout=60, check=False)

    assert ended.returncode == -9
    assert not (place / "file").exists()
    names = os.listdir(os.fsencode(place))
    assert [name.startswith(UNNAMED_PREFIX) for name in names] == [True] * left


@pytest.mark.parametrize("make", [make_unnamed, make_renamed])
def test_owner_is_set_and_keeps_the_mode(at: int, place: Path, make: Make) -> None:
    os.close(make(at, b"file", NewAttributes(uid=1000, gid=1001, mode=0o6755)))

    found = (place / "file").stat()
    assert (found.st_uid, found.st_gid, stat.S_IMODE(found.st_mode)) == (1000, 1001, 0o6755)


@pytest.mark.parametrize("lacking", [errno.EOPNOTSUPP, errno.EISDIR])
def test_file_is_renamed_where_unnamed_are_not_known(
    at: int, place: Path, monkeypatch: pytest.MonkeyPatch, lacking: int
) -> None:
    def refuse(*_: object) -> int:
        raise OSError(lacking, "no O_TMPFILE")

    monkeypatch.setattr(making, "make_unnamed", refuse)

    os.close(make_file(at, b"file", NewAttributes(mtime=5)))

    assert (place / "file").stat().st_mtime_ns == 5


def test_file_is_linked_where_renaming_always_replaces(
    at: int, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(errno.EINVAL, "no RENAME_NOREPLACE")

    monkeypatch.setattr(making, "rename_without_replacing", refuse)

    os.close(make_renamed(at, b"file", NewAttributes(mtime=5)))
    with fails_with(errno.EEXIST):
        make_renamed(at, b"file", NewAttributes(mtime=6))

    assert os.listdir(place) == ["file"]
    assert (place / "file").stat().st_mtime_ns == 5


def test_umask_of_the_process_does_not_count(at: int, place: Path) -> None:
    before = os.umask(0o077)
    try:
        for name, make in zip((b"a", b"b", b"c"), WAYS, strict=True):
            os.close(make(at, name, NewAttributes(mode=0o666)))
        make_directory(at, b"d", NewAttributes(mode=0o777))
        make_special(at, b"e", ftype3.NF3FIFO, device=(0, 0), new=NewAttributes(mode=0o666))
        assert os.umask(0o077) == 0o077
    finally:
        os.umask(before)

    modes = {stat.S_IMODE(path.stat().st_mode) for path in place.iterdir()}
    assert modes == {0o666, 0o777}


def test_umask_is_restored_after_an_error() -> None:
    before = os.umask(0o027)
    try:
        with pytest.raises(FileNotFoundError), unmasked():
            os.stat("/nowhere")
        assert os.umask(0o027) == 0o027
    finally:
        os.umask(before)


@pytest.mark.parametrize("mode", [0o755, 0o1777, 0o2755, 0o4711, 0o6711])
def test_directory_has_the_mode_without_setuid(at: int, place: Path, mode: int) -> None:
    make_directory(at, b"d", NewAttributes(mode=mode, mtime=5))

    found = (place / "d").stat()
    assert (stat.S_IMODE(found.st_mode), found.st_mtime_ns) == (mode & ~stat.S_ISUID, 5)


def test_directory_inherits_the_setgid_bit(at: int, place: Path) -> None:
    os.chown(place, 0, 1001)
    place.chmod(0o2777)

    make_directory(at, b"d", NewAttributes(mode=0o700))

    found = (place / "d").stat()
    assert (stat.S_IMODE(found.st_mode), found.st_gid) == (0o2700, 1001)


def test_symlink_ignores_its_mode(at: int, place: Path) -> None:
    make_symlink(at, b"link", b"\xff/..", NewAttributes(mode=0o600, mtime=5, uid=1000))

    found = (place / "link").lstat()
    assert os.readlink(os.fsencode(place / "link")) == b"\xff/.."
    assert (found.st_uid, found.st_mtime_ns) == (1000, 5)


def test_symlink_without_a_possible_text_is_refused(at: int, place: Path) -> None:
    with fails_with(errno.EINVAL):
        make_symlink(at, b"link", b"a\0b", NewAttributes())
    with fails_with(errno.ENAMETOOLONG):
        make_symlink(at, b"link", b"a" * 5000, NewAttributes())

    assert os.listdir(place) == []


@pytest.mark.parametrize(
    ("kind", "device"),
    [
        (ftype3.NF3FIFO, (0, 0)),
        (ftype3.NF3SOCK, (0, 0)),
        (ftype3.NF3BLK, (8, 70_000)),
        (ftype3.NF3CHR, (4095, (1 << 20) - 1)),
    ],
)
def test_special_file_is_made(at: int, place: Path, kind: ftype3, device: tuple[int, int]) -> None:
    make_special(at, b"it", kind, device=device, new=NewAttributes(mode=0o640, atime=5))

    found = (place / "it").lstat()
    assert stat.S_IFMT(found.st_mode) == making.SPECIAL[kind]
    assert (os.major(found.st_rdev), os.minor(found.st_rdev)) == device
    assert (stat.S_IMODE(found.st_mode), found.st_atime_ns) == (0o640, 5)


@pytest.mark.parametrize(
    ("kind", "device"),
    [
        (ftype3.NF3BLK, (1 << 32, 0)),
        (ftype3.NF3CHR, (0, 0xFFFFFFFFFF)),
        (ftype3.NF3REG, (0, 0)),
        (ftype3.NF3DIR, (0, 0)),
        (ftype3.NF3LNK, (0, 0)),
    ],
)
def test_impossible_special_file_is_refused(
    at: int, place: Path, kind: ftype3, device: tuple[int, int]
) -> None:
    with fails_with(errno.EINVAL):
        make_special(at, b"it", kind, device=device, new=NewAttributes())

    assert os.listdir(place) == []


def test_directory_is_removed_if_attributes_are_refused(at: int, place: Path) -> None:
    with fails_with(errno.EINVAL):
        make_directory(at, b"d", NewAttributes(mtime=1 << 100))

    assert os.listdir(place) == []
