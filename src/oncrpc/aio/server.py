"""A server over asyncio: endpoints of every transport around one dispatcher."""

from __future__ import annotations

import asyncio
import os
import socket
import time
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import Any

from oncrpc.addr import join_uaddr
from oncrpc.aio.connections import Carried, FairQueue, Pool
from oncrpc.aio.deputy import Deputy, DeputyListener, Receiver
from oncrpc.aio.epoll import Poller
from oncrpc.aio.guard import Guard
from oncrpc.aio.limits import LOCAL_LIMITS, Limits
from oncrpc.aio.link import AioLink
from oncrpc.aio.served_link import ServedLink
from oncrpc.aio.signals import ending_signals
from oncrpc.aio.stream import Connection, Listener
from oncrpc.aio.udp import UdpEndpoint
from oncrpc.rpc.auth import AUTH_NONE, Auth
from oncrpc.rpc.calls import DEFAULT_TIMEOUT
from oncrpc.rpc.dispatch import Dispatcher

SWEEP_EVERY = 1.0
"""Seconds between two looks at the time limits of connections."""

DRAIN = 2.0
"""Seconds that calls in progress have when a server closes."""


class Server:
    """Listeners of every transport that share a ``dispatcher``.

    By netid, ``addresses`` are universal addresses, of local sockets paths; ``endpoints`` are hosts
    and ports. The ``guard`` decides what a source may have; without one nothing is refused. A
    ``deputy`` serves the TCP connections in other processes.

    Between two events: every stream listener has one of the ``pools``, which own the connections;
    all pools share one queue, so that sources alternate across listeners, and one poller, which
    ``close`` closes last. After ``close`` there are no listeners.
    """

    def __init__(
        self,
        dispatcher: Dispatcher,
        *,
        limits: Limits | Mapping[str, Limits] | None = None,
        local_limits: Limits = LOCAL_LIMITS,
        guard: Guard | None = None,
        deputy: Deputy | None = None,
    ) -> None:
        self.dispatcher, self.guard, self.deputy = dispatcher, guard, deputy
        self.addresses: dict[str, str] = {}
        self.endpoints: dict[str, tuple[str, int]] = {}
        self.listeners: list[UdpEndpoint | Listener] = []
        self.limits = limits if isinstance(limits, Limits) else Limits()
        self._by_netid = limits if isinstance(limits, Mapping) else {}
        self._queue = FairQueue(time.monotonic)
        self._poller = Poller(asyncio.get_running_loop())
        self.pools = {"tcp": self._pool(self.limits), "local": self._pool(local_limits)}
        self._sweeper: asyncio.TimerHandle | None = None

    def __repr__(self) -> str:
        places = [
            f"{netid} {_shown(self.endpoints[netid]) if netid in self.endpoints else place}"
            for netid, place in self.addresses.items()
        ]
        return f"<Server {', '.join(places)}; connections: {len(self._connections())}>"

    def add(self, sock: socket.socket, netid: str, *, limits: Limits | None = None) -> None:
        """Serve a bound socket as that netid; a stream socket must be listening.

        With ``limits`` of its own a stream listener has its own pool of connections too.
        """
        limits = limits or self._by_netid.get(netid)
        if sock.family == socket.AF_UNIX:
            self.addresses.setdefault(netid, _path_of(sock.getsockname()))
            self._listen(sock, netid, "local", limits)
            return
        host, port = sock.getsockname()[:2]
        self.addresses[netid] = join_uaddr(host, port)
        self.endpoints[netid] = (host, port)
        if sock.type == socket.SOCK_DGRAM:
            self.listeners.append(
                UdpEndpoint(sock, netid, self.dispatcher, self.guard, limits=limits or self.limits)
            )
        else:
            self._listen(sock, netid, "tcp", limits)

    def _listen(self, sock: socket.socket, netid: str, kind: str, limits: Limits | None) -> None:
        pool = self.pools[kind]
        if limits is not None:
            pool = self.pools[f"{kind}/{len(self.pools)}"] = self._pool(limits)
        make: Callable[..., Listener] = Listener
        if self.deputy is not None and kind == "tcp":
            make = partial(DeputyListener, deputy=self.deputy)
        self.listeners.append(
            make(sock, netid, dispatcher=self.dispatcher, pool=pool, guard=self.guard)
        )

    def receive(self, netid: str, family: int) -> Receiver:
        """Serve connections that another process accepts as that netid."""
        sock = socket.socket(family, socket.SOCK_STREAM)
        made = Receiver(
            sock, netid, dispatcher=self.dispatcher, pool=self.pools["tcp"], guard=self.guard
        )
        self.listeners.append(made)
        return made

    def _pool(self, limits: Limits) -> Pool:
        return Pool(limits, time.monotonic, poller=self._poller, queue=self._queue)

    def look_again(self) -> None:
        """Call this when the interfaces of this host have changed."""
        for endpoint in self._udp():
            endpoint.look_again()

    def link_from(
        self,
        netid: str,
        peer: tuple[str, int],
        *,
        auth: Auth = AUTH_NONE,
        timeout: float = DEFAULT_TIMEOUT,
    ) -> AioLink:
        """A link to an address and port whose calls leave from the served UDP socket.

        ::

            callback = NLM4_VERS.Client(server.link_from("udp", (host, port)))

        It is open until it or the server is closed; a peer has at most one at a time.

        Raises:
            ValueError: no UDP socket of that netid is served, the host is not an address, or a
                link to the peer is open.
        """
        endpoint = next((e for e in self._udp() if e.netid == netid), None)
        if endpoint is None:
            raise ValueError(f"netid {netid} has no UDP socket that is served")
        return ServedLink(endpoint, peer, auth=auth, timeout=timeout)

    def start(self) -> None:
        """Begin to answer."""
        for endpoint in self.listeners:
            endpoint.start()
        self._sweep()

    async def wait(self) -> None:
        """Wait until SIGTERM or SIGINT, or until cancelled; a second signal acts as without this.

        Signals are seen in the main thread only.
        """
        ended = asyncio.Event()
        with ending_signals(ended.set):
            await ended.wait()

    async def freeze(self, *, drain: float = DRAIN) -> list[Carried]:
        """Answer nothing more until ``thaw``; calls in progress have ``drain`` seconds.

        Calls that arrive meanwhile wait in the sockets. Returns what another process needs to
        continue the open connections; the descriptors stay open here.
        """
        if self._sweeper is not None:
            self._sweeper.cancel()
        self._queue.hold()
        for endpoint in self.listeners:
            endpoint.stop()
        for connection in self._connections():
            connection.freeze()
        under_way = [*(c.calls for c in self._connections()), *(e.in_progress for e in self._udp())]
        await _wait([task for tasks in under_way for task in tasks], time.monotonic() + drain)
        carried = (connection.carried() for connection in self._connections())
        own = [found for found in carried if found is not None]
        return own if self.deputy is None else [*own, *await self.deputy.freeze()]

    def thaw(self) -> None:
        """Continue after ``freeze``."""
        if self.deputy is not None:
            self.deputy.thaw()
        self.start()
        for connection in self._connections():
            connection.thaw()
        self._queue.go_on()

    def adopt(self, connections: Iterable[Carried]) -> None:
        """Continue connections that another process has frozen, longest silent first."""
        listeners = [e for e in reversed(self.listeners) if isinstance(e, Listener)]
        by_netid = {listener.netid: listener for listener in listeners}
        for carried in connections:
            listener = by_netid.get(carried.netid)
            if listener is None:
                socket.close(carried.descriptor)
            else:
                listener.adopt(carried)

    def _udp(self) -> list[UdpEndpoint]:
        return [e for e in self.listeners if isinstance(e, UdpEndpoint)]

    def _connections(self) -> list[Connection]:
        return [c for pool in self.pools.values() for c in pool.connections]

    async def close(self, *, drain: float = DRAIN) -> None:
        """Stop accepting, give calls in progress ``drain`` seconds, then end every connection.

        May be called again.
        """
        if self._sweeper is not None:
            self._sweeper.cancel()
        datagrams, connections = self._udp(), self._stop()
        self.listeners = []
        until = time.monotonic() + drain
        under_way = [*(c.calls for c in connections), *(e.in_progress for e in datagrams)]
        await _wait([task for tasks in under_way for task in tasks], until)
        cancelled = [task for tasks in under_way for task in tasks]
        for endpoint in datagrams:
            endpoint.close()
        for connection in connections:
            connection.stream.close()
        if self.dispatcher.workers is not None:
            self.dispatcher.workers.close()
        await _wait([c.lost for c in connections], until)
        for connection in connections:
            connection.stream.abort()
        await _wait([*cancelled, *(c.lost for c in connections)], time.monotonic() + DRAIN)
        self._poller.close()

    def _stop(self) -> list[Connection]:
        """Accept no further datagram or connection. Returns the open connections."""
        for endpoint in self.listeners:
            if isinstance(endpoint, UdpEndpoint):
                endpoint.stop()
            else:
                endpoint.close()
        return self._connections()

    def _sweep(self) -> None:
        for pool in self.pools.values():
            pool.sweep()
        self._sweeper = asyncio.get_running_loop().call_later(SWEEP_EVERY, self._sweep)


def _shown(endpoint: tuple[str, int]) -> str:
    host, port = endpoint
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _path_of(name: str | bytes) -> str:
    """The address of a local socket: an absolute path, since clients have other directories."""
    if isinstance(name, bytes):
        return "@" + name[1:].decode()
    return name if name.startswith("/") else os.path.join(os.getcwd(), name)


async def _wait(futures: Iterable[asyncio.Future[Any]], until: float | None = None) -> None:
    """Wait until all are done, or it is ``until``."""
    pending = [future for future in futures if not future.done()]
    if pending:
        timeout = None if until is None else max(until - time.monotonic(), 0.0)
        await asyncio.wait(pending, timeout=timeout)
