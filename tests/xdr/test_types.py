"""Declarations and the classes made from them (RFC 4506 §4)."""

from __future__ import annotations

import copy
import json
import pickle
import pydoc
from typing import Any

import pytest

from oncrpc import xdr
from oncrpc.xdr import UInt, encode
from support.sample_types import empty, flavor, link, numbered, point
from support.words import words


def test_structures_take_positions_and_names() -> None:
    assert point(1, 2) == point(y=2, x=1)


def test_equal_fields_make_equal_structures() -> None:
    assert point(1, 2) == point(1, 2)
    assert hash(point(1, 2)) == hash(point(1, 2))
    assert point(1, 2) != point(2, 1)


def test_a_structure_equals_nothing_of_another_type() -> None:
    others: list[object] = [(1, 2), empty(), None]

    assert point(1, 2) not in others


def test_a_structure_shows_its_fields() -> None:
    assert repr(point(1, -2)) == "point(x=1, y=-2)"


def test_a_list_element_is_made_without_its_rest() -> None:
    assert link(7) == link(7, None)
    assert link(7).next is None
    assert repr(link(7)) == "link(value=7)"
    assert repr(link(7, [link(8)])) == "link(value=7, next=[link(value=8)])"


def test_a_structure_has_no_room_for_other_attributes() -> None:
    with pytest.raises(AttributeError):
        point(1, 2).z = 3  # type: ignore[attr-defined]  # the claim


def test_a_structure_is_matched_by_position() -> None:
    match point(3, 4):
        case point(x, y):
            assert (x, y) == (3, 4)
        case _:
            pytest.fail("no match")


def test_a_structure_without_fields_is_made_of_nothing() -> None:
    assert empty() == empty()
    assert encode(empty, empty()) == b""


def test_a_structure_survives_copying_and_pickling() -> None:
    value = numbered(1, point(5, 6))

    assert copy.deepcopy(value) == value
    assert pickle.loads(pickle.dumps(value)) == value


class stat(xdr.Enumeration):
    """Two outcomes."""

    OK = 0
    STALE = 70


def test_an_enumeration_prints_its_names() -> None:
    member = stat.STALE

    assert (str(member), f"{member}", "%s" % member) == ("STALE", "STALE", "STALE")  # noqa: UP031
    assert (f"{member:d}", f"{member:#x}", "%d" % member) == ("70", "0x46", "70")  # noqa: UP031
    assert f"{member:>8}" == "   STALE"
    assert repr(numbered(member, None)) == "numbered(number=stat.STALE, body=None)"


def test_an_enumeration_is_an_integer() -> None:
    assert {70: "found"}[stat.STALE] == "found"
    assert stat.STALE + 1 == 71
    assert json.dumps(stat.STALE) == "70"


def test_a_registry_prints_unknown_numbers() -> None:
    assert str(unknown := sized(99)) == "sized_99"
    assert repr(unknown) == "sized(99)"
    assert repr(sized.SMALL) == "sized.SMALL"


class sized(xdr.OpenEnumeration):
    """One of many."""

    SMALL = 1


def test_help_shows_text_and_types() -> None:
    text = pydoc.plain(pydoc.render_doc(undocumented)).replace("'", "")

    assert "undocumented(first: UInt, second: point | None)" in text
    assert "Fields: first, second." in text
    assert "|  second\n |      point | None\n" in text
    assert "A place." in pydoc.plain(pydoc.render_doc(documented))


@xdr.struct
class undocumented:
    first: UInt
    second: point | None


@xdr.struct
class documented:
    """A place."""

    first: UInt


def test_annotations_need_not_be_strings() -> None:
    source = """
from typing import Optional
from oncrpc import xdr

@xdr.struct
class lazy:
    value: xdr.UInt
    pair: Optional[xdr.UInt]
"""
    module = {"__name__": __name__}
    exec(compile(source, "lazy.py", "exec", dont_inherit=True), module)
    lazy: Any = module["lazy"]

    assert xdr.encode(lazy, lazy(1, 2)) == words(1, 1, 2)


def test_a_registry_keeps_a_number_without_a_name() -> None:
    unknown = flavor(77)

    assert unknown == 77
    assert unknown.name == "flavor_77"
    assert unknown == flavor(77)
    assert hash(unknown) == hash(77)


def test_unknown_numbers_do_not_grow_an_enumeration() -> None:
    for number in range(1000, 1100):
        flavor(number)

    assert list(flavor) == [flavor.SWEET, flavor.SOUR]
    assert len(flavor._value2member_map_) == 2


@pytest.mark.parametrize("value", [2**31, -(2**31) - 1, "1", None])
def test_an_open_enumeration_refuses_larger_numbers(value: Any) -> None:
    with pytest.raises(ValueError, match="is not a valid flavor"):
        flavor(value)
