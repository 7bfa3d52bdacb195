"""What is left to the next image of the process."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from oncrpc.nfs.locks.handover import left_by, resumed
from oncrpc.nfs.locks.journal import LockJournal
from oncrpc.nfs.locks.store import LockStore
from oncrpc.nfs.locks.terms import END, ByteRange, Lock, LockClient, LockedFile, LockOwner
from oncrpc.nfs.locks.waiting import LockRequest, WaitingRequests
from support.loops import in_loop

LOCKS = st.builds(
    Lock,
    st.builds(
        LockOwner,
        st.builds(LockClient, st.sampled_from(["192.0.2.1", "2001:db8::1"]), st.binary(max_size=9)),
        st.integers(-(1 << 31), (1 << 32) - 1),
        st.binary(max_size=9),
    ),
    st.sampled_from([ByteRange(0, END), ByteRange(5, 1 << 63), ByteRange(END - 1, END)]),
    st.booleans(),
)
FILES = st.builds(LockedFile, st.integers(0, 65535), st.binary(min_size=1, max_size=44))


def empty() -> tuple[LockStore, WaitingRequests]:
    store = LockStore(LockJournal(None), clock=lambda: 7.0, most_open=1)
    return store, WaitingRequests(store.table)


@pytest.mark.slow
@given(FILES, LOCKS, LOCKS)
def test_any_lock_is_the_same_after_the_handover(
    file: LockedFile, held: Lock, wanted: Lock
) -> None:
    store, waiting = empty()
    store.give(file, held)
    waiting.add(LockRequest(file, wanted, wait=True), now=9)

    left = left_by(store, waiting, [], now=0.0)
    next_store, next_waiting = empty()
    offers = resumed(left, next_store, next_waiting, now=0.0)

    assert [(each.lock, each.since) for each in next_store.table.held(file)] == [(held, 7)]
    assert [each.request for each in next_waiting] == [each.request for each in waiting]
    assert offers == []


@in_loop
async def test_rest_of_a_release_goes_on() -> None:
    store, waiting = empty()
    store.releases.later(LockedFile(1, b"file"), ByteRange(5, END))

    left = left_by(store, waiting, [], now=0.0)
    next_store, next_waiting = empty()
    resumed(left, next_store, next_waiting, now=0.0)

    assert next_store.releases.left == {LockedFile(1, b"file"): ByteRange(5, END)}
    store.releases.close()
    next_store.releases.close()


def test_other_texts_are_refused() -> None:
    with pytest.raises(msgspec.DecodeError):
        resumed(b'{"locks": 5}', *empty(), now=0.0)
