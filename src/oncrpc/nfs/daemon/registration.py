"""Registering the programs with the port mapper of this host, and again when that restarts.

The registrations are checked at an interval, since a port mapper that restarts may have lost them.
The first time those of a former process are replaced; a server that answers keeps its own. Later
only missing ones are made again: another server that has registered meanwhile keeps them.
"""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress

from oncrpc.addr import split_uaddr
from oncrpc.client.port_mapper import LOCAL_HOSTS, RPCB_ABSTRACT, RPCB_SOCKET, MapperClient
from oncrpc.errors import AddressError, OncRpcError, PortMapperUnreachable, TransportError
from oncrpc.nfs.daemon.rivals import Answers, ProgramPlace, answers_call, foreign_text
from oncrpc.programs.portmap import PMAP_PORT
from oncrpc.rpc import Version

log = logging.getLogger("oncrpc.nfs")

EVERY = 5.0
"""Seconds between two checks."""

FIRST_PAUSE, LONGEST_PAUSE = 1.0, 60.0
"""Seconds to wait after a failure: twice as long each time."""

PATIENCE = 3.0
"""Seconds for the port mapper to answer at the end."""

PROBE_TIME = 1.0

LONGEST_WAIT = 10.0
"""Seconds to wait for the port mapper before the server goes on without it."""


def places_of(
    versions: Iterable[type[Version]], addresses: Mapping[str, str]
) -> Iterator[ProgramPlace]:
    """The versions on each transport."""
    for version in versions:
        for netid, uaddr in addresses.items():
            yield ProgramPlace(version.prog, version.vers, netid, uaddr)


def _do_nothing() -> None:
    """Nobody waits for the registrations."""


class RegistrationError(Exception):
    """The port mapper does not have our registrations; the text says why."""


class Registrar:
    """Keeps registrations with a port mapper, from ``start`` to ``stop``.

    ``fault`` says why not all of them are made, empty if they are; None before the first attempt.
    ``then`` is called once the registrations are made as far as possible; without a port mapper
    after ``LONGEST_WAIT``.
    """

    def __init__(
        self,
        mapper: MapperClient,
        places: Sequence[ProgramPlace],
        *,
        answers: Answers = answers_call,
        then: Callable[[], None] = _do_nothing,
    ) -> None:
        self.mapper, self.places = mapper, tuple(places)
        self._answers, self._then = answers, then
        self.fault: str | None = None
        self._replaces, self._has_ours = True, False
        self._pause = FIRST_PAUSE
        self._task: asyncio.Task[None] | None = None
        self._waits: asyncio.TimerHandle | None = None

    def start(self) -> None:
        """Begin to register, in the event loop."""
        self._waits = asyncio.get_running_loop().call_later(LONGEST_WAIT, self._go_on)
        self._task = asyncio.ensure_future(self._run())

    def _go_on(self) -> None:
        """Call ``then``, unless it was called before."""
        if self._waits is not None:
            self._waits.cancel()
        then, self._then = self._then, _do_nothing
        then()

    async def stop(self) -> None:
        """Remove the registrations that are still ours."""
        if self._waits is not None:
            self._waits.cancel()
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        if not self._has_ours:
            return
        with suppress(OncRpcError, OSError, TimeoutError):
            async with asyncio.timeout(PATIENCE):
                await self._remove()

    def abandon(self) -> None:
        """Stop and leave the registrations: the next image goes on with them."""
        if self._task is not None:
            self._task.cancel()

    async def _run(self) -> None:
        while True:
            await asyncio.sleep(await self.attempt())

    async def attempt(self) -> float:
        """Make what is missing. Returns the seconds until the next attempt."""
        try:
            await self._register()
        except (OncRpcError, OSError, RegistrationError) as error:
            self._note(_reason(error))
            if isinstance(error, RegistrationError):
                self._go_on()
            pause, self._pause = self._pause, min(2 * self._pause, LONGEST_PAUSE)
            return pause
        self._note("")
        self._go_on()
        self._pause = FIRST_PAUSE
        return EVERY

    def _note(self, fault: str) -> None:
        """Keep the outcome, and log it if it is another one."""
        if fault == self.fault:
            return
        if fault:
            log.warning("not registered with the port mapper: %s; trying again", fault)
        else:
            log.info("registered with the port mapper of this host")
        self.fault = fault

    async def _register(self) -> None:
        """Make the missing registrations.

        Raises:
            RegistrationError: another server has one, or the port mapper refuses.
            OncRpcError, OSError: the port mapper does not answer.
        """
        known = await self._known()
        faults: dict[int, str] = {}
        for place in self.places:
            found = known.get(place[:3])
            if found is not None and _same(found, place.uaddr):
                self._has_ours = True  # of the image before, or of a process that was killed
                continue
            if found is not None and await self._is_foreign(place._replace(uaddr=found)):
                faults.setdefault(place.prog, foreign_text(place.prog, found))
                continue
            if found is not None:
                await self.mapper.unset(*place[:3])
            self._has_ours = True
            if not await self.mapper.set(*place):
                refusal = f"it refused {_shown(place)}: another user has it"
                faults.setdefault(place.prog, refusal)
        self._replaces = False
        if faults:
            raise RegistrationError("; ".join(faults.values()))

    async def _is_foreign(self, place: ProgramPlace) -> bool:
        """Whether another server keeps this registration."""
        return not self._replaces or await self._answers(place)

    async def _remove(self) -> None:
        known = await self._known()
        for place in self.places:
            found = known.get(place[:3])
            if found is not None and _same(found, place.uaddr):
                await self.mapper.unset(*place[:3])

    async def _known(self) -> dict[tuple[int, int, str], str]:
        """What is registered."""
        return {
            (entry.r_prog, entry.r_vers, entry.r_netid.decode("ascii", "replace")): (
                entry.r_addr.decode("ascii", "replace")
            )
            for entry in await self.mapper.dump()
        }


def _reason(error: Exception) -> str:
    """The text of an error, without the remedy for programs that call a port mapper."""
    if isinstance(error, PortMapperUnreachable):
        return TransportError.__str__(error)
    return str(error) or type(error).__name__


def _same(one: str, other: str) -> bool:
    """Whether two addresses have the same port: a port mapper may replace the host."""
    try:
        return split_uaddr(one)[1] == split_uaddr(other)[1]
    except AddressError:
        return False


def _shown(place: ProgramPlace) -> str:
    return f"program {place.prog} version {place.vers} on {place.netid}"


def mapper_listens(
    paths: Sequence[str] = (RPCB_ABSTRACT, RPCB_SOCKET), *, port: int = PMAP_PORT
) -> bool:
    """Whether somebody listens where the port mapper of this host does."""
    for path in paths:
        with socket.socket(socket.AF_UNIX) as sock:
            sock.settimeout(PROBE_TIME)
            address = f"\0{path[1:]}" if path.startswith("@") else path
            if sock.connect_ex(address) == 0:
                return True
    return any(_connects(host, port) for host in LOCAL_HOSTS)


def _connects(host: str, port: int) -> bool:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        with socket.socket(family) as sock:
            sock.settimeout(PROBE_TIME)
            return sock.connect_ex((host, port)) == 0
    except OSError:  # a host without IPv6
        return False
