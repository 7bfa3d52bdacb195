"""Calls of the lock manager: sequences by several clients, over a file system in memory.

A reply is one that the procedure declares. No client is called but those that may use the export.
Afterwards no two locks conflict, no lock waits that could be had, and clients that all go away
leave nothing behind.
"""

from __future__ import annotations

import asyncio
import inspect
import itertools
import re
from random import Random
from typing import Any

from fuzz.datagrams import check
from fuzz.driver import Target
from fuzz.mutation import joined, mutated, parted
from fuzz.values import value_of
from oncrpc.errors import NotRegistered, ProtocolError, XdrError
from oncrpc.nfs.backends.memory import MemoryFileSystem
from oncrpc.nfs.filesystem import Identity, NewAttributes
from oncrpc.nfs.handles import KEY_SIZE, Handles
from oncrpc.nfs.locks.manager import LockManager
from oncrpc.nfs.locks.terms import LockClient
from oncrpc.nfs.nlm.client_links import ClientPlace
from oncrpc.nfs.nlm.program import NLM_VERSIONS, UNREPEATABLE, NlmProgram
from oncrpc.nfs.options import ExportOptions
from oncrpc.nfs.server.duplicates import NfsDuplicates
from oncrpc.nfs.server.shares import Share, Shares
from oncrpc.programs.nfs2 import FHSIZE
from oncrpc.rpc import AUTH_NONE, AnyProcedure, Caller, auth_sys
from oncrpc.rpc.calls import call_header
from oncrpc.rpc.dispatch import SUCCEEDED, Dispatcher

MOST_CALLS = 24
ONE, TWO, STRANGER = "192.0.2.1", "2001:db8::1", "198.51.100.1"
CALLERS = (
    Caller("tcp", (ONE, 700, 0), ("192.0.2.9", 2049, 0)),
    Caller("udp", (ONE, 701, 0), ("192.0.2.9", 2049, 0), datagram=True),
    Caller("tcp6", (TWO, 700, 0), ("2001:db8::9", 2049, 0)),
    Caller("tcp", (STRANGER, 700, 0), ("192.0.2.9", 2049, 0)),
    Caller("tcp", (ONE, 5000, 0), ("192.0.2.9", 2049, 0)),
    Caller("local", uid=0, loopback=True),
)
CREDENTIALS = (*14 * (auth_sys(b"h", 0, 0),), auth_sys(b"h", 1000, 100), AUTH_NONE)
NAMES = (b"one", b"two")
OWNERS = (b"oh", b"1@one")
LIKELY = (2, 2, 2, 2, 2, 4, 4, 3, 1, 7, 7, 9, 22, 20, 21, 23)
"""The numbers of procedures that most calls are of."""

STANDS_FOR = re.compile(rb"<<handle ([0-3])>>(?:\.{20}|\.{16})")
HANDLE = 28


class Answering:
    """Clients that accept locks, deny them, or cannot be reached, by their number of calls."""

    def __init__(self) -> None:
        self.places: list[ClientPlace] = []

    def prepare(self, place: ClientPlace) -> None:
        assert place.host in (ONE, TWO)

    async def call(
        self,
        place: ClientPlace,
        procedure: AnyProcedure,
        argument: Any,
        *,
        timeout: float,  # noqa: ARG002  # of the interface
    ) -> Any:
        self.places.append(place)
        procedure.encode_arguments((argument,))
        if procedure.result is None:
            return None
        if len(self.places) % 4 == 0:
            raise NotRegistered("not registered")
        stat = value_of(procedure.result, Random(len(self.places)), _no_bytes)
        stat.cookie = argument.cookie
        return stat

    def close(self) -> None: ...


def _no_bytes(source: Random, limit: int, fixed: bool) -> bytes:  # noqa: ARG001
    return b""


class Rules:
    """A stranger may not use the export."""

    def options_for(self, host: str) -> ExportOptions | None:
        if host not in (ONE, TWO):
            return None
        return ExportOptions(ro=False, root_squash=False, sec=("sys", "none"))


def _bytes(source: Random, limit: int, fixed: bool) -> bytes:  # noqa: ARG001
    """A text, which ``_make_likely`` replaces where it matters."""
    return source.randbytes(source.choice((0, 1, 8, 40, 1024, 3000)))[:limit]


def _make_likely(argument: Any, source: Random, vers: int) -> None:
    """Few clients, owners, files and ranges, so that their locks meet."""
    inner = getattr(argument, "alock", None) or getattr(argument, "share", None)
    if inner is None:
        if hasattr(argument, "name"):
            argument.name = source.choice(NAMES)
        return
    inner.caller_name, inner.oh = source.choice(NAMES), source.choice(OWNERS)
    size = HANDLE if vers == 4 else FHSIZE
    inner.fh = (b"<<handle %d>>" % source.choice((*20 * (0,), 1, 1, 2, 3))).ljust(size, b".")
    if hasattr(inner, "svid"):
        inner.svid = source.randrange(2)
        if source.random() < 0.9:
            inner.l_offset, inner.l_len = source.choice(((0, 0), (0, 4), (1, 2), (2, 3), (4, 0)))
    for name in ("block", "exclusive"):
        if hasattr(argument, name):
            setattr(argument, name, source.random() < 0.8)


