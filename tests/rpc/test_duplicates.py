"""The duplicate-request cache."""

from __future__ import annotations

import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oncrpc.rpc import Caller
from oncrpc.rpc.duplicates import OVERHEAD, DuplicateCache
from support.callers import FORGED, changed
from support.words import words

HERE = Caller("udp", ("192.0.2.1", 700, 0), ("192.0.2.9", 111, 0), datagram=True)
USER = Caller("local", uid=1000, loopback=True)
CALL = words(1, 0, 2, 100000)
REPLY = words(1, 1, 0, 0, 0, 0)  # REPLY, MSG_ACCEPTED, verf AUTH_NONE, SUCCESS
DENIED = words(1, 1, 1, 1, 5)  # REPLY, MSG_DENIED, AUTH_ERROR, AUTH_TOOWEAK


@pytest.fixture
def cache() -> DuplicateCache:
    return DuplicateCache(max_bytes=3 * (OVERHEAD + len(REPLY)), lifetime=10.0)


def ran(
    cache: DuplicateCache,
    message: bytes = CALL,
    *,
    caller: Caller = HERE,
    now: float = 0.0,
    reply: bytes | None = REPLY,
) -> None:
    """A call that has ended."""
    cache.finish(cache.begin(caller, message), reply, now)


def found(
    cache: DuplicateCache, message: bytes = CALL, *, caller: Caller = HERE, now: float = 0.0
) -> bool:
    return cache.find(caller, message, now) is not None


def test_a_finished_call_brings_its_reply(cache: DuplicateCache) -> None:
    ran(cache)

    again = cache.find(HERE, CALL, 1.0)

    assert again is not None
    assert (again.done, again.reply) == (True, REPLY)


def test_a_call_in_progress_is_found_without_reply(cache: DuplicateCache) -> None:
    cache.begin(HERE, CALL)

    again = cache.find(HERE, CALL, 1e9)

    assert again is not None
    assert (again.done, again.reply) == (False, None)


def test_an_unknown_call_is_not_found(cache: DuplicateCache) -> None:
    assert not found(cache)


@pytest.mark.parametrize(
    ("caller", "message"),
    [
        (changed(HERE, source=("192.0.2.2", 700, 0)), CALL),
        (changed(HERE, source=("192.0.2.1", 701, 0)), CALL),
        (changed(HERE, source=("192.0.2.1", 700, 3)), CALL),
        (changed(HERE, local=("192.0.2.8", 111, 0)), CALL),
        (changed(HERE, local=("192.0.2.9", 111, 3)), CALL),
        (changed(HERE, netid="tcp"), CALL),
        (changed(HERE, loopback=True), CALL),
        (changed(HERE, to_group=True), CALL),
        (HERE, words(2) + CALL[4:]),
        (HERE, CALL + b"x"),
    ],
)
def test_another_caller_arrival_or_message_is_not_found(
    cache: DuplicateCache, caller: Caller, message: bytes
) -> None:
    ran(cache)

    assert not found(cache, message, caller=caller)


def test_users_of_a_local_socket_are_told_apart(cache: DuplicateCache) -> None:
    ran(cache, caller=USER)

    assert found(cache, caller=USER)
    assert not found(cache, caller=changed(USER, uid=1001))


def test_a_forged_source_never_matches_a_local_call(cache: DuplicateCache) -> None:
    ran(cache, caller=FORGED)

    assert not found(cache, caller=changed(FORGED, loopback=True))


def test_other_bytes_with_the_same_xid_replace(cache: DuplicateCache) -> None:
    ran(cache)
    ran(cache, CALL + b"x")

    assert not found(cache)
    assert found(cache, CALL + b"x")
    assert len(cache) == 1


def test_a_replaced_call_does_not_finish(cache: DuplicateCache) -> None:
    replaced = cache.begin(HERE, CALL)
    cache.begin(HERE, CALL + b"x")

    cache.finish(replaced, REPLY, 0.0)

    assert len(cache) == 0
    assert found(cache, CALL + b"x")


def test_an_abandoned_call_may_run_again(cache: DuplicateCache) -> None:
    cache.abandon(cache.begin(HERE, CALL))

    assert not found(cache)
    assert cache.in_progress == {}


def test_a_denied_call_may_run_again(cache: DuplicateCache) -> None:
    ran(cache, reply=DENIED)

    assert not found(cache)


def test_a_call_without_reply_stays_without(cache: DuplicateCache) -> None:
    ran(cache, reply=None)

    assert found(cache)


def test_a_reply_lives_from_its_calls_end(cache: DuplicateCache) -> None:
    ran(cache, now=5.0)

    assert found(cache, now=15.0)
    assert not found(cache, now=15.1)


def test_expired_replies_give_their_memory_back(cache: DuplicateCache) -> None:
    for xid in range(3):
        ran(cache, words(xid))

    ran(cache, words(9), now=11.0)

    assert (len(cache), cache.size) == (1, OVERHEAD + len(REPLY))


def test_the_oldest_reply_goes_first(cache: DuplicateCache) -> None:
    for xid in (0, 1, 2, 0, 3):
        ran(cache, words(xid))

    assert [xid for xid in range(4) if found(cache, words(xid))] == [0, 2, 3]


def test_long_reply_is_not_kept() -> None:
    cache = DuplicateCache(streams=True)
    for xid in range(3):
        ran(cache, words(xid))

    ran(cache, words(9), reply=bytes(cache.max_bytes // 16 + 1))
    ran(cache, words(10), reply=bytes(cache.max_bytes // 16))

    assert [found(cache, words(xid)) for xid in (0, 1, 2, 9, 10)] == [True] * 3 + [False, True]
    assert cache.in_progress == {}


def test_calls_in_progress_are_not_evicted(cache: DuplicateCache) -> None:
    cache.begin(HERE, words(9))

    for xid in range(9):
        ran(cache, words(xid), now=100.0 * xid)

    assert found(cache, words(9))


@given(
    st.lists(st.tuples(st.integers(0, 3), st.integers(0, 9), st.integers(0, 400)), max_size=40),
    st.integers(0, 6400),
)
def test_the_bytes_never_exceed_the_bound(calls: list[tuple[int, int, int]], bound: int) -> None:
    cache = DuplicateCache(max_bytes=bound, lifetime=100.0)
    kept: dict[int, int] = {}

    for now, (xid, body, length) in enumerate(calls):
        ran(cache, words(xid, body), now=float(now), reply=bytes(length))
        kept.pop(xid, None)
        if length <= bound // 16:
            kept[xid] = OVERHEAD + length
        while sum(kept.values()) > bound:
            del kept[next(iter(kept))]

    assert cache.size == sum(kept.values()) <= bound
    assert len(cache) == len(kept)


def test_large_calls_are_not_kept() -> None:
    cache = DuplicateCache()

    tracemalloc.start()
    try:
        for xid in range(200):
            ran(cache, words(xid, bytes(60_000)))
        held, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert len(cache) == 200
    assert held < 200 * OVERHEAD
