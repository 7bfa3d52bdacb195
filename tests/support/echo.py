"""An echo program for endpoint tests: replies at once, on request, or never."""

from __future__ import annotations

import asyncio
from typing import Any

from oncrpc import rpc
from oncrpc.errors import ProcedureUnavailable
from oncrpc.rpc import AnyProcedure, Call, Procedure, Version
from oncrpc.rpc.calls import Calls
from oncrpc.rpc.dispatch import Dispatcher
from oncrpc.rpc.record import encode_record
from oncrpc.testing import ManualClock
from oncrpc.xdr import Opaque, UInt

PROG, VERS = 400001, 1


class ECHO_V1(Version, prog=PROG, vers=VERS):
    """A program for tests."""

    NULL = Procedure[None](0)
    ECHO = Procedure[bytes, bytes](1, Opaque, result=Opaque)
    LATER = Procedure[bytes, bytes](2, Opaque, result=Opaque)
    MUCH = Procedure[bytes, int](3, UInt, result=Opaque)
    WHOAMI = Procedure[bytes](4, result=Opaque)
    FAIL = Procedure[None](5)

    class Client(rpc.Client):
        """Calls it."""

        async def NULL(self) -> None:
            await self.call(ECHO_V1.NULL)

        async def ECHO(self, arg: bytes) -> bytes:
            return await self.call(ECHO_V1.ECHO, arg)

        async def LATER(self, arg: bytes) -> bytes:
            return await self.call(ECHO_V1.LATER, arg)

    class Service(rpc.Service):
        """Serves it."""

        def NULL(self, call: Call) -> None:
            return None

        def ECHO(self, call: Call, arg: bytes) -> Any:
            raise ProcedureUnavailable

        def LATER(self, call: Call, arg: bytes) -> Any:
            raise ProcedureUnavailable

        def MUCH(self, call: Call, arg: int) -> Any:
            raise ProcedureUnavailable

        def WHOAMI(self, call: Call) -> Any:
            raise ProcedureUnavailable

        def FAIL(self, call: Call) -> Any:
            raise ProcedureUnavailable


class Echo(ECHO_V1.Service):
    """``LATER`` waits for ``go``; ``callers`` are those who called anything."""

    def __init__(self) -> None:
        self.go = asyncio.Event()
        self.waiting = 0
        self.cancelled = 0
        self.callers: list[rpc.Caller] = []

    @rpc.idempotent
    def ECHO(self, call: Call, arg: bytes) -> bytes:
        self.callers.append(call.caller)
        return arg

    @rpc.idempotent
    async def LATER(self, call: Call, arg: bytes) -> bytes:
        self.waiting += 1
        try:
            await self.go.wait()
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        finally:
            self.waiting -= 1
        return arg

    @rpc.idempotent
    def MUCH(self, call: Call, arg: int) -> bytes:
        return bytes(arg)

    @rpc.idempotent
    def WHOAMI(self, call: Call) -> bytes:
        self.callers.append(call.caller)
        return repr(call.caller).encode()

    def FAIL(self, call: Call) -> None:
        raise ZeroDivisionError


def dispatcher(echo: Echo) -> Dispatcher:
    """The dispatcher that serves it."""
    return Dispatcher([echo], clock=ManualClock())


def call(xid: int, procedure: AnyProcedure, *arguments: Any) -> bytes:
    """The bytes of a call."""
    calls = Calls(first_xid=xid - 1, retransmit=False)
    return calls.start(procedure, arguments, now=0, timeout=1).message


def record(xid: int, procedure: AnyProcedure, *arguments: Any) -> bytes:
    """A call as a record."""
    return encode_record(call(xid, procedure, *arguments))
