"""The stream in memory and the bad network."""

from __future__ import annotations

import errno
from random import Random

import pytest

from oncrpc import sync
from oncrpc.errors import CallTimeout, ProcedureUnavailable, TransportError
from oncrpc.programs.portmap import PMAP_VERS, call_args, call_result
from oncrpc.rpc import Call, NoReply, Shorthands, auth_sys
from oncrpc.rpc.dispatch import Dispatcher
from oncrpc.testing import Fate, LossyLink, ManualClock, MemoryLink, bad_weather
from support.service import COUNTER_V3, Counter

ADD = COUNTER_V3.ADD


class Later(COUNTER_V3.Service):
    """Answers in a coroutine, and READ not at all."""

    async def ADD(self, call: Call, arg: int) -> int:
        return arg + 1

    def READ(self, call: Call) -> int:
        raise NoReply


class Echo(PMAP_VERS.Service):
    """Gives the arguments of CALLIT back."""

    def PMAPPROC_CALLIT(self, call: Call, arg: call_args) -> call_result:
        return call_result(0, arg.args)


def test_a_memory_link_carries_calls_and_refusals() -> None:
    client = COUNTER_V3.Client(MemoryLink([Counter()]))

    assert sync.run(client.ADD(5)) == 5
    with pytest.raises(ProcedureUnavailable):
        sync.run(client.NAME(1, b""))
    assert sync.run(client.ADD(6)) == 11


def test_a_handler_may_be_a_coroutine() -> None:
    assert sync.run(COUNTER_V3.Client(MemoryLink([Later()])).ADD(5)) == 6


def test_silence_is_a_timeout_on_the_manual_clock() -> None:
    link = MemoryLink([Later()], timeout=7.0)

    with pytest.raises(CallTimeout):
        sync.run(COUNTER_V3.Client(link).READ())

    assert link.clock() == 7.0
    assert sync.run(COUNTER_V3.Client(link).ADD(5)) == 6


def test_a_closed_link_carries_nothing() -> None:
    link = MemoryLink([Counter()])
    link.close()

    with pytest.raises(TransportError) as caught:
        sync.run(COUNTER_V3.Client(link).ADD(5))

    assert caught.value.errno == errno.ECONNABORTED


def test_a_refused_record_breaks_the_link() -> None:
    link = MemoryLink([Echo()])
    client = PMAP_VERS.Client(link)

    with pytest.raises(TransportError) as caught:
        sync.run(client.PMAPPROC_CALLIT(call_args(1, 1, 1, bytes(2 << 20))))

    assert caught.value.errno == errno.ECONNRESET
    assert link.closed


def lossy(fate: Fate) -> tuple[LossyLink, Counter]:
    counter, clock = Counter(), ManualClock()
    return LossyLink(Dispatcher([counter], clock=clock), clock=clock, fate=fate), counter


def test_a_call_takes_as_long_as_its_datagrams() -> None:
    link, _ = lossy(lambda: [0.125])

    assert sync.run(COUNTER_V3.Client(link).ADD(5)) == 5
    assert link.clock() == 0.25


def test_a_refusal_crosses_the_network() -> None:
    link, _ = lossy(lambda: [0.0])

    with pytest.raises(ProcedureUnavailable):
        sync.run(COUNTER_V3.Client(link).NAME(1, b""))


def test_flushed_shorthand_is_replaced_by_full_credential() -> None:
    clock, judge = ManualClock(), Shorthands(random=lambda size: bytes(size))
    dispatcher = Dispatcher([Counter()], clock=clock, auth=judge)
    link = LossyLink(dispatcher, clock=clock, fate=lambda: [0.0], auth=auth_sys(b"me", 1, 2))
    assert sync.run(link.call(ADD, 1)) == 1

    judge.flush()

    assert sync.run(link.call(ADD, 2)) == 3


def test_lost_messages_are_retransmitted() -> None:
    fates = iter([[], [], [0.0], [0.0]])
    link, counter = lossy(lambda: next(fates))

    assert sync.run(COUNTER_V3.Client(link).ADD(5)) == 5
    assert link.clock() == 1.5
    assert counter.added == [5]


def test_where_all_is_lost_the_call_times_out() -> None:
    link, counter = lossy(lambda: [])

    with pytest.raises(CallTimeout):
        sync.run(COUNTER_V3.Client(link).ADD(5))

    assert link.clock() == link.timeout
    assert counter.added == []


def test_a_doubled_call_arrives_twice_and_runs_once() -> None:
    link, counter = lossy(lambda: [0.0, 0.1])

    link.begin(ADD, 5)
    link.drain()

    assert counter.added == [5]
    assert link.clock() == 0.2


def test_a_quicker_datagram_overtakes() -> None:
    fates = iter([[0.25], [0.125], [0.0], [0.0]])
    link, counter = lossy(lambda: next(fates))

    link.begin(ADD, 1)
    link.begin(ADD, 2)
    link.settle()

    assert counter.added == [2, 1]


def test_a_handler_that_stays_silent_sends_nothing() -> None:
    clock = ManualClock()
    link = LossyLink(Dispatcher([Later()], clock=clock), clock=clock, fate=lambda: [0.0])

    with pytest.raises(CallTimeout):
        sync.run(COUNTER_V3.Client(link).READ())


def test_bad_weather_loses_doubles_and_delays() -> None:
    fate = bad_weather(Random(1), loss=0.25, longest=3.0)

    copies = [list(fate()) for _ in range(2000)]

    assert {len(delays) for delays in copies} == {0, 1, 2}
    assert 0.2 < sum(not delays for delays in copies) / len(copies) < 0.3
    assert all(0 <= delay <= 3.0 for delays in copies for delay in delays)
