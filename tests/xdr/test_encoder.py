"""The bytes of each construct (RFC 4506 §4), and values that have none."""

from __future__ import annotations

import math
from typing import Annotated, Any

import pytest

from oncrpc import xdr
from oncrpc.errors import XdrError
from oncrpc.xdr import (
    Bool,
    Double,
    Float,
    Hyper,
    Int,
    Opaque,
    String,
    UHyper,
    UInt,
    decode,
    encode,
)
from support.sample_types import (
    answered,
    chain,
    colour,
    empty,
    expression,
    flavor,
    holder,
    link,
    lists,
    maybe,
    nested,
    numbered,
    octets,
    painted,
    pair,
    point,
    points,
    scalars,
    signed,
    tasted,
    thicket,
    tree,
)
from support.words import words

GOLDEN: list[tuple[str, Any, Any, bytes]] = [
    ("4.1 int", Int, -2, b"\xff\xff\xff\xfe"),
    ("4.19 element", link, link(7), words(7, 0)),
    ("4.19 elements", link, link(7, [link(8), link(9)]), words(7, 1, 8, 1, 9, 0)),
    ("4.19 list", Annotated[list[link], xdr.linked], [link(7)], words(1, 7, 0)),
    ("4.1 int", Int, 2**31 - 1, b"\x7f\xff\xff\xff"),
    ("4.2 unsigned int", UInt, 0xDEADBEEF, b"\xde\xad\xbe\xef"),
    ("4.3 enum", colour, colour.RED, words(-2)),
    ("4.3 enum", colour, colour.BLUE, words(0x7FFFFFFF)),
    ("4.3 registry", flavor, flavor(99), words(99)),
    ("4.4 bool", Bool, True, words(1)),
    ("4.4 bool", Bool, False, words(0)),
    ("4.5 hyper", Hyper, -2, words(-1, -2)),
    ("4.5 unsigned hyper", UHyper, 2**63, words(0x80000000, 0)),
    ("4.6 float", Float, 1.0, b"\x3f\x80\0\0"),
    ("4.6 float", Float, -0.0, b"\x80\0\0\0"),
    ("4.6 float", Float, math.inf, b"\x7f\x80\0\0"),
    ("4.7 double", Double, -2.5, b"\xc0\x04\0\0\0\0\0\0"),
    ("4.9 fixed opaque", Annotated[bytes, xdr.fixed(3)], b"abc", b"abc\0"),
    ("4.9 fixed opaque", Annotated[bytes, xdr.fixed(4)], b"abcd", b"abcd"),
    ("4.9 fixed opaque", Annotated[bytes, xdr.fixed(0)], b"", b""),
    ("4.10 opaque", Opaque, b"", words(0)),
    ("4.10 opaque", Opaque, b"a", words(1, b"a\0\0\0")),
    ("4.10 opaque", Opaque, b"abcdefg", words(7, b"abcdefg\0")),
    ("4.11 string", String, b"sillyprog", words(9, b"sillyprog\0\0\0")),
    ("4.12 fixed array", Annotated[list[UInt], xdr.vector(2)], [1, 2], words(1, 2)),
    ("4.12 fixed array", Annotated[list[String], xdr.vector(1)], [b"x"], words(1, b"x\0\0\0")),
    ("4.13 array", Annotated[list[Int], xdr.array()], [], words(0)),
    ("4.13 array", Annotated[list[Int], xdr.array()], [-1, 1], words(2, -1, 1)),
    ("4.13 array", Annotated[list[Bool], xdr.array()], [True, False], words(2, 1, 0)),
    ("4.13 array", points, [point(1, 2), point(3, 4)], words(2, 1, 2, 3, 4)),
    ("4.14 structure", point, point(-1, 2), words(-1, 2)),
    ("4.14 structure", empty, empty(), b""),
    ("4.14 structure", holder, holder(empty(), 9), words(9)),
    ("4.15 union", painted, painted(colour.RED, 5), words(-2, 5)),
    ("4.15 union, void arm", painted, painted(colour.GREEN, None), words(3)),
    ("4.15 union", numbered, numbered(1, point(6, 7)), words(1, 6, 7)),
    ("4.15 union", numbered, numbered(0xFFFFFFFF, b"hi"), words(-1, 2, b"hi\0\0")),
    ("4.15 union, void arm", numbered, numbered(7, None), words(7)),
    ("4.15 union, default", numbered, numbered(8, -1), words(8, -1, -1)),
    ("4.15 union of bool", answered, answered(True, 1), words(1, 1)),
    ("4.15 union of bool", answered, answered(False, None), words(0)),
    ("4.15 union of a registry", tasted, tasted(flavor.SWEET, [point(1, 2)]), words(0, 1, 1, 2)),
    ("4.15 union of a registry", tasted, tasted(flavor(5), None), words(5)),
    ("4.15 union of int", signed, signed(-1, 4), words(-1, 4)),
    ("4.16 void", None, None, b""),
    ("4.19 optional", point | None, None, words(0)),
    ("4.19 optional", point | None, point(1, 2), words(1, 1, 2)),
    ("4.19 list", Annotated[list[point], xdr.linked], [], words(0)),
    (
        "4.19 list",
        Annotated[list[point], xdr.linked],
        [point(1, 2), point(3, 4)],
        words(1, 1, 2, 1, 3, 4, 0),
    ),
    ("4.19 recursion", chain, chain(chain(None, 2), 1), words(1, 0, 2, 1)),
    ("recursion", tree, tree(1, [tree(2, []), tree(3, [])]), words(1, 2, 2, 0, 3, 0)),
    ("recursion", thicket, thicket(1, [thicket(2, [])]), words(1, 1, 2, 0, 0)),
    (
        "recursion by two types",
        pair,
        pair(expression(0, 5), expression(1, pair(expression(2, None), expression(0, 6)))),
        words(0, 5, 1, 2, 0, 6),
    ),
    (
        "all scalars",
        scalars,
        scalars(-1, 2, -3, 4, 0.5, 0.25, True, colour.GREEN, flavor.SOUR),
        words(-1, 2, -1, -3, 0, 4, 0x3F000000, 0x3FD00000, 0, 1, 3, 1),
    ),
    (
        "all bytes",
        octets,
        octets(b"", b"a", b"bbbb", b"cc", b"d", b"", b"eeeee"),
        words(b"a\0\0\0", b"bbbb", 2, b"cc\0\0", 1, b"d\0\0\0", 0, 5, b"eeeee\0\0\0"),
    ),
    (
        "all lists",
        lists,
        lists(
            [1, 2, 3], [-1], [True], [colour.GREEN], [flavor(0), flavor(9)], [point(4, 5)],
            [b"a", b""], [[6], []], [point(7, 8)], [b"b"],
        ),
        words(
            1, 2, 3,  1, -1, -1,  1, 1,  1, 3,  0, 9,  1, 4, 5,
            1, b"a\0\0\0", 0,  2, 1, 6, 0,  1, 7, 8, 0,  1, 1, b"b\0\0\0", 0,
        ),
    ),
    (
        "all optionals",
        maybe,
        maybe(1, point(2, 3), [b"a"]),
        words(1, 1, 1, 2, 3, 1, 1, 1, b"a\0\0\0", 0),
    ),
    (
        "unions between runs",
        nested,
        nested(1, numbered(7, None), point(2, 3), tasted(flavor.SOUR, point(4, 5)), True),
        words(1, 7, 2, 3, 1, 4, 5, 1),
    ),
]  # fmt: skip


