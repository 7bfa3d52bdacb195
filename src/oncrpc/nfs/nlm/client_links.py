"""Links to the lock managers of clients.

The port of a client's lock manager comes from the client's port mapper. The transport is the one
that the client used. The destination is the address from which the client called, and the source is
the address that it called: lock managers accept calls only from their server. So nothing is ever
sent to an address that is only named in a call.
"""

from __future__ import annotations

import asyncio
import socket
from collections import OrderedDict
from functools import partial
from typing import Any, NamedTuple, Protocol

from oncrpc.addr import transports
from oncrpc.aio.link import AioLink, dial
from oncrpc.caching import Bounded
from oncrpc.client.port_mapper import MapperClient
from oncrpc.errors import CallTimeout, ClientClosed, NotRegistered, OncRpcError, TransportError
from oncrpc.net.targets import bind_reserved
from oncrpc.programs.nlm import NLM_PROG
from oncrpc.programs.portmap import PMAP_PORT
from oncrpc.rpc import Call, auth_sys
from oncrpc.rpc.program import AnyProcedure

MAX_PORTS = 4096
"""Clients of which the port of the lock manager is remembered."""

MAX_LINKS = 256
"""Connections to lock managers of clients; another one takes the place of an unused or old one."""

IDLE = 300.0
"""Seconds after which an unused connection to a lock manager is closed."""

DIAL_TIME = 5.0
"""Seconds for a client's port mapper to answer, and again for its lock manager to accept."""


QUIET = 10.0
"""Seconds for which a client whose port mapper is silent is not asked again.

The source of a datagram can be forged. This bounds what is sent to the victim.
"""

MAX_SILENT = 4096
"""Clients that are known to have a silent port mapper."""


class ClientPlace(NamedTuple):
    """Where a client's lock manager is called, and the address of this host that calls it."""

    host: str
    own_host: str
    netid: str
    vers: int


def place_of(call: Call) -> ClientPlace | None:
    """The place for calls back to a caller; None if it has none, as over a local socket."""
    caller = call.caller
    if caller.source is None:
        return None
    netid = "udp" if caller.datagram else "tcp"
    if ":" in caller.host:
        netid += "6"
    if netid not in transports():
        return None
    own = "" if caller.local is None or caller.to_group else _scoped(caller.local)
    return ClientPlace(_scoped(caller.source), own, netid, call.procedure.version.vers)


class CallsClients(Protocol):
    """Calls the lock managers of clients (``ClientLinks``)."""

    async def call(
        self, place: ClientPlace, procedure: AnyProcedure, argument: object, *, timeout: float
    ) -> Any: ...
    def prepare(self, place: ClientPlace) -> None: ...
    def close(self) -> None: ...


class ClientLink:
    """A link that is being dialed, or was: how many calls use it, and when the last one ended."""

    __slots__ = ("calls", "task", "used")

    def __init__(self, task: asyncio.Task[AioLink], now: float) -> None:
        self.task, self.used, self.calls = task, now, 0

    @property
    def works(self) -> bool:
        """Whether a call can be made, or may be as soon as it is dialed."""
        if not self.task.done():
            return True
        return _has_link(self.task) and self.task.result().works

    def close(self) -> None:
        """Close it; calls in progress fail."""
        self.task.cancel()
        if _has_link(self.task):
            self.task.result().close()


