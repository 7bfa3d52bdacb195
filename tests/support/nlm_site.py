"""A lock manager over a file in memory: called through the dispatcher, and what it calls."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable
from typing import Any, NamedTuple

from oncrpc.nfs.filesystem import NewAttributes
from oncrpc.nfs.handles import Handles
from oncrpc.nfs.locks.manager import LockManager
from oncrpc.nfs.locks.peers import PeerMonitor
from oncrpc.nfs.nlm.client_links import ClientPlace
from oncrpc.nfs.nlm.program import UNREPEATABLE, NlmProgram
from oncrpc.nfs.options import ExportOptions
from oncrpc.nfs.server.duplicates import NfsDuplicates
from oncrpc.nfs.server.shares import Share, Shares
from oncrpc.programs.nlm import (
    NLM4_VERS,
    fsh_access,
    fsh_mode,
    nlm4_cancargs,
    nlm4_lock,
    nlm4_lockargs,
    nlm4_res,
    nlm4_share,
    nlm4_shareargs,
    nlm4_stat,
    nlm4_stats,
    nlm4_testargs,
    nlm4_unlockargs,
)
from oncrpc.rpc import AnyProcedure, Caller
from oncrpc.rpc.calls import call_header
from oncrpc.rpc.dispatch import SUCCEEDED, Dispatcher
from oncrpc.rpc.prot import opaque_auth
from oncrpc.testing import ManualClock
from support.exported import OPTIONS, ROOT, ROOT_CRED, TCP, SameRules, memory

SERVER = ("192.0.2.1", 2049, 0)
ONE = TCP
OTHER = Caller("tcp", ("192.0.2.8", 700, 0), SERVER)
ONE_UDP = Caller("udp", ("192.0.2.9", 700, 0), SERVER, datagram=True)


TWO: dict[str, Any] = {"caller_name": b"two", "oh": b"5@two", "svid": 5, "caller": OTHER}
"""A process of the other client."""


class CalledClient(NamedTuple):
    """A call to a client's lock manager."""

    place: ClientPlace
    procedure: str
    argument: Any


class FakeClients:
    """The lock managers of clients. ``answer`` makes the result of a call, or raises."""

    def __init__(self) -> None:
        self.calls: list[CalledClient] = []
        self.prepared: list[ClientPlace] = []
        self.answer: Callable[[CalledClient], Any] = accepting
        self.closed = False

    async def call(
        self, place: ClientPlace, procedure: AnyProcedure, argument: object, *, timeout: float
    ) -> Any:
        called = CalledClient(place, procedure.name, argument)
        self.calls.append(called)
        answer = self.answer(called)
        return await answer if inspect.isawaitable(answer) else answer

    def prepare(self, place: ClientPlace) -> None:
        self.prepared.append(place)

    def close(self) -> None:
        self.closed = True


def accepting(called: CalledClient) -> Any:
    """A client that takes every lock."""
    return answered(called, nlm4_stats.NLM4_GRANTED)


def denying(called: CalledClient) -> Any:
    """A client that waits for nothing."""
    return answered(called, nlm4_stats.NLM4_DENIED)


def answered(called: CalledClient, stat: nlm4_stats) -> nlm4_res:
    return nlm4_res(called.argument.cookie, nlm4_stat(stat))


