"""Outcomes of calls: as the dispatcher replied; cached replies count as successes."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import Any

import pytest

from oncrpc.daemon.control.outcomes import (
    BOUNDS,
    NO_REPLY,
    SUCCESS,
    Observed,
    Outcomes,
    ProcedureId,
)
from oncrpc.errors import AuthError, SystemFailure
from oncrpc.portmap.procedures import Mapper
from oncrpc.portmap.registry import Registry
from oncrpc.programs.rpcb import RPCBPROG, RPCBVERS4, rpcb, rpcb_rmtcallargs
from oncrpc.rpc import Call
from oncrpc.rpc.prot import auth_stat
from oncrpc.testing import ManualClock
from support.callers import LOCAL_UDP, REMOTE, ROOT, counted
from support.callers import PortMapper as Calling
from support.loops import run

NULL, SET, BCAST, GETTIME = (ProcedureId(RPCBPROG, 4, number) for number in (0, 1, 5, 6))
SERVER = rpcb(400001, 1, b"tcp", b"0.0.0.0.8.1", b"")


class Watched:
    """A port mapper whose dispatcher is observed."""

    def __init__(self) -> None:
        self.mapper = Mapper(Registry(), is_ours=lambda host: False)
        self.before: Awaitable[None] | None = None
        self.dispatcher = Observed(
            self.mapper.services(),
            clock=ManualClock(),
            before=self._before,
            reply_cache=self.mapper.reply_cache,
        )
        self.messages = Calling()

    def _before(self, call: Call) -> Awaitable[None] | None:
        counted(self.mapper, call)
        return self.before

    def ask(self, caller: Any, procedure: Any, *arguments: Any) -> Any:
        return self.dispatcher.handle(self.messages.message(procedure, *arguments), caller)

    @property
    def outcomes(self) -> Outcomes:
        return self.dispatcher.outcomes

    def calls(self, procedure: ProcedureId) -> int:
        return self.mapper.statistics.calls()[procedure.version - 2][procedure.number]

    def successes(self, procedure: ProcedureId) -> int:
        return self.outcomes.successes(procedure, self.calls(procedure))


def test_success_is_a_call_that_did_not_fail() -> None:
    watched = Watched()

    watched.ask(ROOT, RPCBVERS4.RPCBPROC_GETTIME)
    watched.ask(ROOT, RPCBVERS4.RPCBPROC_SET, SERVER)
    watched.ask(REMOTE, RPCBVERS4.RPCBPROC_SET, SERVER)

    assert (watched.successes(GETTIME), watched.successes(SET)) == (1, 1)
    assert watched.outcomes.failures == {(SET, "auth_error"): 1}
    assert sum(watched.outcomes.times) == 3


def test_garbage_and_unknown_procedures_are_counted_apart() -> None:
    watched = Watched()
    good = watched.messages.message(RPCBVERS4.RPCBPROC_SET, SERVER)

    for message in (
        good[:-4],
        good[:12] + (400001).to_bytes(4, "big") + good[16:],
        good[:16] + (9).to_bytes(4, "big") + good[20:],
        good[:20] + (99).to_bytes(4, "big") + good[24:],
        good[:8] + (3).to_bytes(4, "big") + good[12:],
    ):
        watched.dispatcher.handle(message, ROOT)

    assert watched.outcomes.failures == {(SET, "garbage_args"): 1}
    assert watched.outcomes.astray == {
        "prog_unavail": 1, "prog_mismatch": 1, "proc_unavail": 1, "rpc_mismatch": 1,
    }  # fmt: skip


def test_running_call_is_neither_success_nor_failure() -> None:
    async def scenario() -> None:
        watched, gate = Watched(), asyncio.Event()
        watched.before = gate.wait()  # type: ignore[assignment]  # what it returns is not asked for
        asked = asyncio.ensure_future(watched.ask(ROOT, RPCBVERS4.RPCBPROC_NULL))
        await asyncio.sleep(0)
        assert (watched.calls(NULL), watched.successes(NULL)) == (1, 0)
        gate.set()
        await asked
        assert watched.successes(NULL) == 1
        assert not watched.outcomes.failures

    run(scenario())


@pytest.mark.parametrize(
    ("error", "outcome"),
    [
        (AuthError(auth_stat.AUTH_TOOWEAK), "auth_error"),
        (SystemFailure(), "system_err"),
        (asyncio.CancelledError(), NO_REPLY),
    ],
)
def test_a_call_that_is_refused_later_has_failed(error: BaseException, outcome: str) -> None:
    async def refused() -> None:
        raise error

    async def scenario() -> None:
        watched = Watched()
        watched.before = refused()
        await asyncio.wait([asyncio.ensure_future(watched.ask(ROOT, RPCBVERS4.RPCBPROC_NULL))])
        assert watched.outcomes.failures == {(NULL, outcome): 1}
        assert watched.successes(NULL) == 0

    run(scenario())


def test_repeated_datagram_counts_like_its_first_reply() -> None:
    watched = Watched()
    message = watched.messages.message(RPCBVERS4.RPCBPROC_SET, SERVER)

    first, again = (watched.dispatcher.handle(message, LOCAL_UDP) for _ in range(2))

    assert first == again
    assert watched.successes(SET) == watched.calls(SET) == 2


def test_silence_is_an_outcome() -> None:
    async def scenario() -> None:
        watched = Watched()
        arguments = rpcb_rmtcallargs(100003, 3, 0, b"")
        assert await watched.ask(ROOT, RPCBVERS4.RPCBPROC_BCAST, arguments) is None
        assert watched.outcomes.failures == {(BCAST, NO_REPLY): 1}

    run(scenario())


def test_time_is_counted_in_the_first_fitting_bucket() -> None:
    outcomes = Outcomes()

    for took in (0.0, BOUNDS[0], BOUNDS[0] * 1.01, 60.0):
        outcomes.note(NULL, SUCCESS, took=took)

    assert outcomes.times == [2, 1, *[0] * (len(BOUNDS) - 2), 1]
    assert outcomes.seconds == pytest.approx(60.0, abs=0.001)


def test_answers_are_reported_with_their_calls() -> None:
    async def scenario() -> None:
        watched, found = Watched(), list[tuple[str, bytes | None]]()
        watched.dispatcher.answered = lambda call, reply: found.append((call.procedure.name, reply))
        ready = asyncio.get_running_loop().create_future()
        now = watched.ask(ROOT, RPCBVERS4.RPCBPROC_GETTIME)
        watched.before = ready
        later = watched.ask(ROOT, RPCBVERS4.RPCBPROC_SET, SERVER)
        assert found == [("RPCBPROC_GETTIME", now)]
        ready.set_result(None)
        reply = await later
        assert found[1:] == [("RPCBPROC_SET", reply)]

    run(scenario())