class ClientLinks:
    """Opens links to lock managers when they are called, and keeps them for further calls.

    ``_ports``, ``_silent`` and ``_links`` are caches by ``ClientPlace``. A port is forgotten when a
    call fails, for the client may have restarted with another one. ``_silent`` has the times until
    which a port mapper that did not answer is left alone. Bounds: ``MAX_PORTS``, ``MAX_SILENT`` and
    ``max_links``; the one that was used longest ago goes first, of the links rather one that no
    call uses. A link also goes when a call fails, and when it was not used for ``IDLE`` seconds.
    ``mapper_port`` is the port of the clients' port mappers.
    """

    def __init__(self, *, mapper_port: int = PMAP_PORT, max_links: int = MAX_LINKS) -> None:
        self.mapper_port, self.max_links = mapper_port, max_links
        self._ports = Bounded[ClientPlace, int](MAX_PORTS)
        self._silent = Bounded[ClientPlace, float](MAX_SILENT)
        self._links: OrderedDict[ClientPlace, ClientLink] = OrderedDict()
        self._reserved: bool | None = None
        self._timer: asyncio.TimerHandle | None = None

    def __len__(self) -> int:
        return len(self._links)

    def prepare(self, place: ClientPlace) -> None:
        """Begin to connect, so that a later call need not wait for that. A failure is not told."""
        self._link(place)

    async def call(
        self, place: ClientPlace, procedure: AnyProcedure, argument: object, *, timeout: float
    ) -> Any:
        """Call the lock manager at a place, and return its result.

        A procedure without a result is a message, to which many lock managers do not reply. For
        these it is enough that it was sent.

        Raises:
            OncRpcError: it cannot be reached, does not answer, or refuses the call.
        """
        link = self._link(place)
        link.calls += 1
        try:
            made = await _dialed(link.task)
            try:
                return await made.call(procedure, argument, timeout=timeout)
            except CallTimeout:
                if procedure.result is not None:
                    raise
        except OncRpcError:
            self._drop(place, link)
            raise
        finally:
            link.calls -= 1
            link.used = _now()

    def close(self) -> None:
        """Close all links."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        while self._links:
            self._links.popitem()[1].close()

    def _link(self, place: ClientPlace) -> ClientLink:
        """The link to a place, dialed if there is none that works."""
        link = self._links.get(place)
        if link is not None and not link.works:
            self._drop(place, link)
            link = None
        if link is None:
            self._make_room()
            task = asyncio.ensure_future(self._dial(place))
            task.add_done_callback(_note_failure)
            link = self._links[place] = ClientLink(task, _now())
            self._watch()
        self._links.move_to_end(place)
        return link

    def _make_room(self) -> None:
        if len(self._links) < self.max_links:
            return
        oldest = next(iter(self._links))
        unused = (place for place, link in self._links.items() if not link.calls)
        self._links.pop(next(unused, oldest)).close()

    def _drop(self, place: ClientPlace, link: ClientLink) -> None:
        """Close a link, and forget the port that it leads to, unless another has replaced it."""
        if self._links.get(place) is link:
            del self._links[place]
            self._ports.pop(place, None)
        link.close()

    async def _dial(self, place: ClientPlace) -> AioLink:
        port = self._ports.get(place) or await self._look_up(place)
        self._ports.keep(place, port)
        return await dial(
            place.netid, place.host, port,
            own_host=place.own_host, auth=auth_sys(_own_name(), 0, 0), timeout=DIAL_TIME,
            reserved_port=self._may_reserve(),
        )  # fmt: skip

    async def _look_up(self, place: ClientPlace) -> int:
        """The port, from the client's port mapper. The host in its reply is not used."""
        if _now() < self._silent.get(place, 0.0):
            raise NotRegistered(f"the port mapper of {place.host} was silent a moment ago")
        own_dial = partial(dial, own_host=place.own_host, timeout=DIAL_TIME)
        mapper = MapperClient(own_dial, port=self.mapper_port)
        try:
            return await mapper.getport(place.host, NLM_PROG, place.vers, place.netid)
        except (CallTimeout, TransportError):
            self._silent.keep(place, _now() + QUIET)
            raise

    def _may_reserve(self) -> bool:
        """Whether this process can bind reserved ports, from which some clients want calls."""
        if self._reserved is None:
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
                try:
                    bind_reserved(sock)
                    self._reserved = True
                except OSError:
                    self._reserved = False
        return self._reserved

    def _watch(self) -> None:
        """Close unused links after a while."""
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(IDLE, self._close_unused)

    def _close_unused(self) -> None:
        self._timer = None
        before = _now() - IDLE
        for place, link in list(self._links.items()):
            if not link.calls and link.used <= before:
                del self._links[place]
                link.close()
        if self._links:
            self._watch()


async def _dialed(task: asyncio.Task[AioLink]) -> AioLink:
    """The link, once it is connected. A caller who stops waiting does not stop the others.

    Raises:
        OncRpcError: it cannot be connected. ClientClosed: it was closed meanwhile.
    """
    await asyncio.wait([task])
    if task.cancelled():
        raise ClientClosed.at("a client's lock manager")
    return task.result()


def _has_link(task: asyncio.Task[AioLink]) -> bool:
    return task.done() and not task.cancelled() and task.exception() is None


def _note_failure(task: asyncio.Task[AioLink]) -> None:
    """Read the exception: all who waited for it may have given up."""
    if not task.cancelled():
        task.exception()


def _scoped(address: tuple[str, int, int]) -> str:
    """The host of an address, with the interface of a link-local one."""
    host, _, scope = address
    return f"{host}%{scope}" if scope and "%" not in host else host


def _own_name() -> bytes:
    return socket.gethostname().encode()


def _now() -> float:
    return asyncio.get_running_loop().time()
