"""Attributes of NFS 4 by their names."""

from __future__ import annotations

from typing import Any

from oncrpc.programs import nfs4
from oncrpc.snoop.words.attributes4 import attributes, with_attributes
from oncrpc.snoop.words.fields import Traversal, WireField
from oncrpc.xdr import encode
from support.words import words

TYPE, SIZE, MODE, OWNER = 1, 4, 33, 36
MASK = [1 << TYPE | 1 << SIZE, 1 << MODE - 32 | 1 << OWNER - 32]
VALUES = words(2, 0, 4096, 0o755, 4, b"root")


def read(fattr: nfs4.fattr4) -> WireField:
    wire = encode(nfs4.fattr4, fattr)
    found = Traversal(wire).read(nfs4.fattr4, "attributes")
    with_attributes(found, wire)
    return found.parts[1]


def values(part: WireField) -> dict[str, Any]:
    return {inner.name: inner.value for inner in part.parts}


def test_bits_are_numbered_over_all_words() -> None:
    assert attributes(MASK) == [TYPE, SIZE, MODE, OWNER]


def test_values_are_read_in_order_of_bits() -> None:
    assert values(read(nfs4.fattr4(MASK, VALUES))) == {
        "type": "NF4DIR",
        "size": 4096,
        "mode": 0o755,
        "owner": b"root",
    }


def test_values_have_their_places() -> None:
    assert [part.at for part in read(nfs4.fattr4(MASK, VALUES)).parts] == [16, 20, 28, 32]


def test_values_that_do_not_fit_stay_bytes() -> None:
    for damaged in (VALUES[:-4], VALUES + b"more", b""):
        assert read(nfs4.fattr4(MASK, damaged)).value == damaged


def test_unknown_attribute_leaves_bytes() -> None:
    unknown = nfs4.fattr4([0, 0, 1 << 31], b"\0\0\0\1")

    assert read(unknown).value == b"\0\0\0\1"
