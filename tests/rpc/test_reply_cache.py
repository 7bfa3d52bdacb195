"""Replies that stay true: what is kept, for how long, and what is counted meanwhile."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from oncrpc.rpc import Call, pure
from oncrpc.rpc.auth import auth_sys
from oncrpc.rpc.dispatch import Dispatcher
from oncrpc.rpc.prot import opaque_auth
from oncrpc.rpc.reply_cache import (
    KEPT_OVERHEAD,
    LIFETIME,
    MAX_KEPT_MESSAGE,
    MAX_KEPT_REPLY,
    MAX_TABLES,
    Lasting,
    Memo,
)
from oncrpc.testing import ManualClock
from oncrpc.xdr import codec
from support.answering import ADD_5, UDP, called
from support.service import COUNTER_V3
from support.words import words

CALL, REPLY = words(7, 0, 2, 1), words(7, 1, 0)


class Subject:
    """What replies are about."""

    generation = 0


def test_a_reply_is_found_by_its_call_whatever_the_xid() -> None:
    memo = Memo(Subject())
    memo.refresh(0.0)
    table = memo.table("udp")

    memo.keep(table, CALL, REPLY, [])

    assert table[words(8, 0, 2, 1)[4:]].tail == REPLY[4:]
    assert memo.table("udp") is table
    assert not memo.table("tcp")


def test_it_is_forgotten_when_the_subject_changes_or_time_has_passed() -> None:
    subject = Subject()
    memo = Memo(subject)
    memo.refresh(100.0)
    table = memo.table("udp")

    memo.keep(table, CALL, REPLY, [])
    memo.refresh(100.0 + LIFETIME - 0.1)
    assert table
    memo.refresh(100.0 + LIFETIME)
    assert not table

    memo.keep(table, CALL, REPLY, [])
    subject.generation += 1
    memo.refresh(100.0 + LIFETIME)
    assert not table


@given(st.lists(st.sampled_from(["hit", "settle", "forget"])))
def test_every_hit_is_counted_once(steps: list[str]) -> None:
    memo, counters = Memo(Subject()), [0, 0]
    table = memo.table("udp")

    for step in steps:
        if step == "hit":
            if CALL[4:] not in table:
                counters[1] += 1  # the call itself
                memo.keep(table, CALL, REPLY, [(counters, 1)])
            else:
                table[CALL[4:]].hits += 1
        else:
            getattr(memo, step)()
    memo.settle()

    assert counters == [0, steps.count("hit")]


def test_what_is_kept_is_bounded_in_bytes() -> None:
    size = len(CALL) + len(REPLY) + KEPT_OVERHEAD
    memo = Memo(Subject(), max_bytes=2 * size)
    table = memo.table("udp")

    for last in range(3):
        memo.keep(table, words(7, 0, 2, last), REPLY, [])

    assert list(table) == [words(0, 2, 2)]
    assert memo.size == size


def test_calls_and_replies_that_are_too_long_are_not_kept() -> None:
    memo = Memo(Subject())
    table = memo.table("udp")

    memo.keep(table, bytes(MAX_KEPT_MESSAGE + 1), REPLY, [])
    memo.keep(table, CALL, bytes(MAX_KEPT_REPLY + 1), [])

    assert not table


def test_a_long_reply_is_kept_if_none_has_to_make_room_for_it() -> None:
    long = bytes(MAX_KEPT_MESSAGE + 1)
    memo = Memo(Subject(), max_bytes=2 * len(long))
    table = memo.table("tcp")

    memo.keep(table, words(7, 0, 1), long, [])
    memo.keep(table, words(7, 0, 2), long, [])
    assert list(table) == [words(0, 1)]

    memo.keep(table, words(7, 0, 3), bytes(MAX_KEPT_MESSAGE), [])
    assert list(table) == [words(0, 3)]


def test_when_there_are_too_many_tables_all_are_dropped_and_that_is_seen() -> None:
    memo = Memo(Subject())
    for circumstance in range(MAX_TABLES):
        memo.keep(memo.table(circumstance), CALL, REPLY, [])
    first = memo.table(0)

    memo.table("one more")

    assert (memo.epoch, memo.size, first) == (1, 0, {})
    assert memo.table(0) is not first


class Pure(COUNTER_V3.Service):
    """ADD is pure, READ is not."""

    @pure
    def ADD(self, call: Call, arg: int) -> int:
        return arg

    def READ(self, call: Call) -> int:
        return 1


def test_the_replies_of_pure_procedures_last_unless_the_caller_was_told_apart() -> None:
    dispatcher = Dispatcher([Pure()], clock=ManualClock(), memo=Memo(Subject()))
    credential = auth_sys(b"client", 1000, 1000)
    named = codec(opaque_auth).encode(credential) + words(0, 0)

    assert isinstance(dispatcher.handle(ADD_5, UDP), Lasting)
    for message in (called(2), called(1, words(5), auth=named), called(1), called(99)):
        assert not isinstance(dispatcher.handle(message, UDP), Lasting)
