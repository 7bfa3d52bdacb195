"""``oncrpc.nfs.backends.fuse.stat_values``."""

from __future__ import annotations

import stat

import pytest

from oncrpc.nfs.backends.fuse.stat_values import (
    LAST_TIME,
    MAX63,
    UNKNOWN_SPACE,
    attributes_of,
    checked_target,
    is_entry,
    space_of,
)
from oncrpc.nfs.filesystem import Attributes, SpaceInfo
from oncrpc.programs.nfs3 import ftype3


def test_missing_values_are_zero() -> None:
    found = attributes_of({"st_mode": stat.S_IFREG}, fileid=3, nanoseconds=True)

    assert found == Attributes(ftype3.NF3REG, mode=0, fileid=3)


@pytest.mark.parametrize(("nanoseconds", "time"), [(True, 1_500_000_000), (False, 1.5)])
def test_times_have_the_unit_of_the_object(nanoseconds: bool, time: float) -> None:
    values = {"st_mode": stat.S_IFREG, "st_mtime": time}

    found = attributes_of(values, fileid=1, nanoseconds=nanoseconds)

    assert (found.mtime, found.ctime, found.atime) == (1_500_000_000, 1_500_000_000, 0)


def test_values_out_of_range_are_cut() -> None:
    values = {"st_mode": stat.S_IFREG, "st_size": 1 << 80, "st_uid": -1, "st_mtime": 1 << 90}

    found = attributes_of(values, fileid=1, nanoseconds=True)

    assert (found.size, found.uid, found.mtime) == (MAX63, 0, LAST_TIME)


def test_file_without_type_is_an_error() -> None:
    with pytest.raises(OSError, match="Input/output"):
        attributes_of({"st_mode": 0o644}, fileid=1, nanoseconds=True)


def test_space_is_in_blocks() -> None:
    blocks = {"f_bsize": 512, "f_blocks": 10, "f_bavail": 5}
    files = {"f_files": 9, "f_ffree": 7, "f_favail": 6}

    assert space_of(blocks | files) == SpaceInfo(5120, 2560, 2560, 9, 7, 6)
    assert space_of({"f_bsize": 512, "f_frsize": 1, "f_bfree": 9})[:3] == (9, 9, 0)


def test_unknown_space_is_enough() -> None:
    assert space_of({}) == UNKNOWN_SPACE
    assert space_of({"f_bsize": 1, "f_blocks": 3})[3:] == UNKNOWN_SPACE[3:]


@pytest.mark.parametrize("target", [b"", b"a\0b", b"t" * 4096])
def test_impossible_target_is_an_error(target: bytes) -> None:
    with pytest.raises(OSError, match="Input/output"):
        checked_target(target)


def test_possible_target_is_returned() -> None:
    assert checked_target(b"../a") == b"../a"


@pytest.mark.parametrize("name", [b"", b".", b"..", b"a/b", b"a\0", b"n" * 256])
def test_impossible_name_is_not_an_entry(name: bytes) -> None:
    assert not is_entry(name, 255)
    assert is_entry(b"n" * 255, 255)