class NlmSite:
    """Two files of an export, and a directory, behind the lock manager.

    Calls come from root on ``ONE`` over TCP, unless it is said otherwise.
    """

    def __init__(
        self, options: ExportOptions | None = OPTIONS, *, monitor: PeerMonitor | None = None
    ) -> None:
        self.files = memory()
        self.shares = Shares(Handles(bytes(range(32))))
        self.rules = SameRules(options)
        self.share = Share(1, b"/srv", self.files, self.rules, fsid=7)
        self.shares.replace([self.share])
        new, root = NewAttributes(mode=0o644), self.files.root
        self.ids = [self.files.create(ROOT, root, name, new) for name in (b"file", b"two")]
        self.handle, self.second = (self.shares.handle(self.share, each) for each in self.ids)
        self.root = self.shares.handle(self.share, root)
        self.locks, self.clients = LockManager(monitor=monitor), FakeClients()
        self.program = NlmProgram(self.shares, self.locks, links=self.clients, sleep=self._sleep)
        self.duplicates = NfsDuplicates(further=UNREPEATABLE)
        self.dispatcher = Dispatcher(
            self.program.services(), clock=ManualClock(), duplicates=self.duplicates
        )
        self.slept: list[float] = []
        self.xid = 0

    async def _sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        await asyncio.sleep(0)

    def handle_for(self, vers: int) -> bytes:
        """The handle of the file, as the NFS version has it that is used with the NLM version."""
        return self.shares.handle(self.share, self.ids[0], v2=vers < NLM4_VERS.vers)

    def message(self, procedure: AnyProcedure, arg: Any, *, cred: opaque_auth = ROOT_CRED) -> bytes:
        """The bytes of a call."""
        self.xid += 1
        place = procedure.version.prog, procedure.version.vers, procedure.number
        return call_header(self.xid, place, cred=cred) + procedure.encode_arguments((arg,))

    async def reply(self, message: bytes, caller: Caller = ONE) -> bytes | None:
        """The dispatcher's reply to bytes."""
        reply = self.dispatcher.handle(message, caller)
        return await reply if inspect.isawaitable(reply) else reply

    async def call(
        self,
        procedure: AnyProcedure,
        arg: Any,
        *,
        caller: Caller = ONE,
        cred: opaque_auth = ROOT_CRED,
    ) -> Any:
        """The result of a call that is accepted."""
        reply = await self.reply(self.message(procedure, arg, cred=cred), caller)
        assert reply is not None
        assert reply[4:24] == SUCCEEDED
        return procedure.decode_result(reply, 24)

    def alock(self, start: int = 0, length: int = 0, **other: Any) -> nlm4_lock:
        """A lock of version 4 on the file, of the process 77."""
        given: dict[str, Any] = {"caller_name": b"one", "fh": self.handle, "oh": b"77@one"}
        given |= {"svid": 77} | other
        return nlm4_lock(l_offset=start, l_len=length, **given)

    async def test(self, *range_: int, exclusive: bool = True, **other: Any) -> Any:
        arg = nlm4_testargs(b"ck", exclusive, self.alock(*range_, **lock_words(other)))
        return (await self.call(NLM4_VERS.NLMPROC4_TEST, arg, **other)).stat

    async def lock(self, *range_: int, wait: bool = False, **other: Any) -> nlm4_stats:
        """LOCK, exclusive."""
        procedure = other.pop("procedure", NLM4_VERS.NLMPROC4_LOCK)
        arg = self.lockargs(*range_, wait=wait, **lock_words(other))
        result = await self.call(procedure, arg, **other)
        found: nlm4_stats = result.stat.stat
        return found

    def lockargs(self, *range_: int, wait: bool = False, **words: Any) -> nlm4_lockargs:
        exclusive, reclaim = words.pop("exclusive", True), words.pop("reclaim", False)
        alock = self.alock(*range_, **words)
        return nlm4_lockargs(b"ck", wait, exclusive, alock, reclaim, 5)

    async def cancel(self, *range_: int, **other: Any) -> nlm4_stats:
        alock = self.alock(*range_, **lock_words(other))
        arg = nlm4_cancargs(b"ck", True, True, alock)
        found: nlm4_stats = (await self.call(NLM4_VERS.NLMPROC4_CANCEL, arg, **other)).stat.stat
        return found

    async def unlock(self, *range_: int, **other: Any) -> nlm4_stats:
        arg = nlm4_unlockargs(b"ck", self.alock(*range_, **lock_words(other)))
        found: nlm4_stats = (await self.call(NLM4_VERS.NLMPROC4_UNLOCK, arg, **other)).stat.stat
        return found

    async def shared(
        self,
        mode: fsh_mode = fsh_mode.fsm_DRW,
        access: fsh_access = fsh_access.fsa_RW,
        *,
        name: bytes = b"one",
        undo: bool = False,
        **other: Any,
    ) -> nlm4_stats:
        """SHARE, or UNSHARE."""
        procedure = NLM4_VERS.NLMPROC4_UNSHARE if undo else NLM4_VERS.NLMPROC4_SHARE
        arg = nlm4_shareargs(b"ck", nlm4_share(name, self.handle, b"oh", mode, access), False)
        result = await self.call(procedure, arg, **other)
        assert (result.cookie, result.sequence) == (b"ck", 0)
        found: nlm4_stats = result.stat
        return found

    @property
    def held(self) -> list[tuple[str, int, int, int]]:
        """Who holds what: host, process, start and end."""
        return [
            (each.lock.owner.client.host, each.lock.owner.svid, *each.lock.range)
            for file in self.locks.store.table.files
            for each in self.locks.store.table.held(file)
        ]


ALOCK = {"caller_name", "fh", "oh", "svid", "exclusive", "reclaim"}


def lock_words(options: dict[str, Any]) -> dict[str, Any]:
    """Take the fields of a lock out of the options of a call."""
    return {name: options.pop(name) for name in ALOCK & options.keys()}
