"""Program 100000: the procedures of versions 2, 3 and 4, over the registry (RFC 1833).

Every version is served on every transport. Results depend on how a call arrives: its transport is
the netid of GETADDR, and the local address that it was sent to is the host of the result.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import TypeVar

from oncrpc.access.call_lines import CallLog, Refusal
from oncrpc.addr import Transport, family_of, join_uaddr, split_uaddr, transport, transports
from oncrpc.errors import (
    AuthError,
    GarbageArguments,
    ProgramMismatch,
    ProgramUnavailable,
    SystemFailure,
)
from oncrpc.host.addresses import OwnAddresses
from oncrpc.portmap.forward import Forwarder, ForwardKey, ForwardTarget
from oncrpc.portmap.getstat import Statistics
from oncrpc.portmap.merged_address import merged
from oncrpc.portmap.ownership import RESERVED_PORTS, Rules, owner_of
from oncrpc.portmap.registry import NETIDS, Registry, port_of
from oncrpc.portmap.remote_calls import RemoteCallRules
from oncrpc.portmap.sockaddr import sockaddr_of, uaddr_of
from oncrpc.portmap.vocabulary import VOCABULARY
from oncrpc.programs.portmap import PMAP_VERS, call_args, call_result, mapping, pmaplist
from oncrpc.programs.rpcb import (
    RPCBVERS,
    RPCBVERS4,
    netbuf,
    rp__list,
    rpcb,
    rpcb_entry,
    rpcb_entry_list,
    rpcb_rmtcallargs,
    rpcb_rmtcallres,
    rpcb_stat,
)
from oncrpc.rpc import Call, Caller, NoReply, Service, idempotent, pure, silent
from oncrpc.rpc.program import Encoded
from oncrpc.rpc.prot import auth_stat
from oncrpc.rpc.reply_cache import ReplyCache

T = TypeVar("T")

MAY_REFUSE = {"SET", "UNSET", "CALLIT", "BCAST", "INDIRECT"}
"""Procedures that log their calls themselves, with the outcome, so that a call has one line."""

NOT_LOCAL, NOT_LOOPBACK = "not over the local socket", "non-loopback sender"
"""Why a caller may not register, for the log."""

OF_ANOTHER = "another owner has it"
MAX_UDP_LIST = 9000
"""Bytes of a list over UDP, as C clients have room for; a longer one is refused."""


class Mapper:
    """The common part of the three versions.

    ``rules`` and ``remote_calls`` are replaced when the configuration is read. ``changed`` is
    called after each change of the registry, ``registered`` after each successful SET. Without a
    ``forwarder`` no calls are forwarded. ``overlong`` counts the lists that were refused because
    they do not fit into a datagram.

    ``_dumps`` is a cache of encoded lists: its key is the declaration of the result, so it has two
    entries, which are valid for one generation of the registry.
    """

    def __init__(
        self,
        registry: Registry,
        *,
        insecure: bool = False,
        reserved: int = RESERVED_PORTS,
        forwarder: Forwarder | None = None,
        now: Callable[[], float] = time.time,
        is_ours: Callable[[str], bool] | None = None,
        changed: Callable[[], None] = lambda: None,
        registered: Callable[[Caller, rpcb], None] = lambda _caller, _entry: None,
        rules: Rules | None = None,
        call_log: CallLog | None = None,
    ) -> None:
        self.registry, self.forwarder, self.now = registry, forwarder, now
        self.insecure, self.reserved = insecure, reserved
        self.rules = rules or Rules()
        self.remote_calls = RemoteCallRules(insecure=insecure)
        self.call_log = CallLog(VOCABULARY) if call_log is None else call_log
        self.is_ours, self.changed = is_ours or OwnAddresses(), changed
        self.registered = registered
        self.reply_cache = ReplyCache(registry)
        self.statistics = Statistics(self.reply_cache)
        self.overlong = 0
        self._dumps: dict[object, tuple[int, Encoded]] = {}

    def services(self) -> list[Service]:
        """The three versions."""
        return [PortmapService(self), RpcbService(self), Rpcb4Service(self)]

    def set(self, call: Call, entry: rpcb) -> bool:
        """SET, with the caller as the owner."""
        owner = self._owner(call)
        registered = rpcb(entry.r_prog, entry.r_vers, entry.r_netid, entry.r_addr, owner)
        reason = self.rules.refusal(registered, self.registry.owners(entry.r_prog))
        reason = reason or self.registry.refusal(registered)
        if reason is None:
            self.call_log.accepted(call)
        else:
            self.call_log.refused(call, Refusal.DECLINED, reason)
        done = reason is None and self._changing(lambda: self.registry.set(registered))
        if done:
            self.registered(call.caller, registered)
        self.statistics.was_set(_vers(call), success=done)
        return done

    def unset(self, call: Call, prog: int, vers: int, netids: Iterable[bytes]) -> bool:
        """UNSET of each netid, with the caller as the owner; True if one could be removed."""
        owner = self._owner(call)
        if self.registry.is_anothers(prog, vers, netids, owner=owner):
            self.call_log.refused(call, Refusal.DECLINED, OF_ANOTHER)
        else:
            self.call_log.accepted(call)
        return self._changing(lambda: self.registry.unset(prog, vers, netids, owner=owner))

    def drop(self, entry: rpcb) -> None:
        """Remove exactly this registration, if it is unchanged and the change can be stored."""
        with suppress(SystemFailure):
            self._changing(lambda: self.registry.drop(entry))

    def _changing(self, change: Callable[[], bool]) -> bool:
        """Make a change; the observers store it first."""
        before = self.registry.generation
        try:
            done = change()
        except OSError:
            raise SystemFailure from None
        if self.registry.generation != before:
            self.changed()
        return done

    def _owner(self, call: Call) -> bytes:
        local_only = self.rules.local_only
        owner = owner_of(
            call.caller, insecure=self.insecure, reserved=self.reserved, local_only=local_only
        )
        if owner is None:
            self.call_log.refused(call, Refusal.DECLINED, NOT_LOCAL if local_only else NOT_LOOPBACK)
            raise AuthError(auth_stat.AUTH_TOOWEAK)
        return owner

    def dump(self, call: Call, nodes: Callable[[], Iterable[T]]) -> list[T]:
        """A list of the registry, encoded once for each generation, since it may be long.

        Over UDP a list that does not fit is refused before it is copied, and a broadcast call is
        ignored.
        """
        ignore_if_sent_to_many(call)
        generation, encoded = self._dumps.get(call.procedure.result, (-1, Encoded()))
        if generation != self.registry.generation:
            encoded = Encoded(call.procedure.encode_result(list(nodes())))
            self._dumps[call.procedure.result] = (self.registry.generation, encoded)
        if call.caller.datagram and len(encoded) > MAX_UDP_LIST:
            self.overlong += 1
            raise SystemFailure
        return encoded.standing_for(list[T])

    def address(self, call: Call, found: rpcb | None, hint: bytes) -> bytes:
        """The address of a registration for the caller, empty without one."""
        if found is None:
            return b""
        return self._merged(call, found, hint) or found.r_addr

    def _merged(self, call: Call, found: rpcb, hint: bytes) -> bytes | None:
        return merged(found.r_addr, hint, call.caller, is_ours=self.is_ours)

    def looked_up(self, call: Call, prog: int, vers: int, netid: bytes, *, success: bool) -> None:
        """Count a lookup."""
        call.count(self.statistics.lookups_of(_vers(call), (prog, vers, netid), success=success))

    def addresses(self, call: Call, entry: rpcb) -> list[rpcb_entry_list]:
        """GETADDRLIST: the registrations on all transports of the caller's protocol family."""
        family = transport(call.caller.netid).family
        listed = []
        for found in self.registry.every(entry.r_prog, entry.r_vers):
            at = transports().get(found.r_netid.decode("ascii", "replace").lower())
            uaddr = self._merged(call, found, entry.r_addr)
            if at is not None and at.family == family and uaddr is not None:
                listed.append(rpcb_entry_list(_listed(at, uaddr)))
        return listed

    async def forward(self, call: Call, args: call_args | rpcb_rmtcallargs) -> tuple[bytes, bytes]:
        """Call a program for the caller; returns its address, and the bytes of the result.

        INDIRECT sends the refusals; CALLIT and BCAST send nothing instead.
        """
        caller = call.caller
        if not caller.datagram:
            self.call_log.accepted(call)
            raise NoReply
        if not self.remote_calls.allow(args.prog, args.proc):
            self.call_log.refused(call, Refusal.INDIRECT)
            raise AuthError(auth_stat.AUTH_TOOWEAK)
        self.call_log.accepted(call)
        found = self._target(call, args)
        if self.forwarder is None:
            raise SystemFailure
        key = ForwardKey(call.xid, caller, args.prog, args.vers, args.proc)
        family = transport(caller.netid).family
        target = ForwardTarget(args.prog, args.vers, args.proc, family, port_of(found.r_addr))
        results = await self.forwarder.call(key, target, args.args, call.credential)
        return self.address(call, found, b""), results

    def _target(self, call: Call, args: call_args | rpcb_rmtcallargs) -> rpcb:
        netid = call.caller.netid.encode()
        found = self.registry.find(args.prog, args.vers, netid)
        self.statistics.forwarded(
            _vers(call),
            (args.prog, args.vers, args.proc),
            netid,
            indirect=call.procedure is RPCBVERS4.RPCBPROC_INDIRECT,
            success=found is not None,
        )
        if found is None:
            raise ProgramUnavailable
        if found.r_vers != args.vers:
            raise ProgramMismatch(*self.registry.range_of(args.prog, netid))
        return found


