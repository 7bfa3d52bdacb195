"""``oncrpc.serve``: open sockets, serve programs on them, and register them."""

from __future__ import annotations

import errno
import socket
import time
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from itertools import product

from oncrpc.addr import WILDCARDS, family_of, is_numeric, split_uaddr, transport
from oncrpc.aio.limits import Limits
from oncrpc.aio.link import dial
from oncrpc.aio.server import DRAIN, Server
from oncrpc.aio.udp import check_datagram
from oncrpc.aio.workers import WorkerPool
from oncrpc.checks import check_kind, check_seconds
from oncrpc.client.port_mapper import MapperClient, port_mapper
from oncrpc.errors import AddressError, NotRegistered, OncRpcError
from oncrpc.net.sockets import listen, listen_local
from oncrpc.net.targets import check_netid, check_port
from oncrpc.rpc.auth import Judge
from oncrpc.rpc.dispatch import Dispatcher
from oncrpc.rpc.duplicates import DuplicateCache
from oncrpc.rpc.program import Hook, Service, Version
from oncrpc.rpc.workers import is_in_worker

VISIBLE = ("udp", "tcp", "udp6", "tcp6")
NOT_HERE = (
    errno.EAFNOSUPPORT, errno.EPROTONOSUPPORT, errno.EADDRNOTAVAIL,
    socket.EAI_NONAME, socket.EAI_ADDRFAMILY,
)  # fmt: skip
NONE = type(None)
KINDS: dict[str, tuple[type, ...]] = {
    "host": (str, NONE), "path": (str, NONE), "limits": (Limits, Mapping, NONE),
    "register": (bool, str, MapperClient),
}  # fmt: skip
"""The types of arguments of ``serve``."""


@asynccontextmanager
async def serve(
    *services: Service,
    transports: Sequence[str] | None = None,
    host: str | None = None,
    port: int = 0,
    path: str | None = None,
    register: bool | str | MapperClient = False,
    hooks: Sequence[Hook] = (),
    auth: Judge | None = None,
    duplicates: DuplicateCache | None = None,
    workers: WorkerPool | None = None,
    limits: Limits | Mapping[str, Limits] | None = None,
    drain: float = DRAIN,
) -> AsyncIterator[Server]:
    """Serve programs while the context lasts.

    ::

        async with oncrpc.serve(Greeter(), register=True) as server:
            await server.wait()

    ``transports`` are netids; by default UDP and TCP over the IP versions that this host has.
    ``host`` is the address to bind, by default every address; port 0 lets the kernel choose.
    ``path`` is the socket file of the netid ``local``: it replaces a socket that is there, in use
    or not, and is left behind at the end. ``register=True`` registers the programs
    with this host's port mapper, or the one in ONCRPC_MAPPER; ``register="127.0.0.1:10111"`` with
    that one. When the context ends, they are removed from it; calls in progress then have ``drain``
    seconds. ``hooks`` run around every call, the first one outermost; ``auth`` judges credentials;
    ``duplicates`` keeps the replies to retransmitted calls; ``workers`` run the handlers that are
    marked ``rpc.in_worker``. ``limits`` apply to UDP and TCP; a mapping gives them by netid.

    Raises:
        OSError: an address cannot be bound. NotRegistered: the port mapper refused.
        ValueError: no service, no such transport, or no such port. TypeError: no such kind.
    """
    _check(drain, hooks, host=host, path=path, limits=limits, register=register)
    dispatcher = _dispatcher(services, hooks, auth, duplicates=duplicates, workers=workers)
    mapper = port_mapper(None if isinstance(register, bool) else register, dial)
    server = Server(dispatcher, limits=limits)
    async with AsyncExitStack() as ending:
        ending.push_async_callback(server.close, drain=drain)
        for netid, sock in _sockets(transports, host, port, path):
            server.add(sock, netid)
        _start(server, host)
        if register:
            registration = _Registration(services, server, mapper)
            ending.push_async_callback(registration.undo)
            await registration.make()
        yield server


def _check(drain: float, hooks: Sequence[Hook], **options: object) -> None:
    """Refuse invalid arguments before anything is bound."""
    check_seconds("drain", drain)
    check_kind("hooks", hooks, Sequence)
    for name, value in options.items():
        check_kind(name, value, *KINDS[name])
    limits = options["limits"]
    for each in limits.values() if isinstance(limits, Mapping) else (limits or Limits(),):
        check_kind("limits", each, Limits)
        assert isinstance(each, Limits)
        check_datagram(each)
    for hook in hooks:
        if not callable(hook):
            raise TypeError(f"hooks are callables that stand around a call, not {hook!r}")


def _dispatcher(
    services: Sequence[Service],
    hooks: Sequence[Hook],
    auth: Judge | None,
    *,
    duplicates: DuplicateCache | None,
    workers: WorkerPool | None,
) -> Dispatcher:
    check_kind("auth", auth, Judge, NONE)
    check_kind("duplicates", duplicates, DuplicateCache, NONE)
    check_kind("workers", workers, WorkerPool, NONE)
    if not services:
        raise ValueError("serve needs at least one service")
    dispatcher = Dispatcher(
        services, clock=time.monotonic, hooks=hooks, auth=auth, duplicates=duplicates
    )
    if workers is None and any(_has_blocking(service) for service in services):
        workers = WorkerPool()
    dispatcher.workers = workers
    return dispatcher


def _has_blocking(service: Service) -> bool:
    return any(is_in_worker(handler) for handler in service.handlers().values())


def _start(server: Server, host: str | None) -> None:
    if not server.listeners:
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


class _Registration:
    """The registrations of a server with a port mapper, to be removed when it ends."""

    def __init__(self, services: Sequence[Service], server: Server, mapper: MapperClient) -> None:
        self.services, self.server, self.mapper = services, server, mapper
        self._made: list[tuple[type[Version], str]] = []

    async def make(self) -> None:
        """As C servers do: forget what a former process left, then register each transport.

        Raises:
            NotRegistered: the port mapper refused.
        """
        for version, netid in product((s.version for s in self.services), self.server.addresses):
            self._made.append((version, netid))
            await self.mapper.unset(version.prog, version.vers, netid)
            uaddr = self.server.addresses[netid]
            if not await self.mapper.set(version.prog, version.vers, netid, uaddr):
                raise NotRegistered(
                    f"the port mapper refused program {version.prog} version {version.vers}"
                    f" on {netid}: somebody else has registered it"
                )

    async def undo(self) -> None:
        """Remove what is still ours: others may serve the program by now."""
        if not self._made:
            return
        with suppress(OncRpcError, OSError):
            listed = {
                (entry.r_prog, entry.r_vers, entry.r_netid.decode(errors="replace")): entry.r_addr
                for entry in await self.mapper.dump()
            }
            for version, netid in self._made:
                found = listed.get((version.prog, version.vers, netid), b"")
                ours = _port_or_path(self.server.addresses[netid])
                if _port_or_path(found.decode(errors="replace")) == ours:
                    await self.mapper.unset(version.prog, version.vers, netid)


def _port_or_path(uaddr: str) -> int | str:
    """The part of an address that a port mapper keeps: it may replace the host."""
    try:
        return split_uaddr(uaddr)[1]
    except AddressError:
        return uaddr
