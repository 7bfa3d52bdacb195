"""Serving programs over asyncio: endpoints of every transport around one dispatcher."""

from __future__ import annotations

import asyncio
import errno
import os
import signal
import socket
import time
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager, suppress
from itertools import product
from typing import Any, cast

from oncrpc.addr import (
    WILDCARDS,
    family_of,
    is_numeric,
    join_uaddr,
    split_uaddr,
    transport,
)
from oncrpc.aio.binding import binder
from oncrpc.aio.connections import Carried, Pool, Turns
from oncrpc.aio.epoll import Poller
from oncrpc.aio.guard import Guard
from oncrpc.aio.limits import LOCAL_LIMITS, Limits
from oncrpc.aio.stream import Connection, Listener
from oncrpc.aio.udp import UdpEndpoint
from oncrpc.checks import check_kind, check_seconds
from oncrpc.errors import AddressError, NotRegistered, OncRpcError
from oncrpc.net.sockets import join_group, listen, listen_local
from oncrpc.net.targets import check_netid, check_port
from oncrpc.rpc.auth import Judge
from oncrpc.rpc.dispatch import Dispatcher
from oncrpc.rpc.program import Hook, Service, Version
from oncrpc.rpcbind import Binder

VISIBLE = ("udp", "tcp", "udp6", "tcp6")
SWEEP_EVERY = 1.0
"""Seconds between two looks at the time limits of connections."""

DRAIN = 2.0
"""Seconds that calls in progress have when a server closes."""

ENDING = (signal.SIGTERM, signal.SIGINT)
NOT_HERE = (
    errno.EAFNOSUPPORT, errno.EPROTONOSUPPORT, errno.EADDRNOTAVAIL,
    socket.EAI_NONAME, socket.EAI_ADDRFAMILY,
)  # fmt: skip
NONE = type(None)
KINDS: dict[str, tuple[type, ...]] = {
    "host": (str, NONE), "path": (str, NONE), "hooks": (Sequence,), "auth": (Judge, NONE),
    "limits": (Limits, Mapping, NONE), "registrar": (Binder,),
}  # fmt: skip
"""What ``serve`` takes."""