def ignore_if_sent_to_many(call: Call) -> None:
    """Ignore a broadcast call for a list; RFC 1833 has CALLIT for broadcasts.

    Raises:
        NoReply: the call came by broadcast or multicast.
    """
    if call.caller.to_group:
        raise NoReply


def _vers(call: Call) -> int:
    return call.procedure.version.vers


def _listed(at: Transport, uaddr: bytes) -> rpcb_entry:
    return rpcb_entry(uaddr, at.netid.encode(), at.semantics, at.family.encode(), at.proto.encode())


class PortmapService(PMAP_VERS.Service):
    """Version 2 (RFC 1833 §3): the registrations of netid tcp and udp, by port."""

    def __init__(self, mapper: Mapper) -> None:
        self.mapper = mapper

    def PMAPPROC_SET(self, call: Call, arg: mapping) -> bool:
        """Ports are cut to 16 bits, as in C; protocols other than TCP and UDP have no netid."""
        netid = NETIDS.get(arg.prot, b"")
        uaddr = join_uaddr("0.0.0.0", arg.port & 0xFFFF).encode()
        return self.mapper.set(call, rpcb(arg.prog, arg.vers, netid, uaddr, b""))

    def PMAPPROC_UNSET(self, call: Call, arg: mapping) -> bool:
        """Both protocols, whichever the call names; True if one of them could be removed."""
        done = self.mapper.unset(call, arg.prog, arg.vers, NETIDS.values())
        self.mapper.statistics.was_unset(2, success=done)
        return done

    @pure
    def PMAPPROC_GETPORT(self, call: Call, arg: mapping) -> int:
        """The port, of another version if this one is missing, or 0."""
        netid = NETIDS.get(arg.prot)
        found = self.mapper.registry.find(arg.prog, arg.vers, netid) if netid else None
        port = port_of(found.r_addr) if found else 0
        self.mapper.looked_up(call, arg.prog, arg.vers, netid or b"tcp", success=port != 0)
        return port

    @pure
    def PMAPPROC_DUMP(self, call: Call) -> list[pmaplist]:
        return self.mapper.dump(call, lambda: map(pmaplist, self.mapper.registry.mappings()))

    @idempotent
    @silent
    async def PMAPPROC_CALLIT(self, call: Call, arg: call_args) -> call_result:
        uaddr, results = await self.mapper.forward(call, arg)
        host, port = split_uaddr(uaddr.decode())
        if family_of(host) != "inet":
            raise NoReply
        return call_result(port, results)


