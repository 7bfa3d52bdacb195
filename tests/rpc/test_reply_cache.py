"""The reply cache: what is kept, for how long, and what is counted meanwhile."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from oncrpc.rpc import Call, pure
from oncrpc.rpc.auth import auth_sys
from oncrpc.rpc.dispatch import Dispatcher
from oncrpc.rpc.prot import opaque_auth
from oncrpc.rpc.reply_cache import (
    CACHED_OVERHEAD,
    MAX_CIRCUMSTANCES,
    MAX_EVICTING_BYTES,
    MAX_REPLY_BYTES,
    REPLY_LIFETIME,
    CacheableReply,
    CallCounter,
    ReplyCache,
)
from oncrpc.testing import ManualClock
from oncrpc.xdr import codec
from support.answering import ADD_5, UDP, called
from support.service import COUNTER_V3
from support.words import words

CALL, REPLY = words(7, 0, 2, 1), words(7, 1, 0)


class Subject:
    """What replies follow from."""

    generation = 0


def calls_in(cache: ReplyCache, circumstances: str = "udp", now: float = 0.0) -> list[bytes]:
    return list(cache.replies(circumstances, now))


def test_a_reply_is_found_by_circumstances_and_call() -> None:
    cache = ReplyCache(Subject())
    cache.replies("udp", 0.0)

    cache.keep("udp", CALL, REPLY, [])

    found = cache.replies("udp", 0.0)[words(0, 2, 1)]
    assert (found.tail, found.mark) == (words(1, 0), words(0x8000000C))
    assert calls_in(cache, "tcp") == []


def test_reader_never_sees_replies_before_a_change() -> None:
    subject = Subject()
    cache = ReplyCache(subject)
    cache.replies("udp", 0.0)
    cache.keep("udp", CALL, REPLY, [])

    subject.generation += 1

    assert calls_in(cache) == []


def test_call_that_changes_the_subject_is_uncached() -> None:
    subject = Subject()
    cache = ReplyCache(subject)
    cache.replies("udp", 0.0)

    subject.generation += 1  # by the handler, before its reply is kept
    cache.keep("udp", CALL, REPLY, [])

    assert calls_in(cache) == []


def test_replies_are_dropped_after_their_lifetime() -> None:
    cache = ReplyCache(Subject())
    cache.replies("udp", 100.0)
    cache.keep("udp", CALL, REPLY, [])

    assert calls_in(cache, now=100.0 + REPLY_LIFETIME - 0.1) == [words(0, 2, 1)]
    assert calls_in(cache, now=100.0 + REPLY_LIFETIME) == []


def test_dropping_replies_is_seen_by_the_generation() -> None:
    subject = Subject()
    cache = ReplyCache(subject)
    seen = [cache.generation_at(0.0), cache.generation_at(0.0)]

    cache.forget()
    seen.append(cache.generation_at(0.0))
    subject.generation += 1
    seen += [cache.generation_at(0.0), cache.generation_at(REPLY_LIFETIME)]

    assert seen[0] == seen[1]
    assert len(set(seen)) == 4


@given(st.lists(st.sampled_from(["ask", "settle", "change", "forget"])))
def test_each_call_is_counted_once(steps: list[str]) -> None:
    subject, counter = Subject(), CallCounter()
    cache = ReplyCache(subject)
    for step in steps:
        if step == "change":
            subject.generation += 1
        elif step != "ask":
            getattr(cache, step)()
        elif found := cache.replies("udp", 0.0).get(CALL[4:]):
            found.hits += 1
        else:
            counter.again()
            cache.keep("udp", CALL, REPLY, [counter])
    cache.settle()

    assert counter.count == steps.count("ask")


def test_a_replaced_reply_was_counted() -> None:
    cache, counter = ReplyCache(Subject()), CallCounter()
    cache.replies("udp", 0.0)
    kept = cache.keep("udp", CALL, REPLY, [counter])
    assert kept is not None
    kept.hits += 2
    before = cache.generation_at(0.0)

    cache.keep("udp", CALL, REPLY, [counter])

    assert counter.count == 2
    assert cache.generation_at(0.0) != before
    assert cache.size == len(CALL) + len(REPLY) + CACHED_OVERHEAD


def test_all_replies_make_room_for_a_new_one() -> None:
    size = len(CALL) + len(REPLY) + CACHED_OVERHEAD
    cache = ReplyCache(Subject(), max_bytes=2 * size)
    cache.replies("udp", 0.0)

    for last in range(3):
        cache.keep("udp", words(7, 0, 2, last), REPLY, [])

    assert calls_in(cache) == [words(0, 2, 2)]
    assert cache.size == size


def test_long_calls_and_replies_are_not_kept() -> None:
    cache = ReplyCache(Subject())
    cache.replies("udp", 0.0)

    cache.keep("udp", bytes(MAX_EVICTING_BYTES + 1), REPLY, [])
    cache.keep("udp", CALL, bytes(MAX_REPLY_BYTES + 1), [])

    assert calls_in(cache) == []


def test_no_reply_makes_room_for_a_long_one() -> None:
    long = bytes(MAX_EVICTING_BYTES + 1)
    cache = ReplyCache(Subject(), max_bytes=2 * len(long))
    cache.replies("tcp", 0.0)

    cache.keep("tcp", words(7, 0, 1), long, [])
    cache.keep("tcp", words(7, 0, 2), long, [])
    assert calls_in(cache, "tcp") == [words(0, 1)]

    cache.keep("tcp", words(7, 0, 3), bytes(MAX_EVICTING_BYTES), [])
    assert calls_in(cache, "tcp") == [words(0, 3)]


def test_all_replies_make_room_for_new_circumstances() -> None:
    cache = ReplyCache(Subject())
    cache.replies(0, 0.0)
    for circumstances in range(MAX_CIRCUMSTANCES):
        cache.keep(circumstances, CALL, REPLY, [])
    before = cache.generation_at(0.0)

    cache.keep("one more", CALL, REPLY, [])

    assert cache.generation_at(0.0) != before
    assert (calls_in(cache, "one more"), cache.replies(0, 0.0)) == ([words(0, 2, 1)], {})


class Pure(COUNTER_V3.Service):
    """ADD is pure, READ is not."""

    @pure
    def ADD(self, call: Call, arg: int) -> int:
        return arg

    def READ(self, call: Call) -> int:
        return 1


def test_replies_of_pure_procedures_without_credentials_are_cacheable() -> None:
    dispatcher = Dispatcher([Pure()], clock=ManualClock(), reply_cache=ReplyCache(Subject()))
    credential = auth_sys(b"client", 1000, 1000)
    named = codec(opaque_auth).encode(credential) + words(0, 0)

    assert isinstance(dispatcher.handle(ADD_5, UDP), CacheableReply)
    for message in (called(2), called(1, words(5), auth=named), called(1), called(99)):
        assert not isinstance(dispatcher.handle(message, UDP), CacheableReply)