@pytest.mark.parametrize(("section", "declared", "value", "wire"), GOLDEN)
def test_a_value_encodes_as_its_section_draws(
    section: str, declared: Any, value: Any, wire: bytes
) -> None:
    assert encode(declared, value) == wire


@pytest.mark.parametrize(("section", "declared", "value", "wire"), GOLDEN)
def test_bytes_decode_as_their_section_draws(
    section: str, declared: Any, value: Any, wire: bytes
) -> None:
    assert decode(declared, wire) == value


@pytest.mark.parametrize(
    ("declared", "value", "message"),
    [
        (None, 0, "void: void has no value"),
        (colour, 4, "colour: 4 is not a value of colour"),
        (Annotated[bytes, xdr.fixed(3)], b"ab", "opaque: 2 bytes, limit 3"),
        (Annotated[bytes, xdr.opaque(2)], b"abc", "opaque: 3 bytes, limit 2"),
        (Annotated[list[UInt], xdr.vector(2)], [1], "unsigned int: 1 elements, limit 2"),
        (
            Annotated[list[link], xdr.linked], [link(7), link(8, [link(9)])],
            "link[1]: next is not None, but the list has the elements that follow",
        ),
        (points, [point(0, 0)] * 4, "point: 4 elements, limit 3"),
        (painted, painted(colour.BLUE, None), "painted: 2147483647 has no arm"),
        (painted, painted(colour.GREEN, 1), "painted.body: void has no value"),
        (numbered, numbered(7, 1), "numbered.body: void has no value"),
        (tree, tree(1, [tree(2, []), tree(3, [tree(4, [])] * 4)]),
         "tree.children[1].children: 4 elements, limit 3"),
        (nested, nested(1, numbered(7, 0), point(1, 1), tasted(flavor.SOUR, None), True),
         "nested.inner.body: void has no value"),
    ],
)  # fmt: skip
def test_a_value_beyond_limits_is_refused_by_name(declared: Any, value: Any, message: str) -> None:
    with pytest.raises(XdrError) as caught:
        encode(declared, value)

    assert str(caught.value) == message
    assert caught.value.offset is None
