"""The server half, around a call: what is told of it, its hooks, and answers given again."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import pytest

from oncrpc import sync
from oncrpc.errors import AuthError, CallError, GarbageArguments, SystemFailure, XdrError
from oncrpc.rpc import Call, Caller, Judge, NoReply, Service
from oncrpc.rpc.dispatch import Dispatcher
from oncrpc.rpc.duplicates import DuplicateCache
from oncrpc.rpc.program import AnyProcedure, Encoded
from oncrpc.rpc.prot import auth_flavor, auth_stat, call_body
from oncrpc.testing import ManualClock
from support.answering import (
    ACCEPTED,
    ADD_5,
    DENIED,
    TCP,
    UDP,
    XID,
    Odd,
    answer,
    called,
    later,
    later_broken,
    raising,
    serving,
)
from support.callers import FORGED, changed
from support.service import COUNTER_V3, Counter
from support.words import words


def test_before_sees_calls_with_a_procedure() -> None:
    told: list[int] = []

    def before(call: Call) -> None:
        told.append(call.procedure.number)
        if call.procedure.number == 1:
            raise AuthError(auth_stat.AUTH_TOOWEAK)

    dispatcher = Dispatcher([Counter()], clock=ManualClock(), before=before)

    assert answer(dispatcher, called(99)) == ACCEPTED + words(3)
    assert answer(dispatcher, called(1)) == DENIED + words(1, 5)
    assert answer(dispatcher, called(2)) == ACCEPTED + words(0, 0)
    assert told == [1, 2]


@pytest.mark.parametrize("at_once", [True, False])
@pytest.mark.parametrize(
    ("outcome", "expected"),
    [
        (None, ACCEPTED + words(0, 5)),
        (AuthError(auth_stat.AUTH_TOOWEAK), DENIED + words(1, 5)),
        (NoReply(), None),
        (KeyError(), ACCEPTED + words(5)),  # a bug: SYSTEM_ERR
    ],
)
@pytest.mark.parametrize("caller", [TCP, UDP])
def test_before_may_refuse_at_once_or_later(
    caller: Caller, outcome: Exception | None, expected: bytes | None, *, at_once: bool
) -> None:
    def decide() -> None:
        if outcome is not None:
            raise outcome

    async def decide_later() -> None:
        await asyncio.sleep(0)
        decide()

    dispatcher = Dispatcher(
        [Counter()],
        clock=ManualClock(),
        before=lambda _: decide() if at_once else decide_later(),
    )

    async def asked() -> bytes | None:
        reply = dispatcher.handle(ADD_5, caller)
        return reply if isinstance(reply, bytes | None) else await reply

    assert asyncio.run(asked()) == expected


class Hooks:
    """Remembers what was entered and left, and with what."""

    def __init__(self, *, swallow: bool = False) -> None:
        self.seen: list[object] = []
        self.swallow = swallow

    @contextmanager
    def __call__(self, call: Call) -> Iterator[None]:
        self.seen.append(call.procedure.name)
        try:
            yield
        except Exception as error:
            self.seen.append(type(error))
            if not self.swallow:
                raise
        else:
            self.seen.append("success")


@pytest.mark.parametrize(
    ("service", "message", "outcome"),
    [
        (Counter(), ADD_5, "success"),
        (Counter(), called(1), GarbageArguments),
        (raising(AuthError(5)), ADD_5, AuthError),
        (raising(ZeroDivisionError()), ADD_5, ZeroDivisionError),
        (Odd(later), ADD_5, "success"),
        (Odd(later_broken), ADD_5, ZeroDivisionError),
        (Odd(later), called(2), NoReply),
        (Odd(lambda call, arg: "text"), ADD_5, XdrError),
    ],
)
def test_a_hook_sees_the_outcome_of_a_call(
    service: Service, message: bytes, outcome: object
) -> None:
    hook = Hooks()
    hooked = Dispatcher([service], clock=ManualClock(), hooks=[hook])

    reply = answer(hooked, message)

    assert hook.seen[1:] == [outcome]
    if not isinstance(service, Counter):
        assert reply == answer(serving(service), message)


@pytest.mark.parametrize("handler", [raising(SystemFailure()), Odd(later_broken)])
def test_an_error_swallowed_by_hooks_is_failure(handler: Service) -> None:
    hooked = Dispatcher([handler], clock=ManualClock(), hooks=[Hooks(swallow=True)])

    assert answer(hooked, ADD_5) == ACCEPTED + words(5)


def test_hooks_are_entered_in_order_and_may_refuse() -> None:
    outer, inner = Hooks(), Hooks()

    def refusing(call: Call) -> AbstractContextManager[None]:
        raise AuthError(auth_stat.AUTH_TOOWEAK)

    hooked = Dispatcher([Counter()], clock=ManualClock(), hooks=[outer, refusing, inner])

    assert answer(hooked, ADD_5) == DENIED + words(1, 5)
    assert (outer.seen, inner.seen) == (["ADD", AuthError], [])


def test_a_repeated_datagram_does_not_enter_the_hooks() -> None:
    hook = Hooks()
    hooked = Dispatcher([Counter()], clock=ManualClock(), hooks=[hook])

    for _ in range(2):
        answer(hooked, ADD_5, UDP)

    assert hook.seen == ["ADD", "success"]


async def never(call: Call, arg: int) -> int:
    return await asyncio.Event().wait() and 0


def test_a_cancelled_call_leaves_its_hooks() -> None:
    left: list[bool] = []

    @contextmanager
    def hook(call: Call) -> Iterator[None]:
        try:
            yield
        finally:
            left.append(True)

    async def scenario() -> None:
        hooked = Dispatcher([Odd(never)], clock=ManualClock(), hooks=[hook])
        reply = hooked.handle(ADD_5, TCP)
        assert isinstance(reply, Coroutine)
        task = asyncio.ensure_future(reply)
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(scenario())
    assert left == [True]


def test_a_repeated_datagram_runs_once() -> None:
    counter = Counter()
    dispatcher = serving(counter)

    replies = [answer(dispatcher, ADD_5, UDP) for _ in range(3)]

    assert replies == [ACCEPTED + words(0, 5)] * 3
    assert counter.added == [5]


def test_a_repeated_record_of_a_stream_runs_again() -> None:
    counter = Counter()
    dispatcher = serving(counter)

    replies = [answer(dispatcher, ADD_5, TCP) for _ in range(2)]

    assert replies == [ACCEPTED + words(0, 5), ACCEPTED + words(0, 10)]


def test_idempotent_procedures_and_null_are_not_remembered() -> None:
    counter = Counter()
    dispatcher = serving(counter)

    for _ in range(2):
        answer(dispatcher, called(2), UDP)
        answer(dispatcher, called(0), UDP)

    assert counter.reads == 2
    assert len(dispatcher.duplicates) == 0


def test_oversized_udp_reply_caches_only_the_refusal() -> None:
    refused = words(XID, 1, 0, 0, 0, 5)  # SYSTEM_ERR
    dispatcher = serving(Odd(lambda call, arg: Encoded(bytes(1 << 20))))

    first, again = answer(dispatcher, ADD_5, UDP), answer(dispatcher, ADD_5, UDP)

    assert first is not None
    assert len(first) > 1 << 20
    assert again == refused


def test_a_repeated_datagram_runs_again_after_the_lifetime() -> None:
    counter, clock = Counter(), ManualClock()
    dispatcher = Dispatcher([counter], clock=clock)
    answer(dispatcher, ADD_5, UDP)

    clock.advance(dispatcher.duplicates.lifetime + 1)
    answer(dispatcher, ADD_5, UDP)

    assert counter.added == [5, 5]


def test_a_repetition_of_a_running_call_is_dropped() -> None:
    service = Odd(later)
    dispatcher = serving(service)

    first = dispatcher.handle(ADD_5, UDP)
    during = dispatcher.handle(ADD_5, UDP)
    assert isinstance(first, Coroutine)
    reply = sync.run(first)
    after = dispatcher.handle(ADD_5, UDP)

    assert during is None
    assert reply == after == ACCEPTED + words(0, 6)
    assert service.calls == 1


@pytest.mark.parametrize(
    ("refusal", "reply", "runs"),
    [
        (SystemFailure(), ACCEPTED + words(5), 1),
        (AuthError(auth_stat.AUTH_TOOWEAK), DENIED + words(1, 5), 2),
    ],
)
def test_only_refusals_of_rights_are_not_cached(
    refusal: CallError, reply: bytes, runs: int
) -> None:
    service = raising(refusal)
    dispatcher = serving(service)

    replies = [answer(dispatcher, ADD_5, UDP) for _ in range(2)]

    assert replies == [reply] * 2
    assert service.calls == runs


def test_forged_source_does_not_poison_the_cache() -> None:
    def local_only(call: Call, arg: int) -> int:
        return arg if call.caller.loopback else 0

    dispatcher = serving(Odd(local_only))
    honest = changed(FORGED, loopback=True)

    assert answer(dispatcher, ADD_5, FORGED) == ACCEPTED + words(0, 0)
    assert answer(dispatcher, ADD_5, honest) == ACCEPTED + words(0, 5)


def test_a_cache_for_streams_answers_repeated_records() -> None:
    counter = Counter()
    cache = DuplicateCache(streams=True)
    dispatcher = Dispatcher([counter], clock=ManualClock(), duplicates=cache)

    replies = [answer(dispatcher, ADD_5, TCP) for _ in range(2)]

    assert replies == [ACCEPTED + words(0, 5)] * 2
    assert counter.added == [5]


@pytest.mark.parametrize(("procedures", "runs"), [([COUNTER_V3.ADD], 1), ([], 2)])
def test_a_cache_may_be_for_some_procedures(procedures: list[AnyProcedure], runs: int) -> None:
    counter = Counter()
    cache = DuplicateCache(procedures=procedures)
    dispatcher = Dispatcher([counter], clock=ManualClock(), duplicates=cache)

    for _ in range(2):
        answer(dispatcher, ADD_5, UDP)

    assert len(counter.added) == runs


def test_a_cancelled_call_runs_again_when_repeated() -> None:
    async def scenario() -> None:
        service = Odd(never)
        dispatcher = serving(service)
        for _ in range(2):
            reply = dispatcher.handle(ADD_5, UDP)
            assert isinstance(reply, Coroutine)
            task = asyncio.ensure_future(reply)
            await asyncio.sleep(0)
            task.cancel()
            await asyncio.wait([task])
        assert service.calls == 2

    asyncio.run(scenario())


@pytest.mark.parametrize("judgement", [None, "no"])
def test_a_bug_of_a_judge_is_logged(judgement: Any, caplog: pytest.LogCaptureFixture) -> None:
    class Broken(Judge):
        def judge(self, call: call_body, message: bytes) -> Any:
            return judgement or dict[auth_flavor, Any]()[call.cred.flavor]

    dispatcher = Dispatcher([Counter()], clock=ManualClock(), auth=Broken())

    assert answer(dispatcher, ADD_5) == ACCEPTED + words(5)
    [logged] = caplog.messages
    assert logged == "a call of 192.0.2.1 port 700 over tcp was not admitted"


def test_a_handler_raising_cancelled_is_a_failure(
    caplog: pytest.LogCaptureFixture,
) -> None:
    def cancelled(*_: object) -> None:
        raise asyncio.CancelledError

    assert answer(serving(Odd(cancelled)), ADD_5) == ACCEPTED + words(5)
    assert caplog.messages == ["COUNTER_V3.ADD failed"]
