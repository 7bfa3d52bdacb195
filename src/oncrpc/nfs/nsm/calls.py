"""The calls of the status monitor: notices to other hosts, and callbacks to programs of this one.

A host may match a notice by the name in it, by its source address, or by both. So the source is the
address that the host has called, and the notice is sent once with each name of this host. Hosts
ignore all but the first one with the same state. The port of the monitor comes from the host's port
mapper. UDP and TCP take turns.
"""

from __future__ import annotations

import asyncio
import errno
import os
import socket
from collections.abc import Sequence
from contextlib import suppress
from functools import cache, partial
from typing import Any, Protocol

from oncrpc.addr import LOOPBACKS, family_of, is_numeric, transport
from oncrpc.aio.link import AioLink, dial
from oncrpc.client.port_mapper import MapperClient, port_mapper
from oncrpc.errors import TransportError
from oncrpc.host.threads import Threads
from oncrpc.net.targets import first_of, netids_for
from oncrpc.nfs.nsm.entries import RestartNotice, RpcMonitor
from oncrpc.nfs.nsm.matching import address_in
from oncrpc.nfs.nsm.states import signed
from oncrpc.programs.portmap import PMAP_PORT
from oncrpc.programs.sm_inter import SM_VERS, stat_chge, status
from oncrpc.rpc.program import Procedure, Version

TIME = 2.0
"""Seconds for a host to answer a notice. Most hosts that do not answer at once are down."""

LOCALHOST = "localhost"
NO_RESERVED_PORT = frozenset({errno.EACCES, errno.EPERM, errno.EADDRINUSE})
NOT_OUR_ADDRESS = frozenset({errno.EADDRNOTAVAIL, errno.EINVAL})


class MonitorCalls(Protocol):
    """Makes one attempt of a call. Both raise an ``OncRpcError`` if it is not answered."""

    async def notify(self, notice: RestartNotice, state: int, attempt: int) -> None:
        """SM_NOTIFY: notify a host that this host has restarted."""

    async def call_back(self, monitor: RpcMonitor) -> None:
        """Notify a program that the host that it watches has restarted."""


class NetworkCalls:
    """``MonitorCalls`` over the network.

    ``mapper`` is the port mapper of this host, ``port`` that of those of other hosts.
    """

    def __init__(self, mapper: MapperClient | None = None, *, port: int = PMAP_PORT) -> None:
        self._mapper, self._port = mapper, port
        self._names: asyncio.Future[tuple[bytes, ...]] | None = None

    async def notify(self, notice: RestartNotice, state: int, attempt: int) -> None:
        """SM_NOTIFY with each name of this host, over UDP or over TCP."""
        netid = "tcp" if attempt % 2 else "udp"
        names = await self._names_in(notice)
        await first_of(netids_for(netid, notice.host), partial(self._notify, notice, state, names))

    async def _notify(
        self, notice: RestartNotice, state: int, names: Sequence[bytes], netid: str
    ) -> None:
        own_host = notice.own_host if _is_of_family(notice.own_host, netid) else ""
        mapper = MapperClient(partial(_open, own_host=own_host, reserved=False), port=self._port)
        port = await mapper.getport(notice.host, SM_VERS.prog, SM_VERS.vers, netid)
        # A port of TCP cannot be used again for a minute: many hosts would take all reserved ones.
        reserved = transport(netid).datagram
        link = await _open(netid, notice.host, port, own_host=own_host, reserved=reserved)
        try:
            for name in names:
                await SM_VERS.Client(link).SM_NOTIFY(stat_chge(name, signed(state)))
        finally:
            link.close()

    async def _names_in(self, notice: RestartNotice) -> list[bytes]:
        """The names of this host for a notice, the likeliest first."""
        if notice.my_name:
            return [*dict.fromkeys((notice.my_name, _short(notice.my_name)))]
        if self._names is None:  # all notices wait for one look-up
            self._names = Threads[tuple[bytes, ...]](1).start(own_names)
        if self._names is None:
            raise TransportError.number(errno.EAGAIN)
        names = await asyncio.shield(self._names)
        return [*names, notice.own_host.encode()]

    async def call_back(self, monitor: RpcMonitor) -> None:
        """Call the program over UDP on the loopback interface, from a reserved port.

        The kernel's lock manager demands both.
        """
        host = LOOPBACKS["inet"]
        plain = partial(_open, own_host="", reserved=False)
        mapper = port_mapper(None, plain) if self._mapper is None else self._mapper
        port = await mapper.getport(host, monitor.prog, monitor.vers, "udp")
        procedure = callback(monitor.prog, monitor.vers, monitor.proc)
        link = await _open("udp", host, port, own_host="", reserved=True)
        try:
            told = status(monitor.mon_name, signed(monitor.state), monitor.priv)
            await link.call(procedure, told)
        finally:
            link.close()


@cache
def callback(prog: int, vers: int, proc: int) -> Procedure[None, status]:
    """The procedure of a program that takes a ``status``."""
    procedure = Procedure[None, status](proc, status)
    declared: dict[str, Any] = {"NOTIFY": procedure}
    type("Told", (Version,), declared, prog=prog, vers=vers)
    return procedure


def own_names() -> tuple[bytes, ...]:
    """The names of this host: as it is set, with its domain, and without. This may block."""
    names = [socket.gethostname()]
    with suppress(UnicodeError):  # the name cannot be one of the domain name system
        names.append(socket.getfqdn(names[0]))
    usable = [os.fsencode(each) for each in names if not each.startswith(LOCALHOST)]
    return tuple(dict.fromkeys([*usable, *map(_short, usable)]))


def _short(name: bytes) -> bytes:
    return name if address_in(name) else name.partition(b".")[0]


def _is_of_family(host: str, netid: str) -> bool:
    return is_numeric(host) and family_of(host.partition("%")[0]) == transport(netid).family


async def _open(netid: str, host: str, port: int, *, own_host: str, reserved: bool) -> AioLink:
    """A link from this address and a reserved port, or from others if these cannot be had."""
    call = partial(dial, netid, host, port, timeout=TIME)
    try:
        return await call(own_host=own_host, reserved_port=reserved)
    except TransportError as error:
        if error.errno in NO_RESERVED_PORT and reserved:
            return await _open(netid, host, port, own_host=own_host, reserved=False)
        if error.errno in NOT_OUR_ADDRESS and own_host:
            return await _open(netid, host, port, own_host="", reserved=reserved)
        raise
