"""The programs of the lock manager, versions 1, 2, 3 and 4, over the exported file systems.

Version 2 has the procedures of version 1, and version 3 has DOS shares besides; they speak one
dialect (``dialects``). A procedure has the same number in all versions, so one class serves all.

A procedure named _MSG does what its namesake does. Its reply says nothing: BSD's lock manager does
not even send one, but Linux waits for it. The result goes out as a call of _RES to the client's
lock manager, if the client may use the export: others cannot make this host call anybody.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection, Sequence
from functools import partial
from typing import Any, ClassVar, NamedTuple

from oncrpc.nfs.locks.manager import LockManager
from oncrpc.nfs.nlm.callbacks import Callbacks
from oncrpc.nfs.nlm.client_links import CallsClients, ClientLinks, place_of
from oncrpc.nfs.nlm.dialects import DIALECTS, Dialect, outcome_of
from oncrpc.nfs.nlm.files import LockFiles
from oncrpc.nfs.nlm.procedures import Found, LockProcedures
from oncrpc.nfs.nlm.sent_results import ReceivedMessages, ResultSender
from oncrpc.nfs.server.shares import Shares
from oncrpc.programs.nlm import NLM4_VERS, NLM_VERS, NLM_VERS2, NLM_VERSX, nlm4_stats
from oncrpc.rpc import AnyProcedure, Call, Service, Version, idempotent
from oncrpc.rpc.eager import eager
from oncrpc.rpc.program import NULLPROC, Answer

NLM_VERSIONS: Sequence[type[Version]] = (NLM_VERS, NLM_VERS2, NLM_VERSX, NLM4_VERS)
"""All that are served. Linux has 1, 3 and 4."""

TEST, LOCK, CANCEL, UNLOCK, GRANTED = 1, 2, 3, 4, 5
SHARE, UNSHARE, NM_LOCK, FREE_ALL = 20, 21, 22, 23
MSG, RES = 5, 10
"""From the number of a procedure to that of its message, and to that of the message's result."""

UNREPEATABLE: Collection[AnyProcedure] = frozenset(
    version.procedures[number]
    for version in NLM_VERSIONS
    for number in (LOCK, CANCEL, UNLOCK, SHARE, UNSHARE, NM_LOCK, FREE_ALL)
    if number in version.procedures
)
"""Procedures that must not run twice, or late: a LOCK that arrives after UNLOCK would lock again.

They are for the duplicate-request cache. For messages there is ``ReceivedMessages``.
"""

Work = Callable[[Call, Any, Dialect], Awaitable[Found]]


class NlmProgram:
    """The state of all versions.

    Call ``close`` at the end, in the event loop. ``leave`` and ``resume`` carry the callbacks to
    clients over to the next image of the process.
    """

    def __init__(
        self,
        shares: Shares,
        locks: LockManager,
        *,
        links: CallsClients | None = None,
        sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
    ) -> None:
        self.locks, self.files = locks, LockFiles(shares, sleep=sleep)
        self.links = ClientLinks() if links is None else links
        self.callbacks = Callbacks(locks, self.links, sleep=sleep)
        self.procedures = LockProcedures(self.files, locks, self.callbacks)
        self.received, self.sender = ReceivedMessages(), ResultSender(self.links)
        locks.granted, locks.freed = self.callbacks.granted, self.callbacks.freed

    def services(self) -> list[Service]:
        """All versions."""
        return [NlmService1(self), NlmService2(self), NlmService3(self), NlmService4(self)]

    def leave(self) -> bytes:
        """The callbacks to clients, for the next image of the process."""
        return self.callbacks.leave()

    def resume(self, left: bytes) -> None:
        """Continue with what a former image left."""
        self.callbacks.resume(left)

    def close(self) -> None:
        """Stop calling clients."""
        self.callbacks.close()
        self.sender.close()
        self.links.close()


class Served(NamedTuple):
    """What does the work of a procedure, and what makes a result of the outcome."""

    work: Work
    result: Callable[[bytes, Any], object]


