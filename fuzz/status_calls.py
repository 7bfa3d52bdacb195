"""The status monitor: a damaged file, then sequences of calls by callers of every kind.

Only root's programs of this host change what is watched for programs. A client loses its locks only
by a call from its own address, with a newer state. The list is within its bound, and is the same
after it was written and read.
"""

from __future__ import annotations

import asyncio
from random import Random

import msgspec

from fuzz.datagrams import check
from fuzz.driver import Target
from fuzz.mutation import joined, mutated, parted
from fuzz.values import value_of
from oncrpc.errors import ProtocolError, XdrError
from oncrpc.nfs.locks.peers import Peer
from oncrpc.nfs.locks.terms import LockClient
from oncrpc.nfs.nsm.entries import RestartNotice, RpcMonitor
from oncrpc.nfs.nsm.kept import KeptList
from oncrpc.nfs.nsm.monitor import StatusMonitor
from oncrpc.nfs.nsm.program import StatusProgram
from oncrpc.nfs.nsm.states import is_newer
from oncrpc.programs.nlm import NLM_PROG
from oncrpc.programs.sm_inter import SM_VERS, mon, mon_id, my_id
from oncrpc.rpc import AUTH_NONE, AnyProcedure, Caller
from oncrpc.rpc.calls import call_header
from oncrpc.rpc.dispatch import SUCCEEDED, Dispatcher

MOST_CALLS, MOST_WATCHED = 12, 8
HERE = ("192.0.2.9", 2049, 0)
LOCAL = (
    Caller("udp", ("127.0.0.1", 700, 0), HERE, loopback=True, datagram=True),
    Caller("local", uid=0, loopback=True),
)
CALLERS = (
    *LOCAL,
    *LOCAL,
    Caller("udp", ("127.0.0.1", 5000, 0), HERE, loopback=True, datagram=True),
    Caller("udp", ("127.0.0.1", 700, 0), HERE, datagram=True),
    Caller("tcp", ("192.0.2.1", 700, 0), HERE),
    Caller("udp", ("192.0.2.1", 700, 0), HERE, datagram=True),
    Caller("udp", ("192.0.2.2", 5000, 0), HERE, datagram=True),
    Caller("tcp6", ("2001:db8::1", 700, 0), HERE),
    Caller("local", uid=1000, loopback=True),
)
NAMES = (
    b"192.0.2.1", b"192.0.2.2", b"::ffff:192.0.2.1", b"2001:db8::1", b"client", b"CLIENT.example",
    b"client.other", b"host", b"", b".", b"../x", b"\0", b"\xff" * 40, b"n" * 1024, b"a b",
)  # fmt: skip
CLIENTS = (
    LockClient("192.0.2.1", b"client.example"),
    LockClient("192.0.2.1", b"client.other"),
    LockClient("2001:db8::1", b"host"),
)
PROCEDURES = tuple(SM_VERS.procedures.values())


class NoNetwork:
    """Nobody answers yet."""

    async def notify(self, *_: object) -> None:
        await asyncio.Event().wait()

    async def call_back(self, _: RpcMonitor) -> None:
        await asyncio.Event().wait()


def _bytes(source: Random, limit: int, fixed: bool) -> bytes:
    return source.randbytes(limit) if fixed else source.choice(NAMES)[:limit]


def _message(procedure: AnyProcedure, source: Random) -> bytes:
    place = SM_VERS.prog, SM_VERS.vers, procedure.number
    arguments = tuple(value_of(each, source, _bytes) for each in procedure.arguments)
    for argument in arguments:
        _make_likely(argument, source)
    return call_header(source.randrange(4), place, cred=AUTH_NONE) + procedure.encode_arguments(
        arguments
    )


def _make_likely(argument: object, source: Random) -> None:
    """Have the lock manager called back, most often."""
    match argument:
        case mon():
            _make_likely(argument.mon_id.my_id, source)
        case mon_id():
            _make_likely(argument.my_id, source)
        case my_id() if source.random() < 0.9:
            argument.my_name, argument.my_prog = source.choice((b"host", b"HOST")), NLM_PROG
            argument.my_vers, argument.my_proc = source.choice((3, 4)), 16


