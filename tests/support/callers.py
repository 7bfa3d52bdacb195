"""Callers of every kind (local, remote, root), and port mapper calls made as each of them."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Sequence
from copy import copy
from typing import Any, TypeVar

from oncrpc.access.admission import Admission
from oncrpc.portmap.procedures import MAY_REFUSE, Mapper
from oncrpc.portmap.registry import Registry
from oncrpc.programs.rpcb import rpcb
from oncrpc.rpc import AnyProcedure, Call, Caller
from oncrpc.rpc.calls import Calls
from oncrpc.rpc.dispatch import Dispatcher
from oncrpc.rpc.prot import opaque_auth
from oncrpc.testing import ManualClock

T = TypeVar("T", Caller, Call)

ROOT = Caller("local", uid=0, loopback=True)
STATD = Caller("local", uid=103, loopback=True)
RESERVED = Caller("tcp", ("127.0.0.1", 1023, 0), ("127.0.0.1", 111, 0), loopback=True)
UNRESERVED = Caller("tcp", ("127.0.0.1", 1024, 0), ("127.0.0.1", 111, 0), loopback=True)
LOOPBACK6 = Caller("tcp6", ("::1", 40000, 0), ("::1", 111, 0), loopback=True)
REMOTE = Caller("tcp", ("192.0.2.9", 700, 0), ("192.0.2.1", 111, 0))
REMOTE_UDP = Caller("udp", ("192.0.2.9", 40000, 0), ("192.0.2.1", 111, 0), datagram=True)
REMOTE6 = Caller("tcp6", ("2001:db8::9", 40000, 0), ("2001:db8::1", 111, 0))
LOCAL_UDP = Caller("udp", ("127.0.0.1", 40000, 0), ("127.0.0.1", 111, 0), loopback=True,
                   datagram=True)  # fmt: skip
FORGED = Caller("udp", ("127.0.0.1", 700, 0), ("192.0.2.1", 111, 0), datagram=True)
"""From 127.0.0.1, but not by the loopback interface."""

NOW = 1_700_000_000.0
OURS = frozenset({"192.0.2.1", "198.51.100.1", "127.0.0.1", "2001:db8::1", "::1"})


class PortMapper:
    """The services over a registry of their own; every call is bytes through the dispatcher."""

    def __init__(self, **options: Any) -> None:
        self.clock = ManualClock()
        self.registry = Registry(limit=options.pop("limit", 65536))
        self.mapper = Mapper(self.registry, now=lambda: NOW, is_ours=OURS.__contains__, **options)
        self.dispatcher = Dispatcher(self.mapper.services(), clock=self.clock, before=self.before)
        self.admission: Admission | None = None
        self.calls = Calls(first_xid=0, retransmit=False)

    def before(self, call: Call) -> Awaitable[None] | None:
        """Count, and ask the rules, as a daemon does."""
        counted(self.mapper, call)
        asked = None if self.admission is None else self.admission.before(call)
        log = self.mapper.call_log
        logs_outcome = log.vocabulary.name(call.procedure) in MAY_REFUSE
        return asked if logs_outcome else log.admitted(asked, call)

    def message(
        self, procedure: AnyProcedure, *arguments: Any, cred: opaque_auth | None = None
    ) -> bytes:
        """The bytes of a call."""
        return self.calls.start(procedure, arguments, now=0, timeout=1, auth=cred).message

    def reply(self, caller: Caller, message: bytes) -> bytes | None:
        """The dispatcher's reply to bytes."""
        reply = self.dispatcher.handle(message, caller)
        if isinstance(reply, bytes | None):
            return reply

        async def awaited() -> bytes | None:
            return await reply

        return asyncio.run(awaited())

    def call(self, caller: Caller, procedure: AnyProcedure, *arguments: Any) -> Any:
        """The result of a call; a refusal is raised, silence is None.

        Raises:
            CallError: the refusal.
        """
        reply = self.reply(caller, self.message(procedure, *arguments))
        if reply is None:
            return None
        call = self.calls.feed(reply)
        assert call is not None
        if call.error is not None:
            raise call.error
        return call.result


def counted(mapper: Mapper, call: Call) -> None:
    """Count a call, as a daemon does."""
    version = call.procedure.version.vers
    call.count(mapper.statistics.calls_of(version, call.procedure.number))


def registered(
    prog: int, vers: int, netid: str = "tcp", uaddr: str = "0.0.0.0.8.1", owner: str = "superuser"
) -> rpcb:
    """A registration, NFS's address by default."""
    return rpcb(prog, vers, netid.encode(), uaddr.encode(), owner.encode())


def changed(value: T, **fields: object) -> T:
    """A caller or a call with other fields."""
    made = copy(value)
    for name, field in fields.items():
        setattr(made, name, field)
    return made


def triples(entries: Sequence[rpcb]) -> list[tuple[int, int, str]]:
    """The program, version and netid of each registration."""
    return [(entry.r_prog, entry.r_vers, entry.r_netid.decode()) for entry in entries]
