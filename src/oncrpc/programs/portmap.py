"""The port mapper, version 2 (RFC 1833 §3)."""

from __future__ import annotations

from typing import Annotated

from oncrpc import rpc, xdr
from oncrpc.errors import ProcedureUnavailable
from oncrpc.rpc import Answer, Call, Procedure, Version
from oncrpc.xdr import Bool, Opaque, UInt

PMAP_PORT = 111
IPPROTO_TCP = 6
IPPROTO_UDP = 17
PMAP_PROG = 100000


@xdr.struct
class mapping:
    """A mapping of (program, version, protocol) to port number."""

    prog: UInt
    vers: UInt
    prot: UInt
    port: UInt


@xdr.struct
class pmaplist:
    """An element of the list of mappings."""

    map: mapping


pmaplist_ptr = Annotated[list[pmaplist], xdr.linked]


@xdr.struct
class call_args:
    """Arguments to callit."""

    prog: UInt
    vers: UInt
    proc: UInt
    args: Opaque


@xdr.struct
class call_result:
    """Results of callit."""

    port: UInt
    res: Opaque


class PMAP_VERS(Version, prog=PMAP_PROG, vers=2):
    """Version 2 of PMAP_PROG."""

    PMAPPROC_NULL = Procedure[None](0)
    PMAPPROC_SET = Procedure[bool](1, mapping, result=Bool)
    PMAPPROC_UNSET = Procedure[bool](2, mapping, result=Bool)
    PMAPPROC_GETPORT = Procedure[int](3, mapping, result=UInt)
    PMAPPROC_DUMP = Procedure[list[pmaplist]](4, result=pmaplist_ptr)
    PMAPPROC_CALLIT = Procedure[call_result](5, call_args, result=call_result)

    class Client(rpc.Client):
        """Calls PMAP_PROG version 2."""

        async def PMAPPROC_NULL(self) -> None:
            await self.call(PMAP_VERS.PMAPPROC_NULL)

        async def PMAPPROC_SET(self, arg: mapping) -> bool:
            return await self.call(PMAP_VERS.PMAPPROC_SET, arg)

        async def PMAPPROC_UNSET(self, arg: mapping) -> bool:
            return await self.call(PMAP_VERS.PMAPPROC_UNSET, arg)

        async def PMAPPROC_GETPORT(self, arg: mapping) -> int:
            return await self.call(PMAP_VERS.PMAPPROC_GETPORT, arg)

        async def PMAPPROC_DUMP(self) -> list[pmaplist]:
            return await self.call(PMAP_VERS.PMAPPROC_DUMP)

        async def PMAPPROC_CALLIT(self, arg: call_args) -> call_result:
            return await self.call(PMAP_VERS.PMAPPROC_CALLIT, arg)

    class Service(rpc.Service):
        """Serves PMAP_PROG version 2."""

        def PMAPPROC_NULL(self, call: Call) -> Answer[None]:
            return None

        def PMAPPROC_SET(self, call: Call, arg: mapping) -> Answer[bool]:
            raise ProcedureUnavailable

        def PMAPPROC_UNSET(self, call: Call, arg: mapping) -> Answer[bool]:
            raise ProcedureUnavailable

        def PMAPPROC_GETPORT(self, call: Call, arg: mapping) -> Answer[int]:
            raise ProcedureUnavailable

        def PMAPPROC_DUMP(self, call: Call) -> Answer[list[pmaplist]]:
            raise ProcedureUnavailable

        def PMAPPROC_CALLIT(self, call: Call, arg: call_args) -> Answer[call_result]:
            raise ProcedureUnavailable
