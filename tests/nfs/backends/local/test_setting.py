"""Attributes are set all together, or none of them."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path

import pytest

from oncrpc.nfs.backends.local.identity import identities
from oncrpc.nfs.backends.local.objects import OpenObject, looked_at
from oncrpc.nfs.backends.local.setting import Times, set_attributes, times_of
from oncrpc.nfs.backends.local.syscalls import UTIME_NOW, UTIME_OMIT
from oncrpc.nfs.filesystem import NOW, Identity, NewAttributes
from support.errnos import fails_with

BOB = Identity(2000, 2000)
BEFORE = 1_000_000_007
Found = tuple[int, int, int, int, int, int]


class Sample:
    """A file of uid 1000, gid 1001, mode 6755 with four bytes, last changed in 1970."""

    def __init__(self, path: Path) -> None:
        path.write_bytes(b"data")
        os.chown(path, 1000, 1001)
        path.chmod(0o6755)
        os.utime(path, ns=(BEFORE, BEFORE))
        self.path = path
        self.data = os.open(path, os.O_WRONLY)
        self.open: OpenObject = looked_at(os.open(path, os.O_PATH))

    def close(self) -> None:
        os.close(self.data)
        os.close(self.open.descriptor)

    def set(self, new: NewAttributes, *, who: Identity | None = None) -> None:
        self.open = OpenObject(self.open.descriptor, os.fstat(self.open.descriptor))

        def as_caller():  # type: ignore[no-untyped-def]
            return nullcontext() if who is None else identities().of(who)

        set_attributes(self.open, new, as_caller=as_caller, data=self.data)

    @property
    def now(self) -> Found:
        found = self.path.stat()
        mode = stat.S_IMODE(found.st_mode)
        times = (found.st_atime_ns, found.st_mtime_ns)
        return (mode, found.st_uid, found.st_gid, found.st_size, *times)


@pytest.fixture
def sample(place: Path) -> Iterator[Sample]:
    sample = Sample(place / "file")
    yield sample
    sample.close()


def test_all_attributes_are_set_together(sample: Sample) -> None:
    sample.set(NewAttributes(mode=0o4711, uid=5, gid=6, size=2, atime=7, mtime=8))

    assert sample.now == (0o4711, 5, 6, 2, 7, 8)


def test_what_is_not_named_is_left_alone(sample: Sample) -> None:
    before = sample.now

    sample.set(NewAttributes())

    assert sample.now == before


def test_chown_clears_setuid_bits(sample: Sample) -> None:
    sample.set(NewAttributes(uid=5))

    assert sample.now[:3] == (0o755, 5, 1001)


def test_size_changes_the_time_of_change(sample: Sample) -> None:
    sample.set(NewAttributes(size=1))

    assert sample.now[3] == 1
    assert sample.now[5] > BEFORE


def test_file_is_extended_by_a_size(sample: Sample) -> None:
    sample.set(NewAttributes(size=1 << 33))

    assert sample.now[3] == 1 << 33


@pytest.mark.parametrize("size", [1 << 63, (1 << 64) - 1])
def test_refused_size_undoes_the_rest(sample: Sample, size: int) -> None:
    before = sample.now

    with fails_with(errno.EFBIG):
        sample.set(NewAttributes(mode=0o600, uid=5, gid=6, size=size, atime=7, mtime=8))

    assert sample.now == before


@pytest.mark.parametrize(
    "new",
    [
        NewAttributes(mode=0o777),
        NewAttributes(uid=2000),
        NewAttributes(gid=2000),
        NewAttributes(mtime=5),
        NewAttributes(atime=5, mtime=NOW),
        NewAttributes(size=0, mtime=5),
        NewAttributes(mode=0o777, size=0),
    ],
)
def test_stranger_changes_nothing(sample: Sample, new: NewAttributes) -> None:
    sample.path.chmod(0o666)
    before = sample.path.stat()

    with pytest.raises(PermissionError):
        sample.set(new, who=BOB)

    assert sample.path.stat() == before


@pytest.mark.parametrize("new", [NewAttributes(mtime=NOW), NewAttributes(atime=NOW, mtime=NOW)])
def test_writer_sets_times_to_the_present(sample: Sample, new: NewAttributes) -> None:
    sample.path.chmod(0o666)

    sample.set(new, who=BOB)

    atime, mtime = sample.now[4:]
    assert mtime > BEFORE
    assert (atime > BEFORE) == (new.atime is NOW)


def test_reader_sets_no_time_to_the_present(sample: Sample) -> None:
    sample.path.chmod(0o644)
    before = sample.path.stat()

    for new in (NewAttributes(mtime=NOW), NewAttributes(atime=NOW, mtime=NOW)):
        with pytest.raises(PermissionError):
            sample.set(new, who=BOB)

    assert sample.path.stat() == before


def test_symlink_ignores_its_mode(place: Path) -> None:
    (place / "link").symlink_to("nowhere")
    found = looked_at(os.open(place / "link", os.O_PATH | os.O_NOFOLLOW))

    set_attributes(found, NewAttributes(mode=0, uid=5, mtime=6), as_caller=nullcontext)

    now = (place / "link").lstat()
    assert (now.st_uid, now.st_mtime_ns) == (5, 6)
    os.close(found.descriptor)


def test_chown_of_a_symlink_is_undone(place: Path) -> None:
    (place / "link").symlink_to("nowhere")
    found = looked_at(os.open(place / "link", os.O_PATH | os.O_NOFOLLOW))

    with fails_with(errno.EINVAL):
        set_attributes(found, NewAttributes(uid=5, mtime=1 << 100), as_caller=nullcontext)

    assert (place / "link").lstat().st_uid == 0
    os.close(found.descriptor)


@pytest.mark.parametrize(
    ("new", "expected"),
    [
        (NewAttributes(mode=1), None),
        (NewAttributes(atime=NOW), Times((0, UTIME_NOW), (0, UTIME_OMIT))),
        (NewAttributes(mtime=5_000_000_001), Times((0, UTIME_OMIT), (5, 1))),
        (NewAttributes(atime=-1, mtime=0), Times((-1, 999_999_999), (0, 0))),
    ],
)
def test_times_are_seconds_and_nanoseconds(new: NewAttributes, expected: Times | None) -> None:
    assert times_of(new) == expected