class NlmService(Service):
    """A version of the lock manager."""

    dialect: ClassVar[Dialect]

    def __init__(self, program: NlmProgram) -> None:
        self.program = program

    def __init_subclass__(cls) -> None:
        cls.dialect = DIALECTS[cls.version.vers]

    def handlers(self) -> dict[int, Callable[..., Any]]:
        """The handlers of the version's procedures, by number."""
        found = self._messages()
        found |= {NULLPROC: self.NULL, FREE_ALL: self._free_all}
        for number, served in self._served().items():
            found[number] = partial(self._call, served)
        found[TEST] = idempotent(found[TEST])
        return {number: found[number] for number in self.version.procedures}

    def _served(self) -> dict[int, Served]:
        """The procedures that have a result."""
        work, dialect = self.program.procedures, self.dialect
        return {
            TEST: Served(work.test, dialect.test_outcome),
            LOCK: Served(work.lock, dialect.outcome),
            CANCEL: Served(work.cancel, dialect.outcome),
            UNLOCK: Served(work.unlock, dialect.outcome),
            GRANTED: Served(_not_waiting, dialect.outcome),
            SHARE: Served(work.share, dialect.share_outcome),
            UNSHARE: Served(work.unshare, dialect.share_outcome),
            NM_LOCK: Served(partial(work.lock, monitored=False), dialect.outcome),
        }

    def _messages(self) -> dict[int, Callable[..., Any]]:
        """Messages, and the results of messages. We only send GRANTED_MSG."""
        found: dict[int, Callable[..., Any]] = {GRANTED + MSG: _ignore}
        served = self._served()
        work = self.program.procedures
        served[LOCK] = Served(partial(work.lock, by_message=True), self.dialect.outcome)
        for number in (TEST, LOCK, CANCEL, UNLOCK):
            carry_out = partial(self._carry_out, number + RES, served[number])
            found[number + MSG] = idempotent(carry_out)
            found[number + RES] = _ignore
        return found | {GRANTED + RES: self._answered}

    def _call(self, served: Served, call: Call, arg: Any) -> Answer[object]:
        """The result of a procedure, at once if it need not wait."""
        return eager(self._answer(served, call, arg))

    async def _answer(self, served: Served, call: Call, arg: Any) -> object:
        """The result of a procedure."""
        found: Found
        try:
            found = await served.work(call, arg, self.dialect)
        except OSError as error:
            found = outcome_of(error)
        return served.result(arg.cookie, found)

    async def _carry_out(self, number: int, served: Served, call: Call, arg: Any) -> None:
        """Do the work of a message, unless it is repeated, and send the result."""
        program = self.program
        message = program.received.find(call)
        if message is None:
            message = program.received.begin(call)
            try:
                message.result = await self._answer(served, call, arg)
            except BaseException:  # refused, or cancelled: the repeated message runs
                program.received.abandon(call)
                raise
        place = place_of(call)
        if message.result is None or place is None:
            return
        if program.files.admits(call, arg.alock.fh):
            program.sender.send(place, self.version.procedures[number], message.result)

    @idempotent
    def _answered(self, call: Call, arg: Any) -> None:
        """GRANTED_RES: what a client answers to GRANTED_MSG."""
        self.program.callbacks.answered(call.caller.host, arg.cookie, arg.stat.stat)

    def _free_all(self, call: Call, arg: Any) -> None:
        self.program.procedures.free_all(call, arg.name)


class NlmService1(NlmService):
    """Version 1."""

    version = NLM_VERS


class NlmService2(NlmService):
    """Version 2: version 1 again."""

    version = NLM_VERS2


class NlmService3(NlmService):
    """Version 3: with DOS shares."""

    version = NLM_VERSX


class NlmService4(NlmService):
    """Version 4: with 64 bits."""

    version = NLM4_VERS


async def _not_waiting(call: Call, arg: Any, dialect: Dialect) -> Found:  # noqa: ARG001
    """GRANTED is for clients. This host never waits for a lock of another server."""
    return nlm4_stats.NLM4_DENIED


@idempotent
def _ignore(call: Call, arg: Any) -> None:
    """Ignore a message for lock managers of clients."""
