"""``oncrpc.nfs.nsm.states``: state numbers, odd and modulo 32 bits."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oncrpc.nfs.nsm.states import first_state, is_newer, next_state, signed, unsigned

NUMBERS = st.integers(0, 0xFFFFFFFF)


@given(NUMBERS)
def test_next_state_is_odd_and_newer(state: int) -> None:
    found = next_state(state)

    assert found % 2 == 1
    assert is_newer(found, state)


def test_next_state_grows_by_two() -> None:
    assert next_state(7) == 9


def test_first_state_is_odd_and_grows() -> None:
    assert first_state(1_764_000_000.5) == 1_764_000_001
    assert is_newer(first_state(1_764_000_010), first_state(1_764_000_000))


@pytest.mark.parametrize(
    ("state", "former", "newer"),
    [
        (9, 7, True),
        (7, 7, False),
        (5, 7, False),
        (1, 0xFFFFFFFF, True),
        (0xFFFFFFFF, 1, False),
        (7 + 0x7FFFFFFF, 7, True),
        (7 + 0x80000000, 7, False),
        (1, 0, True),
        (0xFFFFFFFF, 0, True),
    ],
)
def test_states_are_compared_modulo_32_bits(state: int, former: int, newer: bool) -> None:
    assert is_newer(state, former) is newer


@given(NUMBERS)
def test_signed_state_fits_the_wire(state: int) -> None:
    assert -0x80000000 <= signed(state) <= 0x7FFFFFFF
    assert unsigned(signed(state)) == state
