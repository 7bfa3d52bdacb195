"""A status monitor in memory, and calls of its program, as bytes or as values."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

from oncrpc.daemon.state.directory import Directory
from oncrpc.nfs.locks.terms import LockClient
from oncrpc.nfs.nsm.monitor import StatusMonitor
from oncrpc.nfs.nsm.program import StatusProgram
from oncrpc.programs.sm_inter import mon, mon_id, my_id
from oncrpc.rpc import AnyProcedure, Caller
from oncrpc.rpc.calls import Calls
from oncrpc.rpc.dispatch import Dispatcher
from oncrpc.testing import ManualClock

KERNEL = Caller("udp", ("127.0.0.1", 700, 0), ("127.0.0.1", 2049, 0), loopback=True, datagram=True)
USER = Caller("udp", ("127.0.0.1", 1024, 0), ("127.0.0.1", 2049, 0), loopback=True, datagram=True)
SOCKET = Caller("local", uid=0, loopback=True)
USER_SOCKET = Caller("local", uid=1000, loopback=True)
LOCKD = my_id(b"host", 100021, 3, 16)
PRIV = bytes(range(16))


def remote(host: str, port: int = 700) -> Caller:
    """A caller on another host."""
    return Caller("udp", (host, port, 0), ("192.0.2.9", 2049, 0), datagram=True)


FORGED = Caller("udp", ("127.0.0.1", 700, 0), ("192.0.2.9", 2049, 0), datagram=True)
"""From 127.0.0.1, but not over the loopback interface."""


def monitored(name: bytes, who: my_id = LOCKD, priv: bytes = PRIV) -> mon:
    """The argument of SM_MON."""
    return mon(mon_id(name, who), priv)


class StatusSite:
    """A monitor and its program. ``names`` has the addresses of names, ``told`` the restarts."""

    def __init__(
        self,
        *,
        directory: Directory | None = None,
        boot: bytes = b"boot",
        names: Mapping[bytes, frozenset[str]] | None = None,
        left: bytes | None = None,
        **options: Any,
    ) -> None:
        self.names, self.told = dict(names or {}), list[tuple[LockClient, int]]()
        self.clock = ManualClock()
        self.monitor = StatusMonitor(
            directory, boot=boot, clock=lambda: 1001.0, look_up=self._look_up, **options
        )
        self.monitor.restarted = lambda client, state: self.told.append((client, state))
        self.monitor.load(left)
        self.dispatcher = Dispatcher([StatusProgram(self.monitor)], clock=self.clock)
        self.calls = Calls(first_xid=0, retransmit=False)

    def _look_up(self, name: bytes) -> frozenset[str]:
        return self.names.get(name, frozenset())

    async def reply(self, caller: Caller, message: bytes) -> bytes | None:
        """The reply to the bytes of a call."""
        reply = self.dispatcher.handle(message, caller)
        return reply if isinstance(reply, bytes | None) else await reply

    async def ask(self, caller: Caller, procedure: AnyProcedure, *arguments: Any) -> Any:
        """The result of a call; no reply is an ``AssertionError``.

        Raises:
            CallError: the refusal.
        """
        call = self.calls.start(procedure, arguments, now=0, timeout=1)
        reply = await self.reply(caller, call.message)
        assert reply is not None, "no reply"
        self.calls.feed(reply)
        if call.error is not None:
            raise call.error
        return call.result

    def call(self, caller: Caller, procedure: AnyProcedure, *arguments: Any) -> Any:
        """The same, for a monitor without a file."""
        return asyncio.run(self.ask(caller, procedure, *arguments))
