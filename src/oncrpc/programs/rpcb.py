"""rpcbind, versions 3 and 4 (RFC 1833 §2)."""

from __future__ import annotations

from typing import Annotated

from oncrpc import rpc, xdr
from oncrpc.errors import ProcedureUnavailable
from oncrpc.rpc import Answer, Call, Procedure, Version
from oncrpc.xdr import Bool, Int, Opaque, String, UInt

RPCB_PORT = 111
RPCBPROG = 100000
RPCBSTAT_HIGHPROC = 13
RPCBVERS_STAT = 3
RPCBVERS_4_STAT = 2
RPCBVERS_3_STAT = 1
RPCBVERS_2_STAT = 0


@xdr.struct
class rpcb:
    """A mapping of (program, version, network ID) to address."""

    r_prog: UInt
    r_vers: UInt
    r_netid: String
    r_addr: String
    r_owner: String


@xdr.struct
class rp__list:
    """An element of the results of RPCBPROC_DUMP."""

    rpcb_map: rpcb


rpcblist_ptr = Annotated[list[rp__list], xdr.linked]


@xdr.struct
class rpcb_rmtcallargs:
    """Arguments of remote calls."""

    prog: UInt
    vers: UInt
    proc: UInt
    args: Opaque


@xdr.struct
class rpcb_rmtcallres:
    """Results of the remote call."""

    addr: String
    results: Opaque


@xdr.struct
class rpcb_entry:
    """A merged address of a service on a particular transport, plus netconfig information."""

    r_maddr: String
    r_nc_netid: String
    r_nc_semantics: UInt
    r_nc_protofmly: String
    r_nc_proto: String


@xdr.struct
class rpcb_entry_list:
    """An element of the list of addresses supported by a service."""

    rpcb_entry_map: rpcb_entry


rpcb_entry_list_ptr = Annotated[list[rpcb_entry_list], xdr.linked]


@xdr.struct
class rpcbs_addrlist:
    """Statistics about getport and getaddr."""

    prog: UInt
    vers: UInt
    success: Int
    failure: Int
    netid: String


@xdr.struct
class rpcbs_rmtcalllist:
    """Statistics about rmtcall; ``indirect`` says whether callit or indirect."""

    prog: UInt
    vers: UInt
    proc: UInt
    success: Int
    failure: Int
    indirect: Int
    netid: String


rpcbs_proc = Annotated[list[Int], xdr.vector(RPCBSTAT_HIGHPROC)]
rpcbs_addrlist_ptr = Annotated[list[rpcbs_addrlist], xdr.linked]
rpcbs_rmtcalllist_ptr = Annotated[list[rpcbs_rmtcalllist], xdr.linked]


@xdr.struct
class rpcb_stat:
    """Statistics of one version of rpcbind."""

    info: rpcbs_proc
    setinfo: Int
    unsetinfo: Int
    addrinfo: rpcbs_addrlist_ptr
    rmtinfo: rpcbs_rmtcalllist_ptr


rpcb_stat_byvers = Annotated[list[rpcb_stat], xdr.vector(RPCBVERS_STAT)]


@xdr.struct
class netbuf:
    """The transport specific form of a universal transport address."""

    maxlen: UInt
    buf: Opaque