class _Rpcb:
    """The procedures that versions 3 and 4 share (RFC 1833 §2.2.1)."""

    def __init__(self, mapper: Mapper) -> None:
        self.mapper = mapper

    def RPCBPROC_SET(self, call: Call, arg: rpcb) -> bool:
        return self.mapper.set(call, arg)

    def RPCBPROC_UNSET(self, call: Call, arg: rpcb) -> bool:
        done = self.mapper.unset(call, arg.r_prog, arg.r_vers, (arg.r_netid,))
        self.mapper.statistics.was_unset(_vers(call), success=done)
        return done

    @pure
    def RPCBPROC_GETADDR(self, call: Call, arg: rpcb) -> bytes:
        """The transport of the call decides, not the netid of the argument."""
        netid = call.caller.netid.encode()
        found = self.mapper.registry.find(arg.r_prog, arg.r_vers, netid)
        return self._answer(call, arg, found, netid)

    def _answer(self, call: Call, arg: rpcb, found: rpcb | None, netid: bytes) -> bytes:
        uaddr = self.mapper.address(call, found, arg.r_addr)
        self.mapper.looked_up(call, arg.r_prog, arg.r_vers, netid, success=bool(uaddr))
        return uaddr

    @pure
    def RPCBPROC_DUMP(self, call: Call) -> list[rp__list]:
        return self.mapper.dump(call, lambda: map(rp__list, self.mapper.registry))

    @idempotent
    def RPCBPROC_GETTIME(self, call: Call) -> int:
        return int(self.mapper.now()) & 0xFFFFFFFF

    @pure
    def RPCBPROC_UADDR2TADDR(self, call: Call, arg: bytes) -> netbuf:
        return sockaddr_of(arg, transport(call.caller.netid))

    @pure
    def RPCBPROC_TADDR2UADDR(self, call: Call, arg: netbuf) -> bytes:
        if len(arg.buf) > arg.maxlen:
            raise GarbageArguments
        return uaddr_of(arg.buf, transport(call.caller.netid))

    async def _forward(self, call: Call, arg: rpcb_rmtcallargs) -> rpcb_rmtcallres:
        uaddr, results = await self.mapper.forward(call, arg)
        return rpcb_rmtcallres(uaddr, results)


