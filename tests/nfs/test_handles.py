"""``oncrpc.nfs.handles``: handles are signed (RFC 1813 §2.3.3)."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oncrpc.nfs.handles import Handles
from oncrpc.nfs.status import NfsError
from oncrpc.programs.nfs3 import nfsstat3

HANDLES = Handles(bytes(range(32)))
TAGS = st.integers(0, 0xFFFF)
IDS = st.binary(min_size=1, max_size=44)
Open = Callable[[bytes], tuple[int, bytes]]
SHORT_IDS = st.binary(min_size=1, max_size=20)


def refused(handle: bytes) -> nfsstat3:
    with pytest.raises(NfsError) as caught:
        HANDLES.open(handle)
    return caught.value.status


def test_layout_of_a_handle() -> None:
    handle = HANDLES.make(0x0102, b"file")

    assert handle[:8] == bytes((
        1,           # layout
        4,           # bytes of the id
        0x01, 0x02,  # tag of the export
    )) + b"file"  # fmt: skip
    assert len(handle) == 8 + 8


@given(TAGS, IDS)
def test_handle_leads_to_its_export_and_file(tag: int, file: bytes) -> None:
    handle = HANDLES.make(tag, file)

    assert HANDLES.open(handle) == (tag, file)
    assert len(handle) <= 56


@given(TAGS, SHORT_IDS)
def test_handle_of_version_2_has_32_bytes(tag: int, file: bytes) -> None:
    handle = HANDLES.make_v2(tag, file)

    assert len(handle) == 32
    assert HANDLES.open_v2(handle) == (tag, file)


def test_long_id_has_no_handle_of_version_2() -> None:
    with pytest.raises(NfsError, match="no room"):
        HANDLES.make_v2(1, bytes(21))


@pytest.mark.parametrize("size", [0, 45])
def test_id_of_a_wrong_size_is_refused(size: int) -> None:
    with pytest.raises(ValueError, match=f"{size} bytes"):
        HANDLES.make(1, bytes(size))


@given(TAGS, IDS, st.data())
def test_handle_with_a_changed_bit_is_refused(tag: int, file: bytes, data: st.DataObject) -> None:
    handle = bytearray(HANDLES.make(tag, file))
    bit = data.draw(st.integers(0, 8 * len(handle) - 1))
    handle[bit // 8] ^= 1 << bit % 8

    assert refused(bytes(handle)) in (nfsstat3.NFS3ERR_STALE, nfsstat3.NFS3ERR_BADHANDLE)


def test_handle_moved_to_another_export_is_stale() -> None:
    handle = bytearray(HANDLES.make(1, b"file"))
    handle[3] = 2

    assert refused(bytes(handle)) is nfsstat3.NFS3ERR_STALE


def test_handle_of_another_key_is_stale() -> None:
    assert refused(Handles(bytes(32)).make(1, b"file")) is nfsstat3.NFS3ERR_STALE


@given(st.binary(max_size=64))
def test_any_other_bytes_are_refused(data: bytes) -> None:
    assert refused(data) in (nfsstat3.NFS3ERR_STALE, nfsstat3.NFS3ERR_BADHANDLE)


@given(st.binary(max_size=40))
def test_any_other_bytes_of_version_2_are_refused(data: bytes) -> None:
    with pytest.raises(NfsError):
        HANDLES.open_v2(data)


def test_handle_of_version_2_ends_with_zeros() -> None:
    handle = HANDLES.make_v2(1, b"file")[:-1] + b"\1"

    with pytest.raises(NfsError):
        HANDLES.open_v2(handle)


def test_version_3_refuses_a_padded_handle() -> None:
    assert refused(HANDLES.make_v2(1, b"file")) is nfsstat3.NFS3ERR_BADHANDLE


@pytest.mark.parametrize(
    "opens", [HANDLES.open_any, Handles(bytes(range(32)), padded=True).open], ids=["any", "padded"]
)
def test_padded_handle_is_accepted_where_needed(opens: Open) -> None:
    handle = HANDLES.make_v2(1, b"file")

    assert opens(handle) == opens(HANDLES.make(1, b"file")) == (1, b"file")
    with pytest.raises(NfsError):
        opens(handle + b"\0")


def test_short_key_is_refused() -> None:
    with pytest.raises(ValueError, match="must have 32"):
        Handles(bytes(16))


@pytest.mark.parametrize("size", [1, 9, 44])
def test_handles_of_one_size_are_the_same(size: int) -> None:
    handles = Handles(bytes(range(32)))
    make = handles.maker(0x1234, size)

    for number in range(3):
        file = bytes([number]) * size
        assert make(file) == handles.make(0x1234, file)


def test_maker_refuses_ids_that_are_too_long() -> None:
    with pytest.raises(ValueError, match="45 bytes"):
        Handles(bytes(32)).maker(1, 45)