class RPCBVERS(Version, prog=RPCBPROG, vers=3):
    """Version 3 of RPCBPROG."""

    RPCBPROC_NULL = Procedure[None](0)
    RPCBPROC_SET = Procedure[bool](1, rpcb, result=Bool)
    RPCBPROC_UNSET = Procedure[bool](2, rpcb, result=Bool)
    RPCBPROC_GETADDR = Procedure[bytes](3, rpcb, result=String)
    RPCBPROC_DUMP = Procedure[list[rp__list]](4, result=rpcblist_ptr)
    RPCBPROC_CALLIT = Procedure[rpcb_rmtcallres](5, rpcb_rmtcallargs, result=rpcb_rmtcallres)
    RPCBPROC_GETTIME = Procedure[int](6, result=UInt)
    RPCBPROC_UADDR2TADDR = Procedure[netbuf](7, String, result=netbuf)
    RPCBPROC_TADDR2UADDR = Procedure[bytes](8, netbuf, result=String)

    class Client(rpc.Client):
        """Calls RPCBPROG version 3."""

        async def RPCBPROC_NULL(self) -> None:
            await self.call(RPCBVERS.RPCBPROC_NULL)

        async def RPCBPROC_SET(self, arg: rpcb) -> bool:
            return await self.call(RPCBVERS.RPCBPROC_SET, arg)

        async def RPCBPROC_UNSET(self, arg: rpcb) -> bool:
            return await self.call(RPCBVERS.RPCBPROC_UNSET, arg)

        async def RPCBPROC_GETADDR(self, arg: rpcb) -> bytes:
            return await self.call(RPCBVERS.RPCBPROC_GETADDR, arg)

        async def RPCBPROC_DUMP(self) -> list[rp__list]:
            return await self.call(RPCBVERS.RPCBPROC_DUMP)

        async def RPCBPROC_CALLIT(self, arg: rpcb_rmtcallargs) -> rpcb_rmtcallres:
            return await self.call(RPCBVERS.RPCBPROC_CALLIT, arg)

        async def RPCBPROC_GETTIME(self) -> int:
            return await self.call(RPCBVERS.RPCBPROC_GETTIME)

        async def RPCBPROC_UADDR2TADDR(self, arg: bytes) -> netbuf:
            return await self.call(RPCBVERS.RPCBPROC_UADDR2TADDR, arg)

        async def RPCBPROC_TADDR2UADDR(self, arg: netbuf) -> bytes:
            return await self.call(RPCBVERS.RPCBPROC_TADDR2UADDR, arg)

    class Service(rpc.Service):
        """Serves RPCBPROG version 3."""

        def RPCBPROC_NULL(self, call: Call) -> Answer[None]:
            return None

        def RPCBPROC_SET(self, call: Call, arg: rpcb) -> Answer[bool]:
            raise ProcedureUnavailable

        def RPCBPROC_UNSET(self, call: Call, arg: rpcb) -> Answer[bool]:
            raise ProcedureUnavailable

        def RPCBPROC_GETADDR(self, call: Call, arg: rpcb) -> Answer[bytes]:
            raise ProcedureUnavailable

        def RPCBPROC_DUMP(self, call: Call) -> Answer[list[rp__list]]:
            raise ProcedureUnavailable

        def RPCBPROC_CALLIT(self, call: Call, arg: rpcb_rmtcallargs) -> Answer[rpcb_rmtcallres]:
            raise ProcedureUnavailable

        def RPCBPROC_GETTIME(self, call: Call) -> Answer[int]:
            raise ProcedureUnavailable

        def RPCBPROC_UADDR2TADDR(self, call: Call, arg: bytes) -> Answer[netbuf]:
            raise ProcedureUnavailable

        def RPCBPROC_TADDR2UADDR(self, call: Call, arg: netbuf) -> Answer[bytes]:
            raise ProcedureUnavailable


