"""Reading fields without decoding the whole message."""

from __future__ import annotations

import zlib

import pytest

from oncrpc.snoop.words.cursor import Cursor, CutShort, adler_hash, counted, handle_hash
from support.words import words


def test_fields_are_read_one_after_the_other() -> None:
    cursor = Cursor(words(1, 2, 3, -4, 5, b"hello\0\0\0", 6))

    found = (cursor.uint(), cursor.hyper(), cursor.signed(), cursor.text(), cursor.uint())

    assert found == (1, 2 << 32 | 3, -4, "hello", 6)


def test_text_that_is_cut_shows_its_beginning() -> None:
    with pytest.raises(CutShort) as cut:
        Cursor(words(9, b"abcd")).text()

    assert cut.value.shown == "abcd"


@pytest.mark.parametrize("size", [5, 0x7FFFFFFF, 0xFFFFFFFF])
def test_size_beyond_the_end_is_cut(size: int) -> None:
    with pytest.raises(CutShort):
        Cursor(words(size, b"abcd")).opaque()


def test_list_is_counted_to_its_end() -> None:
    wire = words(1, 7, 1, 8, 0)

    assert counted(Cursor(wire), lambda cursor: cursor.skip(4)) == (2, True)


def test_element_that_is_cut_is_not_counted() -> None:
    wire = words(1, 7, 1)

    assert counted(Cursor(wire), lambda cursor: cursor.skip(4)) == (1, False)


@pytest.mark.parametrize(
    ("handle", "number"),
    [
        (b"", 0),
        (bytes.fromhex("90000000"), 0x9000),
        (bytes.fromhex("12345678"), 0x1234 ^ 0x5678),
        (bytes.fromhex("0000000100000003"), 2),
        (bytes.fromhex("12"), 0x1200),
    ],
)
def test_handles_have_the_numbers_of_snoop(handle: bytes, number: int) -> None:
    """The words of the handle, their upper and lower halves, all combined by exclusive or."""
    assert handle_hash(handle) == number


@pytest.mark.parametrize("data", [b"", b"\x12\x34\0\0", bytes(range(128)), b"\xff" * 200])
def test_nfs4_handles_have_sums_of_adler(data: bytes) -> None:
    """While the sums are below its divisor they are those of Adler-32."""
    low, high = 1, 0
    for byte in data:
        low += byte
        high += low

    assert adler_hash(data) == (low ^ high) & 0xFFFF
    if high < 65521:
        assert zlib.adler32(data) == high << 16 | low
