"""Codecs: found by declaration, named, exact to the last byte."""

from __future__ import annotations

from typing import Annotated, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oncrpc import xdr
from oncrpc.errors import XdrError
from oncrpc.programs.rpcb import rpcb
from oncrpc.xdr import Bool, Int, Opaque, UInt, codec, decode, encode
from support.declared import typed_values
from support.sample_types import chain, colour, point, points
from support.words import words


def test_a_declaration_has_one_codec() -> None:
    assert codec(point) is codec(point)
    assert codec(Annotated[bytes, xdr.opaque(9)]) is codec(Annotated[bytes, xdr.opaque(9)])
    assert codec(UInt) is not codec(Bool)


@pytest.mark.parametrize(
    ("declared", "name"),
    [
        (None, "void"),
        (point, "point"),
        (colour, "colour"),
        (Int, "int"),
        (Opaque, "opaque"),
        (points, "point"),
        (Annotated[list[UInt], xdr.array()], "unsigned int"),
        (Annotated[list[points], xdr.array()], "point"),
        (point | None, "point"),
        (Opaque | None, "opaque"),
        (5, "5"),
    ],
)
def test_a_path_starts_with_the_type_name(declared: Any, name: str) -> None:
    assert codec(declared).name == name


def test_an_invalid_declaration_is_refused_when_used() -> None:
    with pytest.raises(TypeError, match="5 is not an XDR type"):
        codec(5).encode(5)
    with pytest.raises(TypeError, match="5 is not an XDR type"):
        codec(5).decode(b"")


@pytest.mark.slow
@given(typed_values)
def test_a_value_comes_back_from_its_bytes(typed: tuple[Any, Any]) -> None:
    declared, value = typed

    wire = encode(declared, value)

    assert len(wire) % 4 == 0
    assert decode(declared, wire) == value


@given(typed_values, st.binary(max_size=9), st.binary(max_size=9))
def test_a_value_is_found_among_other_bytes(
    typed: tuple[Any, Any], before: bytes, after: bytes
) -> None:
    declared, value = typed
    wire = encode(declared, value)

    found, end = codec(declared).decode_from(before + wire + after, len(before))

    assert found == value
    assert end == len(before + wire)


@given(typed_values, st.binary(max_size=9))
def test_a_value_is_appended_to_a_buffer(typed: tuple[Any, Any], before: bytes) -> None:
    declared, value = typed
    out = bytearray(before)

    codec(declared).encode_onto(out, value)

    assert bytes(out) == before + encode(declared, value)


@pytest.mark.slow
@given(typed_values, st.data())
def test_no_beginning_of_a_value_is_a_value(typed: tuple[Any, Any], data: st.DataObject) -> None:
    declared, value = typed
    wire = encode(declared, value)
    cut = data.draw(st.integers(0, len(wire) - 1)) if wire else None

    if cut is not None:
        with pytest.raises(XdrError, match="need"):
            decode(declared, wire[:cut])


def test_only_decode_refuses_bytes_after_the_value() -> None:
    wire = words(1, 2, 3)

    assert codec(point).decode_from(wire) == (point(1, 2), 8)
    with pytest.raises(XdrError, match="point, byte 8: 4 bytes left over"):
        codec(point).decode(wire)


def test_an_offset_behind_the_end_is_refused() -> None:
    with pytest.raises(XdrError, match=r"rpcb.r_prog, byte 9: need 4 bytes, have -5"):
        codec(rpcb).decode_from(words(1), 9)


def test_a_recursive_type_has_source_too() -> None:
    assert "decode_nested(data, i, end" in codec(chain).source
    assert "encode_nested(" in codec(chain).source