class RPCBVERS4(Version, prog=RPCBPROG, vers=4):
    """Version 4 of RPCBPROG."""

    RPCBPROC_NULL = Procedure[None](0)
    RPCBPROC_SET = Procedure[bool](1, rpcb, result=Bool)
    RPCBPROC_UNSET = Procedure[bool](2, rpcb, result=Bool)
    RPCBPROC_GETADDR = Procedure[bytes](3, rpcb, result=String)
    RPCBPROC_DUMP = Procedure[list[rp__list]](4, result=rpcblist_ptr)
    RPCBPROC_BCAST = Procedure[rpcb_rmtcallres](5, rpcb_rmtcallargs, result=rpcb_rmtcallres)
    RPCBPROC_GETTIME = Procedure[int](6, result=UInt)
    RPCBPROC_UADDR2TADDR = Procedure[netbuf](7, String, result=netbuf)
    RPCBPROC_TADDR2UADDR = Procedure[bytes](8, netbuf, result=String)
    RPCBPROC_GETVERSADDR = Procedure[bytes](9, rpcb, result=String)
    RPCBPROC_INDIRECT = Procedure[rpcb_rmtcallres](10, rpcb_rmtcallargs, result=rpcb_rmtcallres)
    RPCBPROC_GETADDRLIST = Procedure[list[rpcb_entry_list]](11, rpcb, result=rpcb_entry_list_ptr)
    RPCBPROC_GETSTAT = Procedure[list[rpcb_stat]](12, result=rpcb_stat_byvers)

    class Client(rpc.Client):
        """Calls RPCBPROG version 4."""

        async def RPCBPROC_NULL(self) -> None:
            await self.call(RPCBVERS4.RPCBPROC_NULL)

        async def RPCBPROC_SET(self, arg: rpcb) -> bool:
            return await self.call(RPCBVERS4.RPCBPROC_SET, arg)

        async def RPCBPROC_UNSET(self, arg: rpcb) -> bool:
            return await self.call(RPCBVERS4.RPCBPROC_UNSET, arg)

        async def RPCBPROC_GETADDR(self, arg: rpcb) -> bytes:
            return await self.call(RPCBVERS4.RPCBPROC_GETADDR, arg)

        async def RPCBPROC_DUMP(self) -> list[rp__list]:
            return await self.call(RPCBVERS4.RPCBPROC_DUMP)

        async def RPCBPROC_BCAST(self, arg: rpcb_rmtcallargs) -> rpcb_rmtcallres:
            return await self.call(RPCBVERS4.RPCBPROC_BCAST, arg)

        async def RPCBPROC_GETTIME(self) -> int:
            return await self.call(RPCBVERS4.RPCBPROC_GETTIME)

        async def RPCBPROC_UADDR2TADDR(self, arg: bytes) -> netbuf:
            return await self.call(RPCBVERS4.RPCBPROC_UADDR2TADDR, arg)

        async def RPCBPROC_TADDR2UADDR(self, arg: netbuf) -> bytes:
            return await self.call(RPCBVERS4.RPCBPROC_TADDR2UADDR, arg)

        async def RPCBPROC_GETVERSADDR(self, arg: rpcb) -> bytes:
            return await self.call(RPCBVERS4.RPCBPROC_GETVERSADDR, arg)

        async def RPCBPROC_INDIRECT(self, arg: rpcb_rmtcallargs) -> rpcb_rmtcallres:
            return await self.call(RPCBVERS4.RPCBPROC_INDIRECT, arg)

        async def RPCBPROC_GETADDRLIST(self, arg: rpcb) -> list[rpcb_entry_list]:
            return await self.call(RPCBVERS4.RPCBPROC_GETADDRLIST, arg)

        async def RPCBPROC_GETSTAT(self) -> list[rpcb_stat]:
            return await self.call(RPCBVERS4.RPCBPROC_GETSTAT)

    class Service(rpc.Service):
        """Serves RPCBPROG version 4."""

        def RPCBPROC_NULL(self, call: Call) -> Answer[None]:
            return None

        def RPCBPROC_SET(self, call: Call, arg: rpcb) -> Answer[bool]:
            raise ProcedureUnavailable

        def RPCBPROC_UNSET(self, call: Call, arg: rpcb) -> Answer[bool]:
            raise ProcedureUnavailable

        def RPCBPROC_GETADDR(self, call: Call, arg: rpcb) -> Answer[bytes]:
            raise ProcedureUnavailable

        def RPCBPROC_DUMP(self, call: Call) -> Answer[list[rp__list]]:
            raise ProcedureUnavailable

        def RPCBPROC_BCAST(self, call: Call, arg: rpcb_rmtcallargs) -> Answer[rpcb_rmtcallres]:
            raise ProcedureUnavailable

        def RPCBPROC_GETTIME(self, call: Call) -> Answer[int]:
            raise ProcedureUnavailable

        def RPCBPROC_UADDR2TADDR(self, call: Call, arg: bytes) -> Answer[netbuf]:
            raise ProcedureUnavailable

        def RPCBPROC_TADDR2UADDR(self, call: Call, arg: netbuf) -> Answer[bytes]:
            raise ProcedureUnavailable

        def RPCBPROC_GETVERSADDR(self, call: Call, arg: rpcb) -> Answer[bytes]:
            raise ProcedureUnavailable

        def RPCBPROC_INDIRECT(self, call: Call, arg: rpcb_rmtcallargs) -> Answer[rpcb_rmtcallres]:
            raise ProcedureUnavailable

        def RPCBPROC_GETADDRLIST(self, call: Call, arg: rpcb) -> Answer[list[rpcb_entry_list]]:
            raise ProcedureUnavailable

        def RPCBPROC_GETSTAT(self, call: Call) -> Answer[list[rpcb_stat]]:
            raise ProcedureUnavailable