class Server:
    """Endpoints that share a ``dispatcher``; ``addresses`` are their universal ones by netid.

    The ``guard`` tells what sources of datagrams may have; without one they may have everything.
    """

    def __init__(
        self,
        dispatcher: Dispatcher,
        *,
        limits: Limits | Mapping[str, Limits] | None = None,
        local_limits: Limits = LOCAL_LIMITS,
        guard: Guard | None = None,
    ) -> None:
        self.dispatcher, self.guard = dispatcher, guard
        self.addresses: dict[str, str] = {}
        self.endpoints: list[UdpEndpoint | Listener] = []
        self.limits = limits if isinstance(limits, Limits) else Limits()
        self._by_netid = limits if isinstance(limits, Mapping) else {}
        self._turns = Turns(time.monotonic)
        self._poller = Poller(asyncio.get_running_loop())
        self.pools = {"tcp": self._pool(self.limits), "local": self._pool(local_limits)}
        self._sweeper: asyncio.TimerHandle | None = None

    def add(self, sock: socket.socket, netid: str, *, limits: Limits | None = None) -> None:
        """Serve a socket that is bound, and if of a stream listening, as that netid.

        With ``limits`` of its own a stream listener has its own pool of connections too.
        """
        limits = limits or self._by_netid.get(netid)
        if sock.family == socket.AF_UNIX:
            self.addresses.setdefault(netid, _path_of(sock.getsockname()))
            self._listen(sock, netid, "local", limits)
            return
        host, port = sock.getsockname()[:2]
        self.addresses[netid] = join_uaddr(host, port)
        if sock.type == socket.SOCK_DGRAM:
            self.endpoints.append(
                UdpEndpoint(sock, netid, self.dispatcher, self.guard, limits=limits or self.limits)
            )
        else:
            self._listen(sock, netid, "tcp", limits)

    def _listen(self, sock: socket.socket, netid: str, kind: str, limits: Limits | None) -> None:
        pool = self.pools[kind]
        if limits is not None:
            pool = self.pools[f"{kind}/{len(self.pools)}"] = self._pool(limits)
        listener = Listener(sock, netid, dispatcher=self.dispatcher, pool=pool, guard=self.guard)
        self.endpoints.append(listener)

    def _pool(self, limits: Limits) -> Pool:
        return Pool(limits, time.monotonic, poller=self._poller, turns=self._turns)

    def look_again(self) -> None:
        """The interfaces of this host have changed; what is known of them is asked anew."""
        for endpoint in self._udp():
            endpoint.look_again()
            if endpoint.sock.family == socket.AF_INET6:
                join_group(endpoint.sock)

    def start(self) -> None:
        """Begin to answer."""
        for endpoint in self.endpoints:
            endpoint.start()
        self._sweep()

    async def wait(self) -> None:
        """Wait until SIGTERM or SIGINT, or until cancelled; a second signal acts as it did before.

        Signals are seen in the main thread only.
        """
        ended = asyncio.Event()
        with _told_of_signals(ended.set):
            await ended.wait()

    async def freeze(self, *, drain: float = DRAIN) -> list[Carried]:
        """Answer nothing more until ``thaw``, and give calls under way ``drain`` seconds.

        Whoever asks meanwhile waits in the sockets. The result is what another image of the program
        needs to go on with the open connections; the descriptors stay ours.
        """
        if self._sweeper is not None:
            self._sweeper.cancel()
        self._turns.hold()
        for endpoint in self.endpoints:
            endpoint.stop()
        for connection in self._connections():
            connection.freeze()
        under_way = [*(c.calls for c in self._connections()), *(e.waiting for e in self._udp())]
        await _wait([task for tasks in under_way for task in tasks], time.monotonic() + drain)
        carried = (connection.carried() for connection in self._connections())
        return [found for found in carried if found is not None]

    def thaw(self) -> None:
        """Go on after ``freeze``."""
        self.start()
        for connection in self._connections():
            connection.thaw()
        self._turns.go_on()

    def adopt(self, connections: Iterable[Carried]) -> None:
        """Go on with connections that another image has frozen, those silent for longest first."""
        listeners = [e for e in reversed(self.endpoints) if isinstance(e, Listener)]
        by_netid = {listener.netid: listener for listener in listeners}
        for carried in connections:
            listener = by_netid.get(carried.netid)
            if listener is None:
                socket.close(carried.descriptor)
            else:
                listener.adopt(carried)

    def _udp(self) -> list[UdpEndpoint]:
        return [e for e in self.endpoints if isinstance(e, UdpEndpoint)]

    def _connections(self) -> list[Connection]:
        return [c for pool in self.pools.values() for c in pool.connections]

    async def close(self, *, drain: float = DRAIN) -> None:
        """Stop accepting, give calls under way ``drain`` seconds, then end every connection.

        What is closed already stays so.
        """
        if self._sweeper is not None:
            self._sweeper.cancel()
        datagrams, connections = self._udp(), self._stop()
        self.endpoints = []
        until = time.monotonic() + drain
        under_way = [*(c.calls for c in connections), *(e.waiting for e in datagrams)]
        await _wait([task for tasks in under_way for task in tasks], until)
        cancelled = [task for tasks in under_way for task in tasks]
        for endpoint in datagrams:
            endpoint.close()
        for connection in connections:
            connection.wire.close()
        await _wait([c.lost for c in connections], until)
        for connection in connections:
            connection.wire.abort()
        await _wait([*cancelled, *(c.lost for c in connections)], time.monotonic() + DRAIN)
        self._poller.close()

    def _stop(self) -> list[Connection]:
        """Take no further datagram or connection; the connections that there are."""
        for endpoint in self.endpoints:
            if isinstance(endpoint, UdpEndpoint):
                endpoint.stop()
            else:
                endpoint.close()
        return self._connections()

    def _sweep(self) -> None:
        for pool in self.pools.values():
            pool.sweep()
        self._sweeper = asyncio.get_running_loop().call_later(SWEEP_EVERY, self._sweep)


