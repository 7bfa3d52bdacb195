"""COUNTER, a program for tests: not idempotent, in versions 3 and 5."""

from __future__ import annotations

from typing import Annotated, ClassVar

from oncrpc import rpc, xdr
from oncrpc.errors import ProcedureUnavailable
from oncrpc.rpc import Answer, Call, Procedure, Version, idempotent
from oncrpc.xdr import UInt

COUNTER = 0x20000001


class COUNTER_V3(Version, prog=COUNTER, vers=3):
    """Version 3 of COUNTER."""

    NULL = Procedure[None](0)
    ADD = Procedure[int, int](1, UInt, result=UInt)
    READ = Procedure[int](2, result=UInt)
    NAME = Procedure[bytes, int, bytes](
        3, UInt, Annotated[bytes, xdr.string(8)], result=Annotated[bytes, xdr.string(8)]
    )

    class Client(rpc.Client):
        """Calls COUNTER version 3."""

        blocking: ClassVar[type[COUNTER_V3.SyncClient]]

        async def NULL(self) -> None:
            await self.call(COUNTER_V3.NULL)

        async def ADD(self, arg: int) -> int:
            return await self.call(COUNTER_V3.ADD, arg)

        async def READ(self) -> int:
            return await self.call(COUNTER_V3.READ)

        async def NAME(self, number: int, name: bytes) -> bytes:
            return await self.call(COUNTER_V3.NAME, number, name)

    class SyncClient(rpc.SyncClient):
        """Calls COUNTER version 3, blocking."""

        client: COUNTER_V3.Client

        def NULL(self) -> None:
            self.call(COUNTER_V3.NULL)

        def ADD(self, arg: int) -> int:
            return self.call(COUNTER_V3.ADD, arg)

        def READ(self) -> int:
            return self.call(COUNTER_V3.READ)

        def NAME(self, number: int, name: bytes) -> bytes:
            return self.call(COUNTER_V3.NAME, number, name)

    class Service(rpc.Service):
        """Serves COUNTER version 3."""

        def NULL(self, call: Call) -> Answer[None]:
            return None

        def ADD(self, call: Call, arg: int) -> Answer[int]:
            raise ProcedureUnavailable

        def READ(self, call: Call) -> Answer[int]:
            raise ProcedureUnavailable

        def NAME(self, call: Call, number: int, name: bytes) -> Answer[bytes]:
            raise ProcedureUnavailable


class COUNTER_V5(Version, prog=COUNTER, vers=5):
    """Version 5 of COUNTER, which has nothing."""

    class Service(rpc.Service):
        """Serves COUNTER version 5."""


class Counter(COUNTER_V3.Service):
    """Remembers every sum, so that a call that ran twice is seen; NAME is not implemented."""

    def __init__(self) -> None:
        self.added: list[int] = []
        self.reads = 0

    def ADD(self, call: Call, arg: int) -> int:
        self.added.append(arg)
        return sum(self.added) & 0xFFFFFFFF

    @idempotent
    def READ(self, call: Call) -> int:
        self.reads += 1
        return sum(self.added) & 0xFFFFFFFF