def message(procedure: AnyProcedure, source: Random) -> bytes:
    """A call that can be decoded."""
    version = procedure.version
    place = version.prog, version.vers, procedure.number
    head = call_header(source.randrange(8), place, cred=source.choice(CREDENTIALS))
    arguments = tuple(value_of(each, source, _bytes) for each in procedure.arguments)
    for argument in arguments:
        if source.random() < 0.9:
            _make_likely(argument, source, version.vers)
    return head + procedure.encode_arguments(arguments)


def make(source: Random) -> bytes:
    """A few calls, each preceded by the number of its caller; few of them are spoiled."""
    calls: list[bytes] = []
    for _ in range(source.randrange(1, MOST_CALLS + 1)):
        version = source.choice(NLM_VERSIONS)
        likely = [version.procedures[n] for n in LIKELY if n in version.procedures]
        every = list(version.procedures.values())
        procedure = source.choice(likely if source.random() < 0.8 else every)
        made = message(procedure, source)
        if source.random() < 0.1:
            made = mutated(made, source, [made])
        caller = source.choice((*5 * (0, 2), 1, 1, *range(len(CALLERS))))
        calls.append(bytes([caller]) + made)
    return joined(*calls)


class Site:
    """An export with two files, a directory, and a file that is gone."""

    def __init__(self) -> None:
        self.handles = Handles(bytes(KEY_SIZE))
        files, root, new = MemoryFileSystem(), Identity(0, 0), NewAttributes(mode=0o640)
        gone = files.create(root, files.root, b"gone", new)
        files.remove(root, files.root, b"gone")
        one, two = (files.create(root, files.root, name, new) for name in (b"one", b"two"))
        self.ids = [one, two, files.root, gone]
        shares = Shares(self.handles)
        shares.replace([Share(1, b"/srv", files, Rules(), fsid=1)])
        self.locks, self.clients = LockManager(clock=lambda: 0.0), Answering()
        self.program = NlmProgram(shares, self.locks, links=self.clients, sleep=_no_time)
        self.dispatcher = Dispatcher(
            self.program.services(),
            clock=lambda: 0.0,
            duplicates=NfsDuplicates(further=UNREPEATABLE),
        )

    def with_handles(self, data: bytes) -> bytes:
        """The bytes with real handles in the place of the text for them."""

        def handle(found: re.Match[bytes]) -> bytes:
            make = self.handles.make_v2 if len(found[0]) == FHSIZE else self.handles.make
            return make(1, self.ids[int(found[1])])

        return STANDS_FOR.sub(handle, data)

    async def answer(self, call: bytes, caller: Caller) -> bytes | None:
        """The reply; None to what is no call, too."""
        try:
            reply = self.dispatcher.handle(call, caller)
            return await reply if inspect.isawaitable(reply) else reply
        except ProtocolError:
            return None


async def _no_time(_: float) -> None:
    await asyncio.sleep(0)


def run(data: bytes) -> None:
    """Have them answered, one after the other."""
    asyncio.run(_run(data))


async def _run(data: bytes) -> None:
    site = Site()
    site.locks.start()
    for part in parted(data, MOST_CALLS):
        number, call = (part or b"\0")[0], site.with_handles(part[1:])
        reply = await site.answer(call, CALLERS[number % len(CALLERS)])
        check(call, reply)
        if reply is not None and reply[4:24] == SUCCEEDED:
            _check_result(call, reply)
        for _ in range(1 + number % 7):  # clients are told meanwhile, or not
            await asyncio.sleep(0)
        _check_locks(site)
    assert {place.host for place in site.clients.places} <= {ONE, TWO}
    await _leave_nothing(site)


def _check_result(call: bytes, reply: bytes) -> None:
    """The result is one of the procedure."""
    vers, proc = (int.from_bytes(call[at : at + 4], "big") for at in (16, 20))
    version = next(each for each in NLM_VERSIONS if each.vers == vers)
    try:
        version.procedures[proc].decode_result(reply, 24)
    except XdrError as error:
        raise AssertionError(f"{version.procedures[proc]!r}: {error}") from error


def _check_locks(site: Site) -> None:
    """No two locks conflict, and what waits has to."""
    table = site.locks.store.table
    for file in table.files:
        locks = [held.lock for held in table.held(file)]
        for one, other in itertools.combinations(locks, 2):
            assert not one.conflicts(other), f"{one} and {other} conflict"
        assert {lock.owner.client.host for lock in locks} <= {ONE, TWO}
    if len(site.program.callbacks):  # an owner waits until it has taken what it was offered
        return
    for waiting in site.locks.waiting:
        request = waiting.request
        is_held = table.conflict(request.file, request.lock) is not None
        assert is_held or site.locks.waiting.comes_later(request), f"{request} need not wait"


async def _leave_nothing(site: Site) -> None:
    """All clients restart, and nothing is left."""
    for caller, name in itertools.product(CALLERS, NAMES):
        client = LockClient(caller.host, name)
        site.program.callbacks.freed(client)
        site.locks.free(client)
    for client in list(site.locks.store.table.clients):
        site.locks.free(client)
    site.program.close()
    assert list(site.locks.store.table.files) == []
    assert len(site.program.callbacks) == 0


TARGET = Target("lock_calls", make, run)