def _path_of(name: str | bytes) -> str:
    """The address of a local socket by its name; whoever looks it up is in another directory."""
    if isinstance(name, bytes):
        return "@" + name[1:].decode()
    return name if name.startswith("/") else os.path.join(os.getcwd(), name)


async def _wait(futures: Iterable[asyncio.Future[Any]], until: float | None = None) -> None:
    """Wait until all are done, or it is ``until``."""
    pending = [future for future in futures if not future.done()]
    if pending:
        timeout = None if until is None else max(until - time.monotonic(), 0.0)
        await asyncio.wait(pending, timeout=timeout)


_Told = tuple[list[Callable[[], None]], dict[signal.Signals, Any]]
_told: dict[asyncio.AbstractEventLoop, _Told] = {}
"""Who waits for signals, by event loop, and what the signals did before."""


@contextmanager
def _told_of_signals(tell: Callable[[], None]) -> Iterator[None]:
    """Have the event loop tell of the signals that end a server, together with all others told."""
    loop = asyncio.get_running_loop()
    told, before = _told.setdefault(loop, ([], {}))
    if not told:
        with suppress(RuntimeError, ValueError):  # not the main thread
            for number in ENDING:
                handler = signal.getsignal(number)
                loop.add_signal_handler(number, lambda: [each() for each in told])
                before[number] = handler
    told.append(tell)
    try:
        yield
    finally:
        told.remove(tell)
        restored = {} if told else _told.pop(loop)[1]
        for number, handler in restored.items():
            loop.remove_signal_handler(number)
            signal.signal(number, handler or signal.SIG_DFL)


@asynccontextmanager
async def serve(
    *services: Service,
    transports: Sequence[str] | None = None,
    host: str | None = None,
    port: int = 0,
    path: str | None = None,
    register: bool = False,
    hooks: Sequence[Hook] = (),
    auth: Judge | None = None,
    limits: Limits | Mapping[str, Limits] | None = None,
    drain: float = DRAIN,
    registrar: Binder = binder,
) -> AsyncIterator[Server]:
    """Serve programs while the context lasts.

    ::

        async with oncrpc.serve(Greeter(), register=True) as server:
            await server.wait()

    ``transports`` are netids; without them UDP and TCP over the IP versions that this host has.
    ``host`` is the address to bind, every address if None; a port of 0 is the kernel's choice;
    ``path`` is for the netid ``local``, which needs one. With ``register`` the port mapper is told,
    and told again when the context ends, also by an exception or because it is cancelled; then
    calls under way have ``drain`` seconds. The ``hooks`` stand around every call, the first one
    outermost; ``auth`` judges the credentials. ``limits`` are those of TCP and UDP, or a mapping
    from netids to limits.

    Raises:
        OSError: an address cannot be bound. NotRegistered: the port mapper refused.
        ValueError: no service, no such transport, or no such port. TypeError: no such kind.
    """
    _check(drain, host=host, path=path, hooks=hooks, auth=auth, limits=limits, registrar=registrar)
    dispatcher = Dispatcher(_some(services), clock=time.monotonic, hooks=hooks, auth=auth)
    server = Server(dispatcher, limits=limits)
    registered: list[tuple[type[Version], str]] = []
    try:
        for netid, sock in _sockets(transports, host, port, path):
            server.add(sock, netid)
        _start(server, host)
        if register:
            for place in product((service.version for service in services), server.addresses):
                registered.append(place)
                await _register(*place, server.addresses[place[1]], registrar)
        yield server
    finally:
        try:
            await _unregister(registered, server.addresses, registrar)
        finally:
            await server.close(drain=drain)