def make(source: Random) -> bytes:
    """A file, and a few calls, each preceded by the number of its caller; some are spoiled."""
    kept = KeptList(None)
    for client in source.sample(CLIENTS, source.randrange(3)):
        kept.put(RestartNotice(client.host, "", client.name, source.randrange(2000)))
        kept.put(RpcMonitor(client.name, b"host", NLM_PROG, 3, 16, source.randbytes(16)))
    file = msgspec.json.decode(kept.leave(), type=str).encode()
    parts = [mutated(file, source, [file])]
    for _ in range(source.randrange(1, MOST_CALLS)):
        made = _message(source.choice(PROCEDURES), source)
        if source.random() < 0.2:
            made = mutated(made, source, [made])
        parts.append(bytes([source.randrange(len(CALLERS))]) + made)
    return joined(*parts)


class StatusSubject:
    """A monitor without a network, and the restarts that it told its lock manager."""

    def __init__(self, file: bytes) -> None:
        self.told: list[tuple[LockClient, int]] = []
        self.monitor = StatusMonitor(
            boot=b"boot",
            calls=NoNetwork(),
            clock=lambda: 1000.0,
            look_up=lambda _: frozenset({"192.0.2.1"}),
            most=MOST_WATCHED,
        )
        self.monitor.restarted = lambda client, state: self.told.append((client, state))
        self.monitor.load(msgspec.json.encode(file.decode("ascii", "replace")))
        self.dispatcher = Dispatcher([StatusProgram(self.monitor)], clock=lambda: 0.0)

    async def answer(self, caller: Caller, call: bytes) -> None:
        """Have a call answered, and check what it did."""
        kept, state = self.monitor.kept, self.monitor.state
        before = {key: each.words[:6] for key, each in kept.monitors.items()}
        states = {peer.client: peer.state for peer in kept.peers.values()}
        self.told.clear()
        try:
            reply = self.dispatcher.handle(call, caller)
            result = reply if isinstance(reply, bytes | None) else await reply
        except ProtocolError:
            result = None
        check(call, result)
        if result is not None and result[4:24] == SUCCEEDED:
            _check_result(call, result)
        after = {key: each.words[:6] for key, each in kept.monitors.items()}
        assert caller in LOCAL or (before, state) == (after, self.monitor.state)
        for client, new in self.told:
            assert client.host == caller.host
            assert is_newer(new, states[client])
        assert self.monitor.state % 2 == 1


def _check_result(call: bytes, reply: bytes) -> None:
    """The result is one of the procedure."""
    procedure = SM_VERS.procedures[int.from_bytes(call[20:24], "big")]
    try:
        procedure.decode_result(reply, 24)
    except XdrError as error:
        raise AssertionError(f"{procedure!r}: {error}") from error


async def _run(data: bytes) -> None:
    file, *calls = parted(data, MOST_CALLS)
    subject = StatusSubject(file)
    monitor = subject.monitor
    for client in CLIENTS:
        await monitor.watch(Peer(client, "192.0.2.9"), 7)
    most = max(MOST_WATCHED, len(monitor.kept))
    for part in calls:
        number, call = (part or b"\0")[0], part[1:]
        await subject.answer(CALLERS[number % len(CALLERS)], call)
        # SM_SIMU_CRASH makes a monitor a notice; both count.
        assert len(monitor.kept) <= most
    again = KeptList(None)
    again.resume(monitor.leave())
    for table in ("peers", "monitors", "notices"):
        assert getattr(again, table) == getattr(monitor.kept, table)
    await monitor.stop()


def run(data: bytes) -> None:
    """Read the file, and have the calls answered, one after the other."""
    asyncio.run(_run(data))


TARGET = Target("status_calls", make, run)
