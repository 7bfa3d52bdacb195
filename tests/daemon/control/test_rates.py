"""Calls per second, over at most the last minute."""

from __future__ import annotations

from oncrpc.daemon.control.rates import EVERY, MAX_SAMPLES, CallCounts, Rates
from oncrpc.rpc import Caller
from oncrpc.rpc.dispatch import Dispatcher
from oncrpc.rpc.reply_cache import CacheableReply, ReplyCache
from oncrpc.testing import ManualClock
from support.batch_service import Ledger, asks
from support.echo import ECHO_V1
from support.loops import run_by, settle


class Counted:
    """Counters of two versions that the test raises, and their rates."""

    def __init__(self) -> None:
        self.clock, self.counts = ManualClock(), [[0, 0], [0]]
        self.rates = Rates(lambda: [list(each) for each in self.counts], clock=self.clock)

    async def wait(self, seconds: float) -> None:
        self.clock.advance(seconds)
        await settle()


def test_first_rates_count_since_the_start() -> None:
    made = Counted()
    made.counts[0][1] += 6
    made.clock.advance(3)

    assert made.rates.lately() == (3, [[0, 6], [0]])
    assert made.rates.began == 0


def test_rates_leave_out_counts_older_than_samples() -> None:
    made = Counted()

    async def scenario() -> None:
        made.rates.start()
        made.counts[0][0] = 1000
        for _ in range(MAX_SAMPLES + 1):
            await made.wait(EVERY)
        made.counts[1][0] = 7
        made.rates.close()

    run_by(made.clock, scenario())

    assert made.rates.lately() == (EVERY * (MAX_SAMPLES - 1), [[0, 0], [7]])


def test_closed_rates_take_no_samples() -> None:
    made = Counted()

    async def scenario() -> None:
        made.rates.close()
        made.rates.start()
        made.rates.close()
        await made.wait(EVERY)

    run_by(made.clock, scenario())

    assert made.rates.lately()[0] == EVERY


def test_totals_have_calls_answered_from_the_cache() -> None:
    counts, ledger = CallCounts([ECHO_V1]), Ledger()
    cache = ReplyCache(ledger)
    dispatcher = Dispatcher([ledger], clock=ManualClock(), before=counts.count, reply_cache=cache)
    caller = Caller("udp", ("192.0.2.1", 700, 0), datagram=True)
    reply = dispatcher.handle(asks(1), caller)
    assert isinstance(reply, CacheableReply)
    kept = cache.keep("udp", asks(1), reply, reply.counters)
    assert kept is not None

    kept.hits += 4

    assert counts.totals(cache)[0][ECHO_V1.ECHO.number] == 5
