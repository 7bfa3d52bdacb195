"""Attributes are what ``stat`` says."""

from __future__ import annotations

import os
import stat

from hypothesis import given
from hypothesis import strategies as st

from oncrpc.nfs.backends.local.attributes_of import KINDS, attributes_of
from oncrpc.nfs.filesystem import Attributes
from oncrpc.programs.nfs3 import ftype3

TIMES = st.integers(-(1 << 31), 1 << 33)


def stat_result(mode: int, **values: int) -> os.stat_result:
    names = ("st_blocks", "st_rdev", "st_atime_ns", "st_mtime_ns", "st_ctime_ns")
    rest = {name: values.get(name, 0) for name in names}
    return os.stat_result((mode, 11, 1, 2, 3, 4, 5, 0, 0, 0), rest)


@given(st.sampled_from(sorted(KINDS)), st.integers(0, 0o7777), TIMES, TIMES)
def test_attributes_are_those_of_stat(kind: int, mode: int, atime: int, ctime: int) -> None:
    found = stat_result(
        kind | mode,
        st_blocks=9,
        st_rdev=os.makedev(8, 70_000),
        st_atime_ns=atime,
        st_mtime_ns=77,
        st_ctime_ns=ctime,
    )

    assert attributes_of(found, fsid=6) == Attributes(
        KINDS[kind], mode, 2, 3, 4, 5, 9 * 512, (8, 70_000), 11, atime, 77, ctime, 6
    )


def test_every_kind_of_nfs_is_there() -> None:
    assert set(KINDS.values()) == set(ftype3)
    assert all(stat.S_IFMT(kind) == kind for kind in KINDS)
