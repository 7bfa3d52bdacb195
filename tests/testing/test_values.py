"""Strategies from declarations."""

from __future__ import annotations

from typing import Annotated, Any

import pytest
from hypothesis import Phase, find, given, settings
from hypothesis import strategies as st

from oncrpc import testing, xdr
from oncrpc.testing import values_of
from oncrpc.testing.values import MAX_BYTES, MAX_DEPTH, MAX_ITEMS
from oncrpc.xdr import Double, Float, String, UInt, encode
from support.declared import typed_values
from support.sample_types import (
    answered,
    chain,
    colour,
    decided,
    expression,
    flavor,
    numbered,
    painted,
    point,
    tasted,
    thicket,
    tree,
)


@given(typed_values)
def test_every_value_is_of_the_type(typed: tuple[Any, Any]) -> None:
    encode(*typed)


def test_hypothesis_is_imported_only_when_needed() -> None:
    assert testing.values_of is values_of
    with pytest.raises(AttributeError, match="has no attribute 'others'"):
        testing.others  # type: ignore[attr-defined]  # noqa: B018  # looking it up is the claim


@pytest.mark.slow
@pytest.mark.parametrize(
    ("declared", "wanted"),
    [
        (painted, lambda v: v.shade == colour.RED),
        (painted, lambda v: v.shade == colour.GREEN),
        (numbered, lambda v: isinstance(v.body, point)),
        (numbered, lambda v: v.number not in (1, 7, 0xFFFFFFFF)),
        (answered, lambda v: v.yes),
        (answered, lambda v: not v.yes),
        (decided, lambda v: not v.yes),
        (tasted, lambda v: v.taste not in list(flavor)),
        (flavor, lambda v: v.name.startswith("flavor_")),
        (flavor, lambda v: v is flavor.SOUR),
        (expression, lambda v: v.kind == 1 and v.body.left.kind == 1),
        (point | None, lambda v: v is None),
        (point | None, lambda v: v is not None),
        (chain, lambda v: v.next is not None and v.next.next is not None),
    ],
)
def test_every_arm_is_reached(declared: Any, wanted: Any) -> None:
    unhurried = settings(max_examples=2000, database=None, phases=[Phase.generate])

    find(values_of(declared), wanted, settings=unhurried)


@pytest.mark.parametrize("declared", [Float, Double])
def test_every_number_equals_itself(declared: Any) -> None:
    @given(values_of(declared))
    def check(value: float) -> None:
        assert value == value  # the claim

    check()


def depth_of(value: Any) -> int:
    match value:
        case chain(after, _):
            return 1 + (depth_of(after) if after else 0)
        case tree(_, children) | thicket(_, children):
            return 1 + max(map(depth_of, children), default=0)
    raise AssertionError(value)


@pytest.mark.slow
@given(st.one_of(values_of(chain), values_of(tree), values_of(thicket)))
def test_types_within_themselves_have_an_end(value: Any) -> None:
    assert depth_of(value) <= MAX_DEPTH + 1


@given(
    values_of(String),
    values_of(Annotated[list[UInt], xdr.array()]),
    values_of(Annotated[bytes, xdr.fixed(50)]),
    values_of(Annotated[list[UInt], xdr.vector(6)]),
)
def test_sizes_are_small_unless_they_are_declared(
    name: bytes, numbers: list[int], fixed: bytes, six: list[int]
) -> None:
    assert len(name) <= MAX_BYTES
    assert len(numbers) <= MAX_ITEMS
    assert (len(fixed), len(six)) == (50, 6)


def test_a_vector_of_impossible_elements_has_no_values() -> None:
    assert values_of(endless).is_empty


@xdr.struct
class endless:
    twins: Annotated[list[endless], xdr.vector(2)]
