"""State numbers: a host counts its restarts; the number is odd while it is up (XNFS §11)."""

from __future__ import annotations

MASK, HALF = 0xFFFFFFFF, 0x80000000


def next_state(state: int) -> int:
    """The number after a restart: odd, and newer. 0 is left out: it means that none is known."""
    return (state + 2 | 1) & MASK


def first_state(now: float) -> int:
    """The number of a host whose former number is not known: seconds since 1970, made odd.

    It is newer than what the host can have counted.
    """
    return (int(now) | 1) & MASK


def is_newer(state: int, former: int) -> bool:
    """Whether a state is newer than the last known one, modulo 32 bits; 0 is unknown and older."""
    return former == 0 or 0 < (state - former) & MASK < HALF


def is_up(state: int) -> bool:
    """Whether a state is that of a host that is up."""
    return state % 2 == 1


def unsigned(state: int) -> int:
    """A state of the wire, where it is a signed number."""
    return state & MASK


def signed(state: int) -> int:
    """A state for the wire."""
    return (state & MASK ^ HALF) - HALF
