"""The traversal of a message along its declaration."""

from __future__ import annotations

from typing import Annotated, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oncrpc import xdr
from oncrpc.programs import nfs4, portmap
from oncrpc.snoop.words.fields import MAX_FIELDS, Traversal, WireField
from oncrpc.testing import values_of
from oncrpc.xdr import encode
from support.words import words


@xdr.struct
class Tree:
    """A type within itself, as deep as the bytes say."""

    left: Annotated[list[Tree], xdr.array()]


def paths(part: WireField, before: str = "") -> list[tuple[str, int, Any]]:
    """Every field with a value: its path, place and value."""
    name = f"{before}{part.name}"
    if part.compound or part.listed:
        return [each for inner in part.parts for each in paths(inner, f"{name}.")]
    return [(name, part.at, part.value)]


def test_fields_have_place_and_value() -> None:
    wire = encode(portmap.mapping, portmap.mapping(100003, 3, 6, 2049))

    found = Traversal(b"xxxx" + wire, 4).read(portmap.mapping, "m")

    assert paths(found) == [
        ("m.prog", 4, 100003),
        ("m.vers", 8, 3),
        ("m.prot", 12, 6),
        ("m.port", 16, 2049),
    ]


def test_union_shows_its_discriminant_and_arm() -> None:
    args = nfs4.nfs_argop4(nfs4.nfs_opnum4.OP_LOOKUP, nfs4.LOOKUP4args(b"a"))

    found = Traversal(encode(nfs4.nfs_argop4, args)).read(nfs4.nfs_argop4, "op")

    assert paths(found) == [("op.argop", 0, "OP_LOOKUP"), ("op.body.objname", 4, b"a")]


def test_cut_message_keeps_what_was_read() -> None:
    traversal = Traversal(words(100003, 3, 6)[:-2])

    found = traversal.read(portmap.mapping, "m")

    assert paths(found) == [("m.prog", 0, 100003), ("m.vers", 4, 3)]
    assert (traversal.problem, traversal.at) == ("cut", 8)


@pytest.mark.parametrize(
    ("declared", "wire", "problem"),
    [
        (xdr.Bool, words(2), "2 is not a bool"),
        (Annotated[bytes, xdr.opaque(3)], words(4, b"abcd"), "4 bytes, the limit is 3"),
        (Annotated[list[xdr.UInt], xdr.array(1)], words(2, 0, 0), "2 elements, the limit is 1"),
        (nfs4.nfs_argop4, words(99), "no arm for 99"),
        (Annotated[list[xdr.UInt], xdr.array()], words(0xFFFFFFFF), "cut"),
    ],
)
def test_damaged_message_says_why(declared: Any, wire: bytes, problem: str) -> None:
    traversal = Traversal(wire)

    traversal.read(declared, "x")

    assert traversal.problem == problem


def test_number_of_fields_is_bounded() -> None:
    traversal = Traversal(words(MAX_FIELDS * 2, b"\0" * (MAX_FIELDS * 8)))

    found = traversal.read(Annotated[list[xdr.UInt], xdr.array()], "x")

    assert traversal.problem == "too many fields"
    assert len(found.parts) < MAX_FIELDS


def test_depth_is_bounded() -> None:
    traversal = Traversal(words(*[1] * 5000, 0))

    traversal.read(Tree, "x")

    assert traversal.problem == "nested too deeply"


@pytest.mark.slow
@given(st.data())
def test_whole_values_are_read_to_their_end(data: st.DataObject) -> None:
    declared = data.draw(st.sampled_from([nfs4.COMPOUND4args, nfs4.fattr4, portmap.pmaplist]))
    wire = encode(declared, data.draw(values_of(declared)))
    traversal = Traversal(wire)

    traversal.read(declared, "x")

    assert (traversal.problem, traversal.at) == ("", len(wire))