def _check(drain: float, **options: object) -> None:
    """Refuse what cannot be, before anything is bound."""
    check_seconds("drain", drain)
    for name, value in options.items():
        check_kind(name, value, *KINDS[name])
    if isinstance(options["limits"], Mapping):
        for limits in options["limits"].values():
            check_kind("limits", limits, Limits)
    for hook in cast(Sequence[object], options["hooks"]):
        if not callable(hook):
            raise TypeError(f"hooks are callables that stand around a call, not {hook!r}")


def _some(services: Sequence[Service]) -> Sequence[Service]:
    if not services:
        raise ValueError("there is no service to serve")
    return services


def _start(server: Server, host: str | None) -> None:
    if not server.endpoints:
        raise AddressError(f"there is no transport to serve on {host or 'this host'}")
    server.start()


def _sockets(
    netids: Sequence[str] | None, host: str | None, port: int, path: str | None
) -> Iterator[tuple[str, socket.socket]]:
    """A bound socket of every netid; if none is named, of those that this host has."""
    check_port(port)
    if isinstance(netids, str):
        raise TypeError(f"transports are netids, such as ({netids!r},), not {netids!r}")
    if netids is not None:
        check_kind("transports", netids, Sequence)
        for netid in netids:
            check_netid("transports", netid)
    for netid in VISIBLE if netids is None else netids:
        try:
            if netids is not None or _could_have(netid, host):
                yield netid, _socket(netid, host, port, path)
        except AddressError:
            if netids is not None:
                raise
        except OSError as error:
            if netids is not None or error.errno not in NOT_HERE:
                raise


def _could_have(netid: str, host: str | None) -> bool:
    """Whether a host is an address of the transport's family, as far as can be seen."""
    numeric = host is not None and is_numeric(host)
    return not numeric or transport(netid).family == family_of((host or "").partition("%")[0])


def _socket(netid: str, host: str | None, port: int, path: str | None) -> socket.socket:
    entry = transport(netid)
    local = entry.family == "loopback"
    if local and not path:  # nor a default: the well-known one is the port mapper's
        raise AddressError(f"netid {netid} needs a path: serve(..., path='/run/hello.sock')")
    where = (path or "") if local else (host or WILDCARDS[entry.family])
    try:
        return listen_local(where) if local else listen(entry, where, port)
    except OSError as error:
        place = where if local else f"{where} port {port}"
        reason = f"cannot serve {netid} on {place}: {error.strerror or error}"
        raise type(error)(error.errno or errno.EIO, reason) from None


async def _register(version: type[Version], netid: str, uaddr: str, registrar: Binder) -> None:
    """As C servers do: forget what a former process left, then register the transport."""
    await registrar.unset(version.prog, version.vers, netid)
    if not await registrar.set(version.prog, version.vers, netid, uaddr):
        raise NotRegistered(
            f"the port mapper refused program {version.prog} version {version.vers}"
            f" on {netid}: somebody else has registered it"
        )


async def _unregister(
    registered: Sequence[tuple[type[Version], str]], addresses: Mapping[str, str], registrar: Binder
) -> None:
    """Take back what was registered and is still ours: others may serve the program by now."""
    if not registered:
        return
    with suppress(OncRpcError, OSError):
        listed = {
            (entry.r_prog, entry.r_vers, entry.r_netid.decode(errors="replace")): entry.r_addr
            for entry in await registrar.dump()
        }
        for version, netid in registered:
            found = listed.get((version.prog, version.vers, netid), b"").decode(errors="replace")
            if _port_or_path(found) == _port_or_path(addresses[netid]):
                await registrar.unset(version.prog, version.vers, netid)


def _port_or_path(uaddr: str) -> int | str:
    """What of an address a port mapper leaves as it is: it may put another host's into it."""
    try:
        return split_uaddr(uaddr)[1]
    except AddressError:
        return uaddr
