"""Ranges and locks, compared byte by byte."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from oncrpc.nfs.locks.terms import END, ByteRange, Lock, LockClient, LockOwner

CLIENT = LockClient("192.0.2.1", b"client")


@st.composite
def ranges(draw: st.DrawFn) -> ByteRange:
    """Short ranges of small numbers."""
    start = draw(st.integers(0, 20))
    return ByteRange(start, draw(st.integers(start + 1, 22)))


@given(ranges(), ranges())
def test_ranges_overlap_if_a_byte_is_shared(one: ByteRange, other: ByteRange) -> None:
    shared = set(range(*one)) & set(range(*other))

    assert one.overlaps(other) == bool(shared)
    assert one.covers(other) == (set(range(*other)) <= set(range(*one)))


def lock(svid: int, *, exclusive: bool) -> Lock:
    return Lock(LockOwner(CLIENT, svid, b"oh"), ByteRange(10, END), exclusive)


def test_shared_locks_do_not_conflict() -> None:
    assert not lock(1, exclusive=False).conflicts(lock(2, exclusive=False))


def test_exclusive_lock_conflicts_with_any_other() -> None:
    assert lock(1, exclusive=True).conflicts(lock(2, exclusive=False))
    assert lock(1, exclusive=False).conflicts(lock(2, exclusive=True))


def test_locks_of_one_owner_never_conflict() -> None:
    assert not lock(1, exclusive=True).conflicts(lock(1, exclusive=True))
