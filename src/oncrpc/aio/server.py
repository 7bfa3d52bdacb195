"""Serving programs over asyncio: endpoints of every transport around one dispatcher."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from itertools import product
from typing import Any

from oncrpc.addr import RPCB_SOCKET, WILDCARDS, join_uaddr, transport
from oncrpc.aio.binding import binder
from oncrpc.aio.sockets import listen, listen_local
from oncrpc.aio.stream import Limits, Listener, Pool
from oncrpc.aio.udp import UdpEndpoint
from oncrpc.binder import Binder
from oncrpc.errors import NotRegistered, OncRpcError
from oncrpc.rpc.dispatch import Dispatcher
from oncrpc.rpc.program import Service, Version

VISIBLE = ("udp", "tcp", "udp6", "tcp6")
SWEEP_EVERY = 1.0
LOCAL_LIMITS = Limits(idle_time=None)
"""Local sockets: the kernel keeps one open for as long as it serves NFS."""


class Server:
    """Endpoints that share a dispatcher; ``addresses`` are theirs by netid."""

    def __init__(
        self,
        dispatcher: Dispatcher,
        *,
        limits: Limits | None = None,
        local_limits: Limits = LOCAL_LIMITS,
    ) -> None:
        self.dispatcher = dispatcher
        self.addresses: dict[str, str] = {}
        self.endpoints: list[UdpEndpoint | Listener] = []
        clock = time.monotonic
        self.pools = {"tcp": Pool(limits or Limits(), clock), "local": Pool(local_limits, clock)}
        self._sweeper: asyncio.TimerHandle | None = None

    def add(self, sock: socket.socket, netid: str) -> None:
        """Serve a socket that is bound, and if of a stream listening, as that netid."""
        if sock.family == socket.AF_UNIX:
            name = sock.getsockname()
            path = name if isinstance(name, str) else "@" + name[1:].decode()
            self.addresses.setdefault(netid, path)
            self.endpoints.append(Listener(sock, netid, self.dispatcher, self.pools["local"]))
            return
        host, port = sock.getsockname()[:2]
        self.addresses[netid] = join_uaddr(host, port)
        if sock.type == socket.SOCK_DGRAM:
            self.endpoints.append(UdpEndpoint(sock, netid, self.dispatcher))
        else:
            self.endpoints.append(Listener(sock, netid, self.dispatcher, self.pools["tcp"]))

    def start(self) -> None:
        """Begin to answer."""
        for endpoint in self.endpoints:
            endpoint.start()
        self._sweep()

    async def close(self, *, drain: float = 2.0) -> None:
        """Stop accepting, give calls under way ``drain`` seconds, then end every connection."""
        if self._sweeper is not None:
            self._sweeper.cancel()
        ending: list[asyncio.Future[Any]] = []
        for endpoint in self.endpoints:
            ending += endpoint.starting if isinstance(endpoint, Listener) else endpoint.waiting
            endpoint.close()
        await _wait(ending)
        connections = [c for pool in self.pools.values() for c in pool.connections]
        until = time.monotonic() + drain
        await _wait([task for c in connections for task in c.calls], until)
        for connection in connections:
            connection.transport.close()
        await _wait([c.lost for c in connections], until)
        for connection in connections:
            connection.transport.abort()
        await _wait([c.lost for c in connections])

    def _sweep(self) -> None:
        for pool in self.pools.values():
            pool.sweep()
        self._sweeper = asyncio.get_running_loop().call_later(SWEEP_EVERY, self._sweep)


async def _wait(futures: Iterable[asyncio.Future[Any]], until: float | None = None) -> None:
    """Wait until all are done, or it is ``until``."""
    pending = [future for future in futures if not future.done()]
    if pending:
        timeout = None if until is None else max(until - time.monotonic(), 0.0)
        await asyncio.wait(pending, timeout=timeout)


@asynccontextmanager
async def serve(
    *services: Service,
    netids: Sequence[str] = VISIBLE,
    host: str | None = None,
    port: int = 0,
    path: str | None = None,
    register: bool = False,
    limits: Limits | None = None,
    registrar: Binder = binder,
) -> AsyncIterator[Server]:
    """Serve programs while the context lasts.

    ``host`` is the address to bind, every address if None; a port of 0 is the kernel's choice;
    ``path`` is for the netid ``local``. With ``register`` the port mapper is told, and told again
    when the context ends.

    Raises:
        OSError: an address cannot be bound. NotRegistered: the port mapper refused.
    """
    server = Server(Dispatcher(services, clock=time.monotonic), limits=limits)
    registered: list[tuple[type[Version], str]] = []
    try:
        for netid in netids:
            server.add(_socket(netid, host, port, path), netid)
        server.start()
        if register:
            for place in product((service.version for service in services), server.addresses):
                registered.append(place)
                await _register(*place, server.addresses[place[1]], registrar)
        yield server
    finally:
        try:
            await _unregister(registered, registrar)
        finally:
            await server.close()


def _socket(netid: str, host: str | None, port: int, path: str | None) -> socket.socket:
    entry = transport(netid)
    if entry.family == "loopback":
        return listen_local(path or RPCB_SOCKET)
    return listen(entry, host or WILDCARDS[entry.family], port)


async def _register(version: type[Version], netid: str, uaddr: str, registrar: Binder) -> None:
    """As C servers do: forget what a former process left, then register the transport."""
    await registrar.unset(version.prog, version.vers, netid)
    if not await registrar.set(version.prog, version.vers, netid, uaddr):
        raise NotRegistered(
            f"the port mapper refused program {version.prog} version {version.vers}"
            f" on {netid}: somebody else has registered it"
        )


async def _unregister(registered: Iterable[tuple[type[Version], str]], registrar: Binder) -> None:
    """Take back what was registered, and nothing else: others may serve the program too."""
    for version, netid in registered:
        try:
            await registrar.unset(version.prog, version.vers, netid)
        except (OncRpcError, OSError):
            return
