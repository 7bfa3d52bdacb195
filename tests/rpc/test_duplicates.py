"""The duplicate-request cache."""

from __future__ import annotations

import tracemalloc

import pytest

from oncrpc.rpc.duplicates import ReplayCache
from support.words import words

HERE, THERE = ("192.0.2.1", 700, 0), ("192.0.2.1", 701, 0)
CALL = words(1, 0, 2, 100000)


@pytest.fixture
def cache() -> ReplayCache:
    return ReplayCache(max_calls=3, lifetime=10.0)


def test_a_call_that_was_begun_is_seen_and_brings_its_reply(cache: ReplayCache) -> None:
    cache.begin(HERE, CALL, 0.0).reply = b"first"

    seen = cache.seen(HERE, CALL, 1.0)

    assert seen is not None
    assert seen.reply == b"first"


def test_a_call_that_was_not_begun_is_not_seen(cache: ReplayCache) -> None:
    assert cache.seen(HERE, CALL, 0.0) is None


@pytest.mark.parametrize(
    ("source", "message"), [(THERE, CALL), (HERE, words(2) + CALL[4:]), (HERE, CALL + b"x")]
)
def test_another_source_xid_or_message_is_another_call(
    cache: ReplayCache, source: tuple[str, int, int], message: bytes
) -> None:
    cache.begin(HERE, CALL, 0.0)

    assert cache.seen(source, message, 0.0) is None


def test_a_call_with_the_same_xid_and_other_bytes_takes_the_place(cache: ReplayCache) -> None:
    cache.begin(HERE, CALL, 0.0)
    cache.begin(HERE, CALL + b"x", 0.0)

    assert cache.seen(HERE, CALL, 0.0) is None
    assert cache.seen(HERE, CALL + b"x", 0.0) is not None
    assert len(cache) == 1


def test_a_call_is_forgotten_after_its_lifetime(cache: ReplayCache) -> None:
    cache.begin(HERE, CALL, 5.0)

    assert cache.seen(HERE, CALL, 15.0) is not None
    assert cache.seen(HERE, CALL, 15.1) is None


def test_calls_past_their_lifetime_give_their_memory_back(cache: ReplayCache) -> None:
    for xid in range(3):
        cache.begin(HERE, words(xid), 0.0)

    cache.begin(HERE, words(9), 11.0)

    assert len(cache) == 1


def test_beyond_the_limit_the_oldest_call_is_forgotten(cache: ReplayCache) -> None:
    for xid in range(4):
        cache.begin(HERE, words(xid), float(xid))

    assert len(cache) == 3
    assert cache.seen(HERE, words(0), 4.0) is None
    assert cache.seen(HERE, words(1), 4.0) is not None


def test_a_call_that_is_begun_again_counts_as_new(cache: ReplayCache) -> None:
    for xid in range(3):
        cache.begin(HERE, words(xid), 0.0)
    cache.begin(HERE, words(0), 1.0)

    cache.begin(HERE, words(3), 2.0)

    assert cache.seen(HERE, words(0), 2.0) is not None
    assert cache.seen(HERE, words(1), 2.0) is None


def test_large_calls_are_not_kept() -> None:
    cache = ReplayCache()

    tracemalloc.start()
    try:
        for xid in range(200):
            cache.begin(HERE, words(xid, bytes(60_000)), 0.0)
        held, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert held < 500_000