class RpcbService(_Rpcb, RPCBVERS.Service):
    """Version 3."""

    @idempotent
    @silent
    async def RPCBPROC_CALLIT(self, call: Call, arg: rpcb_rmtcallargs) -> rpcb_rmtcallres:
        return await self._forward(call, arg)


class Rpcb4Service(_Rpcb, RPCBVERS4.Service):
    """Version 4 (RFC 1833 §2.2.2)."""

    @idempotent
    @silent
    async def RPCBPROC_BCAST(self, call: Call, arg: rpcb_rmtcallargs) -> rpcb_rmtcallres:
        return await self._forward(call, arg)

    @pure
    def RPCBPROC_GETVERSADDR(self, call: Call, arg: rpcb) -> bytes:
        """Like GETADDR, but never the address of another version."""
        netid = call.caller.netid.encode()
        found = self.mapper.registry.find_exactly(arg.r_prog, arg.r_vers, netid)
        return self._answer(call, arg, found, netid)

    @idempotent
    async def RPCBPROC_INDIRECT(self, call: Call, arg: rpcb_rmtcallargs) -> rpcb_rmtcallres:
        return await self._forward(call, arg)

    @pure
    def RPCBPROC_GETADDRLIST(self, call: Call, arg: rpcb) -> list[rpcb_entry_list]:
        listed = self.mapper.addresses(call, arg)
        netid = call.caller.netid.encode()
        self.mapper.looked_up(call, arg.r_prog, arg.r_vers, netid, success=bool(listed))
        return listed

    @idempotent
    def RPCBPROC_GETSTAT(self, call: Call) -> list[rpcb_stat]:
        ignore_if_sent_to_many(call)
        return self.mapper.statistics.report()
