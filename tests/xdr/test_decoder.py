"""Bytes that are no value: refused with the field and the byte, and before memory is taken."""

from __future__ import annotations

import tracemalloc
from typing import Annotated, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oncrpc import xdr
from oncrpc.errors import XdrError
from oncrpc.programs.portmap import pmaplist_ptr
from oncrpc.programs.rpcb import rpcb, rpcblist_ptr
from oncrpc.xdr import Bool, Double, Hyper, Int, Opaque, String, UInt, decode, encode
from support.declared import spoiled_bytes
from support.sample_types import (
    chain,
    colour,
    flavor,
    link,
    lists,
    maybe,
    nested,
    numbered,
    octets,
    painted,
    point,
    points,
    scalars,
    signed,
    thicket,
    tree,
)
from support.words import words

chained_opaque = Annotated[list[Opaque], xdr.linked]


def refusal(declared: Any, wire: bytes) -> str:
    with pytest.raises(XdrError) as caught:
        decode(declared, wire)
    return str(caught.value)


@pytest.mark.parametrize(
    ("declared", "wire", "message"),
    [
        (Int, b"\0\0\0", "int, byte 0: need 4 bytes, have 3"),
        (Hyper, words(1), "hyper, byte 0: need 8 bytes, have 4"),
        (Double, b"", "double, byte 0: need 8 bytes, have 0"),
        (Opaque, words(5, b"abcd"), "opaque, byte 4: need 8 bytes, have 4"),
        (Annotated[bytes, xdr.fixed(5)], b"abcde", "opaque, byte 0: need 8 bytes, have 5"),
        (rpcb, words(1, 2, 3, b"udp"), "rpcb.r_netid, byte 12: need 4 bytes, have 3"),
        (rpcb, words(1, b"\0\0"), "rpcb.r_vers, byte 4: need 4 bytes, have 2"),
        (point | None, words(1, 2), "point.y, byte 8: need 4 bytes, have 0"),
        (points, words(2, 1, 2, 3), "point, byte 4: need 16 bytes, have 12"),
        (
            pmaplist_ptr,
            words(*(1, 100000, 2, 6, 111) * 2, 1, 100000, 2, b"\0\0"),
            "pmaplist[2].map.prot, byte 52: need 4 bytes, have 2",
        ),
        (
            rpcblist_ptr,
            words(1, 100000, 4, 3, b"tcp\0", 0, 0, 1, 100000),
            "rp__list[1].rpcb_map.r_vers, byte 36: need 4 bytes, have 0",
        ),
        (pmaplist_ptr, words(1), "pmaplist[0].map.prog, byte 4: need 4 bytes, have 0"),
        (
            pmaplist_ptr,
            words(1, 100000, 2, 6, 111, b"\0\0\0"),
            "pmaplist[1], byte 20: need 4 bytes, have 3",
        ),
        (chained_opaque, words(1, 2, b"ab"), "opaque[0], byte 8: need 4 bytes, have 2"),
    ],
)  # fmt: skip
def test_short_bytes_are_refused_at_the_field(declared: Any, wire: bytes, message: str) -> None:
    assert refusal(declared, wire) == message


def test_the_path_leads_through_a_type_within_itself() -> None:
    wire = words(1, 2, 5, 0, 6, 1, 7, b"\0\0")

    assert refusal(tree, wire) == (
        "tree.children[1].children[0].children, byte 28: need 4 bytes, have 2"
    )
    assert refusal(chain, words(1, 1, 2)) == "chain.next.next.next, byte 8: 2 is not a bool"
    assert refusal(thicket, words(1, 1, 2, 2)) == (
        "thicket.children[0].children[0], byte 12: 2 is not a bool"
    )


@pytest.mark.parametrize(
    ("declared", "wire", "message"),
    [
        (Bool, words(2), "bool, byte 0: 2 is not a bool"),
        (Annotated[list[Bool], xdr.array()], words(2, 1, 9), "bool[1], byte 8: 9 is not a bool"),
        (colour, words(4), "colour, byte 0: 4 is not a value of colour"),
        (
            scalars,
            words(0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1),
            "scalars.c, byte 40: 1 is not a value of colour",
        ),
        (
            scalars,
            words(0, 0, 0, 0, 0, 0, 0, 0, 0, -1, 3, 1),
            "scalars.b, byte 36: 4294967295 is not a bool",
        ),
        (painted, words(4), "painted.shade, byte 0: 4 is not a value of colour"),
        (painted, words(0x7FFFFFFF), "painted, byte 0: 2147483647 has no arm"),
        (nested, words(1, 1, 2, 3, 4, 5, 0, 4), "nested.deep.body, byte 28: 4 elements, limit 3"),
        (link, words(7, 1, 8, 2), "link.next[1], byte 12: 2 is not a bool"),
        (points, words(4), "point, byte 0: 4 elements, limit 3"),
        (Annotated[bytes, xdr.opaque(2)], words(3, 0), "opaque, byte 0: 3 bytes, limit 2"),
        (maybe, words(0, 2), "maybe.place, byte 4: 2 is not a bool"),
        (pmaplist_ptr, words(1, 1, 2, 3, 4, 2), "pmaplist[1], byte 20: 2 is not a bool"),
        (
            pmaplist_ptr,
            words(1, 1, 2, 3, 4, 2, 5, 6, 7, 8),
            "pmaplist[1], byte 20: 2 is not a bool",
        ),
        (signed, words(-1), "signed.body, byte 4: need 4 bytes, have 0"),
        (numbered, words(2, 0), "numbered.body, byte 4: need 8 bytes, have 4"),
    ],
)
def test_an_invalid_number_is_refused_at_its_byte(declared: Any, wire: bytes, message: str) -> None:
    assert refusal(declared, wire) == message


