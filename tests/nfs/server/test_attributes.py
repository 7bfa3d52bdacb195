"""``oncrpc.nfs.server.attributes``: ``fattr3``, ``sattr3`` and ``wcc_data``."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oncrpc.nfs.filesystem import NOW, Attributes, NewAttributes
from oncrpc.nfs.server.attributes import (
    fattr3_of,
    initial_attributes,
    nanoseconds_of,
    new_attributes,
    nfstime3_of,
    post_op_attr_of,
    pre_op_attr_of,
    wcc_data_of,
)
from oncrpc.nfs.status import NfsError
from oncrpc.programs.nfs3 import (
    fattr3,
    ftype3,
    nfsstat3,
    nfstime3,
    post_op_attr,
    pre_op_attr,
    sattr3,
    time_how,
    wcc_data,
)
from oncrpc.testing import values_of
from oncrpc.xdr import decode, encode
from support.exported import ROOT, SECOND, USER, sattr
from support.words import words

DEVICE = Attributes(
    ftype3.NF3CHR, 0o4640, 3, 1000, 100, 5, 4096, (10, 200), 0x1_0000_0002,
    atime=7 * SECOND + 1, mtime=8 * SECOND + 2, ctime=9 * SECOND + 3,
)  # fmt: skip
DEVICE_WORDS = words(
    4, 0o4640, 3,      # type NF3CHR, mode, nlink
    1000, 100,         # uid, gid
    0, 5, 0, 4096,     # size, used
    10, 200,           # rdev
    0, 77,             # fsid
    1, 2,              # fileid
    7, 1, 8, 2, 9, 3,  # atime, mtime, ctime
)  # fmt: skip


def test_attributes_have_the_order_of_fattr3() -> None:
    assert encode(fattr3, fattr3_of(DEVICE, 77)) == DEVICE_WORDS


def test_file_system_below_has_its_own_fsid() -> None:
    assert fattr3_of(DEVICE._replace(fsid=5), 77).fsid == 5


numbers = st.integers(-(2**70), 2**70)
attributes = st.builds(
    Attributes, st.sampled_from(ftype3), numbers, numbers, numbers, numbers, numbers, numbers,
    st.tuples(numbers, numbers), numbers, numbers, numbers, numbers, numbers,
)  # fmt: skip


@given(attributes)
def test_attributes_of_any_size_encode(any_: Attributes) -> None:
    found = fattr3_of(any_, 77)

    assert decode(fattr3, encode(fattr3, found)) == found


@pytest.mark.parametrize(
    ("nanoseconds", "time"),
    [
        (0, nfstime3(0, 0)),
        (-1, nfstime3(0, 0)),
        (1_700_000_000_123_456_789, nfstime3(1_700_000_000, 123_456_789)),
        ((2**32) * SECOND - 1, nfstime3(2**32 - 1, SECOND - 1)),
        ((2**32) * SECOND, nfstime3(2**32 - 1, SECOND - 1)),
    ],
)
def test_times_outside_of_32_bits_are_cut(nanoseconds: int, time: nfstime3) -> None:
    assert nfstime3_of(nanoseconds) == time


@given(st.integers(0, 2**32 - 1), st.integers(0, SECOND - 1))
def test_times_keep_their_nanoseconds(seconds: int, nanoseconds: int) -> None:
    time = nfstime3(seconds, nanoseconds)

    assert nfstime3_of(nanoseconds_of(time)) == time


def test_nanoseconds_of_a_second_are_invalid() -> None:
    with pytest.raises(NfsError) as caught:
        nanoseconds_of(nfstime3(1, SECOND))
    assert caught.value.status is nfsstat3.NFS3ERR_INVAL


def test_missing_attributes_are_false() -> None:
    absent = post_op_attr(False, None)

    assert post_op_attr_of(None, 77) == absent
    assert wcc_data_of(None, None, 77) == wcc_data(pre_op_attr(False, None), absent)


def test_pre_op_attr_is_size_mtime_and_ctime() -> None:
    assert encode(pre_op_attr, pre_op_attr_of(DEVICE)) == words(
        1,                 # attributes follow
        0, 5, 8, 2, 9, 3,  # size, mtime, ctime
    )  # fmt: skip


def test_nothing_set_changes_nothing() -> None:
    assert new_attributes(sattr()) == NewAttributes()


def test_all_attributes_can_be_set() -> None:
    new = sattr(
        mode=0o100644, uid=1, gid=2, size=3,
        atime=nfstime3(4, 5), mtime=time_how.SET_TO_SERVER_TIME,
    )  # fmt: skip

    assert new_attributes(new) == NewAttributes(0o644, 1, 2, 3, 4 * SECOND + 5, NOW)


@given(values_of(sattr3))
def test_any_sattr3_is_translated_or_invalid(new: sattr3) -> None:
    mode, status = 0, nfsstat3.NFS3_OK
    try:
        mode = new_attributes(new).mode or 0
    except NfsError as error:
        status = error.status

    assert status in {nfsstat3.NFS3_OK, nfsstat3.NFS3ERR_INVAL}
    assert mode <= 0o7777


@pytest.mark.parametrize("new", [sattr(uid=0xFFFFFFFF), sattr(gid=0xFFFFFFFF)])
def test_owner_minus_one_cannot_be_stored(new: sattr3) -> None:
    with pytest.raises(NfsError) as caught:
        new_attributes(new)
    assert caught.value.status is nfsstat3.NFS3ERR_INVAL


def test_only_root_chooses_the_owner_of_new_objects() -> None:
    new = sattr(mode=0o600, uid=5, gid=6)

    assert initial_attributes(new, ROOT) == NewAttributes(0o600, 5, 6)
    assert initial_attributes(new, USER) == NewAttributes(0o600)
