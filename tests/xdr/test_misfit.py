"""The encoder's failures name the field, also where a run of fields is packed at once."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oncrpc.errors import XdrError
from oncrpc.programs.rpcb import rpcb
from oncrpc.rpc.prot import authsys_parms
from oncrpc.xdr import Double, Float, Hyper, Int, UHyper, UInt, encode
from oncrpc.xdr.misfit import misfit
from oncrpc.xdr.nodes import node_of
from support.declared import typed_values
from support.sample_types import (
    chain,
    colour,
    expression,
    flavor,
    lists,
    maybe,
    nested,
    numbered,
    octets,
    pair,
    point,
    points,
    scalars,
    tasted,
    tree,
)

NOTHING: Any = None
NUMBER: Any = 5
NUMBERS: Any = [1, 2]
TEXT: Any = "text"


def scalar_with(**changed: Any) -> scalars:
    fields: dict[str, Any] = {
        "i": 0, "u": 0, "h": 0, "uh": 0, "f": 0.0, "d": 0.0, "b": False,
        "c": colour.RED, "r": flavor.SOUR,
    }  # fmt: skip
    return scalars(**(fields | changed))


def list_with(**changed: Any) -> lists:
    fields: dict[str, Any] = {
        "three": [0, 0, 0], "hypers": [], "flags": [], "colours": [], "flavors": [flavor.SOUR] * 2,
        "places": [], "names": [b"", b""], "table": [], "chain": [], "words": [],
    }  # fmt: skip
    return lists(**(fields | changed))


@pytest.mark.parametrize(
    ("declared", "value", "message"),
    [
        (Int, 2**31, "int: 2147483648 is out of range"),
        (UInt, -1, "unsigned int: -1 is out of range"),
        (UInt, None, "unsigned int: expected unsigned int, got NoneType"),
        (Hyper, -(2**63) - 1, "hyper: -9223372036854775809 is out of range"),
        (UHyper, 2**64, "unsigned hyper: 18446744073709551616 is out of range"),
        (Float, 1e300, "float: 1e+300 is out of range"),
        (Double, "1", "double: expected double, got str"),
        (Int, 1.5, "int: expected int, got float"),
        (rpcb, rpcb(-1, 0, b"", b"", b""), "rpcb.r_prog: -1 is out of range"),
        (rpcb, rpcb(0, 1 << 32, b"", b"", b""), "rpcb.r_vers: 4294967296 is out of range"),
        (rpcb, rpcb(0, 0, TEXT, b"", b""), "rpcb.r_netid: expected bytes, got str"),
        (rpcb, rpcb(0, 0, NUMBERS, b"", b""), "rpcb.r_netid: expected bytes, got list"),
        (rpcb, rpcb(0, 0, b"", NOTHING, b""), "rpcb.r_addr: expected bytes, got NoneType"),
        (rpcb, "an rpcb", "rpcb: expected rpcb, got str"),
        (numbered, point(1, 2), "numbered: expected numbered, got point"),
        (points, None, "point: expected list, got NoneType"),
        (points, [point(1, 2), point(1, 2**40)], "point[1].y: 1099511627776 is out of range"),
        (scalars, scalar_with(f=1e40), "scalars.f: 1e+40 is out of range"),
        (scalars, scalar_with(c=[]), "scalars.c: expected colour, got list"),
        (scalars, scalar_with(r=2**31), "scalars.r: 2147483648 is out of range"),
        (octets, octets(b"", b"1", b"1234", b"", b"", NUMBER, b""),
         "octets.data: expected bytes, got int"),
        (lists, list_with(three=[0, -1, 0]), "lists.three[1]: -1 is out of range"),
        (lists, list_with(hypers="x"), "lists.hypers[0]: expected hyper, got str"),
        (lists, list_with(table=[[1], [2, 2**31]]),
         "lists.table[1][1]: 2147483648 is out of range"),
        (lists, list_with(chain=[point(1, 1), point(NOTHING, 1)]),
         "lists.chain[1].x: expected int, got NoneType"),
        (lists, list_with(words=7), "lists.words: expected list, got int"),
        (maybe, maybe(None, point(1, 2**31), None), "maybe.place.y: 2147483648 is out of range"),
        (numbered, numbered(-1, 0), "numbered.number: -1 is out of range"),
        (numbered, numbered(1, point(0, 2**31)), "numbered.body.y: 2147483648 is out of range"),
        (numbered, numbered(9, 2**63), "numbered.body: 9223372036854775808 is out of range"),
        (tasted, tasted(flavor.SOUR, NUMBER), "tasted.body: expected point, got int"),
        (nested, nested(1, numbered(7, None), point(TEXT, 3), tasted(flavor(9), None), True),
         "nested.between.x: expected int, got str"),
        (chain, chain(chain(None, 2**31), 1), "chain.next.value: 2147483648 is out of range"),
        (tree, tree(1, [tree(2, [tree(-3, [])])]),
         "tree.children[0].children[0].value: -3 is out of range"),
        (pair, pair(expression(2, None), expression(0, TEXT)),
         "pair.right.body: expected int, got str"),
        (authsys_parms, authsys_parms(0, b"", 0, 0, [0, -1]),
         "authsys_parms.gids[1]: -1 is out of range"),
    ],
)  # fmt: skip
def test_an_unencodable_value_names_its_field(declared: Any, value: Any, message: str) -> None:
    with pytest.raises(XdrError) as caught:
        encode(declared, value)

    assert str(caught.value) == message


@given(typed_values)
def test_a_value_of_the_type_fits(typed: tuple[Any, Any]) -> None:
    declared, value = typed

    assert misfit(node_of(declared), value, "it") is None


ANYTHING: list[Any] = [
    None,
    -1,
    2**31,
    2**64,
    1.5,
    1e300,
    "text",
    b"bytes",
    [],
    [None],
    [1, 2],
    {},
    point(1, 2),
]


@pytest.mark.slow
@given(typed_values, st.sampled_from(ANYTHING), st.data())
def test_any_field_value_encodes_or_raises_xdr_error(
    typed: tuple[Any, Any], put: Any, data: st.DataObject
) -> None:
    declared, value = typed
    while hasattr(value, "__xdr_fields__") and value.__xdr_fields__:
        name = data.draw(st.sampled_from(value.__xdr_fields__))
        if not hasattr(getattr(value, name), "__xdr_fields__"):
            setattr(value, name, put)
            break
        value = getattr(value, name)
    else:
        typed = (declared, put)

    try:
        wire = encode(*typed)
    except XdrError as refused:
        error = refused
    else:
        assert len(wire) % 4 == 0
        return

    assert error.offset is None


def test_an_unexplained_failure_keeps_its_text() -> None:
    class Moody:
        """Neither true nor false."""

        def __bool__(self) -> bool:
            raise TypeError("not today")

    with pytest.raises(XdrError) as caught:
        encode(scalars, scalar_with(b=Moody()))

    assert str(caught.value) == "scalars: not today"