@pytest.mark.parametrize(
    ("declared", "wire", "byte"),
    [
        (Opaque, words(1, b"a\0\0\1"), 5),
        (String, words(2, b"ab\1\0"), 6),
        (String, words(7, b"abcdefg\xff"), 11),
        (Annotated[bytes, xdr.fixed(3)], b"abc\1", 3),
    ],
)
def test_padding_that_is_not_zero_is_refused(declared: Any, wire: bytes, byte: int) -> None:
    assert refusal(declared, wire).endswith(f", byte {byte}: padding is not zero")


@pytest.mark.parametrize("size", [1, 2, 3, 5])
def test_padding_that_is_missing_is_refused(size: int) -> None:
    wire = words(size, b"x" * size)

    assert refusal(Opaque, wire) == (f"opaque, byte 4: need {size + 3 & ~3} bytes, have {size}")


def test_bytes_left_over_are_refused() -> None:
    assert refusal(point, words(1, 2, 3)) == "point, byte 8: 4 bytes left over"
    assert refusal(None, b"\0") == "void, byte 0: 1 bytes left over"


def test_a_registry_keeps_an_unknown_number() -> None:
    assert decode(flavor, words(1234)) == 1234


HUGE = [
    (Opaque, words(-1, 0)),
    (String, words(0x7FFFFFFF, 0)),
    (Annotated[list[UInt], xdr.array()], words(-1, 0)),
    (Annotated[list[Bool], xdr.array()], words(-1, 0)),
    (Annotated[list[String], xdr.array()], words(0x40000000, 0, 0)),
    (Annotated[list[tree], xdr.array()], words(-1, 0)),
    (Annotated[list[lists], xdr.array()], words(0x10000000, 0)),
    (Annotated[list[UInt], xdr.vector(1 << 30)], words(0)),
    (Annotated[bytes, xdr.fixed(1 << 30)], words(0)),
]


@pytest.mark.parametrize(("declared", "wire"), HUGE)
def test_a_huge_length_is_refused_before_allocation(declared: Any, wire: bytes) -> None:
    refusal(declared, wire)  # compiles the codec
    tracemalloc.start()
    try:
        message = refusal(declared, wire)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert "need" in message
    assert peak < 100_000


def test_values_take_memory_in_proportion_to_their_bytes() -> None:
    declared = Annotated[list[Annotated[list[UInt], xdr.array()]], xdr.array()]
    count = 10_000
    wire = words(count) + bytes(4 * count)
    decode(declared, words(0))

    tracemalloc.start()
    try:
        decode(declared, wire)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert peak < 30 * len(wire)


def test_long_chains_decode_without_recursion() -> None:
    count = 20_000
    wire = words(1, 7, 8) * count + words(0)

    assert decode(Annotated[list[point], xdr.linked], wire) == [point(7, 8)] * count


@pytest.mark.parametrize(
    ("declared", "wire"), [(chain, words(1) * 100_000), (tree, words(1, 1) * 100_000)]
)
def test_deep_nesting_is_an_error_of_the_bytes(declared: Any, wire: bytes) -> None:
    assert refusal(declared, wire).endswith("nested too deeply")


def test_deep_nesting_is_an_xdr_error() -> None:
    value = chain(None, 0)
    for number in range(100_000):
        value = chain(value, number)

    with pytest.raises(XdrError, match="chain: nested too deeply"):
        encode(chain, value)


@pytest.mark.slow
@given(spoiled_bytes())
def test_spoiled_bytes_decode_or_raise_xdr_error(typed: tuple[Any, bytes]) -> None:
    declared, wire = typed

    try:
        value = decode(declared, wire)
    except XdrError as refused:
        error = refused
    else:
        assert_same_bytes(declared, value, wire)
        return

    assert error.offset is not None
    assert 0 <= error.offset <= len(wire)


@given(st.sampled_from([rpcb, rpcblist_ptr, lists, nested, octets, tree]), st.binary(max_size=200))
def test_any_bytes_decode_or_raise_xdr_error(declared: Any, wire: bytes) -> None:
    try:
        value = decode(declared, wire)
    except XdrError:
        return
    assert_same_bytes(declared, value, wire)


def assert_same_bytes(declared: Any, value: Any, wire: bytes) -> None:
    """Save that a signaling NaN becomes a quiet one (§4.6: NaN is system dependent)."""
    again = encode(declared, value)
    assert again == wire or "nan" in repr(value)
