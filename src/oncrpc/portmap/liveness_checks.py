"""Drops registrations whose endpoint is gone.

A server that was killed leaves its registrations behind, and clients are sent to a port that nobody
serves, or somebody else. So the registrations are compared with the sockets that are bound on this
host: soon after the start, at an interval, and when a watched process ends.

In doubt a registration stays. One is dropped only if its endpoint was gone at two checks, since a
server may register before it binds, and if it was not registered again between them.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Collection, Iterable
from contextlib import suppress

from msgspec import Struct

from oncrpc.errors import SystemFailure
from oncrpc.host.addresses import OwnAddresses
from oncrpc.host.attempts import Attempts
from oncrpc.host.bound_sockets import Bound, Reader, Slices
from oncrpc.numbers import program_name
from oncrpc.portmap.registry import SUPERUSER, Registry
from oncrpc.portmap.server_watch import RegistrantWatch, is_present
from oncrpc.portmap.verdict import IsOurs, Verdict, judge, kernel_programs
from oncrpc.programs.rpcb import rpcb
from oncrpc.rpc import Caller

log = logging.getLogger("oncrpc.portmap.liveness")
"""A logger of its own, since every drop is logged, however many there are in a second."""

FIRST_CHECK = 2.0
"""Seconds from the start to the first check: servers of a former daemon may be gone."""

AGAIN = 1.0
"""Seconds between the two checks of an endpoint."""

LOOK_AGAIN = 1.0
"""Seconds for which the result of ``refresh`` is valid."""

WHY = {
    "tcp": "nobody listens there",
    "udp": "nobody is bound there",
    "tcp6": "nobody listens there",
    "udp6": "nobody is bound there",
    "local": "nobody serves that socket",
    "unix": "nobody serves that socket",
}


class Evidence(Struct, frozen=True):
    """Where the checks get their facts: bound places by netid, and paths that refuse connections.

    ``own_hosts`` and ``kernel`` are called at every check, ``prepare`` once before the first.
    """

    read: Callable[[Collection[str]], Awaitable[Bound]]
    refused: Callable[[Collection[str]], Awaitable[Collection[str]]]
    own_hosts: Callable[[], IsOurs]
    kernel: Callable[[], Collection[int]]
    prepare: Callable[[], None] = lambda: None


def this_host() -> Evidence:
    """The facts that the kernel gives."""
    reader = Reader()
    return Evidence(reader, Attempts(), OwnAddresses, kernel_programs, reader.prepare)


class Liveness:
    """Checks a registry from ``start`` to ``close``, by the clock of the event loop.

    ``drop`` removes exactly the registration that it is given; if it fails, the next check tries
    again. ``checked_at`` is the time of the last complete check, ``checks`` counts those, and
    ``dropped`` the registrations that were removed.

    One task runs the checks, so two never overlap. ``_suspects`` are the registrations that the
    first of two checks found gone; ``registered`` takes one out when it is made again. ``_seen``
    has the verdicts of the last ``refresh``. Both have identities as keys: the same registration
    made again is another object.
    """

    def __init__(
        self,
        registry: Registry,
        drop: Callable[[rpcb], None],
        *,
        evidence: Evidence | None = None,
    ) -> None:
        self.registry, self.drop = registry, drop
        self.evidence = evidence or this_host()
        self.interval, self.watching, self._prepared = 0.0, False, False
        self.watch = RegistrantWatch(registry, self._look)
        self.checked_at: float | None = None
        self.dropped = self.checks = 0
        self._suspects: dict[int, rpcb] = {}
        self._seen: dict[int, tuple[rpcb, Verdict]] = {}
        self._seen_at = -LOOK_AGAIN
        self._wake = asyncio.Event()
        self._next: float | None = None
        self._task: asyncio.Task[None] | None = None

    @property
    def suspected(self) -> int:
        """Registrations that the first of two checks found gone."""
        return len(self._suspects)

    def configure(self, *, interval: float, watch: bool) -> None:
        """Set the seconds between checks, 0 for none, and whether processes are watched."""
        begins = not self.interval
        self.interval, self.watching = interval, watch
        if (interval or watch) and not self._prepared:
            self._prepared = True
            self.evidence.prepare()
        if not watch:
            self.watch.close()
        if self._task is not None:
            self._plan(FIRST_CHECK if begins else interval)
            self._look()

    def start(self) -> None:
        """Start the checks."""
        program_name(0)  # read the table of names while root may still read it
        self._plan(FIRST_CHECK)
        self._task = asyncio.get_running_loop().create_task(self._run())

    async def close(self) -> None:
        """Stop the checks."""
        self.watch.close()
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task

    def registered(self, caller: Caller, entry: rpcb) -> None:
        """Note that the owner or the superuser registered this, for the first time or again.

        It is not suspected any more. SET by another user of what is registered succeeds, too, but
        does not keep the registration.
        """
        present = self.registry.find_exactly(entry.r_prog, entry.r_vers, entry.r_netid)
        if present is None or entry.r_owner not in (present.r_owner, SUPERUSER):
            return
        self._suspects.pop(id(present), None)
        if self.watching:
            self.watch.add(caller, present)

    def _look(self) -> None:
        self._wake.set()

    def _plan(self, after: float) -> None:
        self._next = asyncio.get_running_loop().time() + after if self.interval else None

    async def _run(self) -> None:
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout_at(self._next):
                    await self._wake.wait()
            self._wake.clear()
            left = self.watch.take()
            if self._next is not None and self._next <= asyncio.get_running_loop().time():
                await self.check(self.registry)
                self.checked_at = asyncio.get_running_loop().time()
                self.checks += 1
                self._plan(self.interval)
            elif left:
                await self.check(left)

    async def refresh(self) -> None:
        """Find out which endpoints are there, without dropping any; a recent result stays valid."""
        now = asyncio.get_running_loop().time()
        if self._prepared and now - self._seen_at >= LOOK_AGAIN:
            self._seen_at = now
            entries = list(self.registry)
            judged = await self._judged(entries)
            self._seen = {id(entry): (entry, judged[id(entry)]) for entry in entries}

    def seen(self, entry: rpcb) -> Verdict:
        """The verdict about a registration at the last ``refresh``."""
        found, verdict = self._seen.get(id(entry), (None, Verdict.UNKNOWN))
        return verdict if found is entry else Verdict.UNKNOWN

    async def check(self, entries: Iterable[rpcb]) -> None:
        """Drop the registrations whose endpoint is gone now and ``AGAIN`` seconds later."""
        self._suspects = await self._gone(list(entries))
        if not self._suspects:
            return
        await asyncio.sleep(AGAIN)
        slices = Slices()
        for number, entry in (await self._gone(list(self._suspects.values()))).items():
            if number in self._suspects and is_present(self.registry, entry):
                if not self._drop(entry):
                    break
                await slices.rest()
        self._suspects.clear()

    async def _gone(self, entries: list[rpcb]) -> dict[int, rpcb]:
        """The registrations whose endpoint is gone, by identity."""
        judged = await self._judged(entries)
        return {id(each): each for each in entries if judged[id(each)] is Verdict.GONE}

    async def _judged(self, entries: list[rpcb]) -> dict[int, Verdict]:
        """The verdicts about registrations, by identity."""
        evidence, slices = self.evidence, Slices()
        netids = {entry.r_netid for entry in entries}
        bound = await evidence.read({_text(netid) for netid in netids})
        is_ours, kernel = evidence.own_hosts(), evidence.kernel()
        judged, unlisted = dict[int, Verdict](), dict[str, list[rpcb]]()
        for entry in entries:
            verdict = judge(entry, bound, is_ours=is_ours, kernel=kernel)
            judged[id(entry)] = verdict
            if verdict is Verdict.UNLISTED:
                unlisted.setdefault(entry.r_addr.decode(), []).append(entry)
            await slices.rest()
        refused = await evidence.refused(unlisted.keys())
        for path in filter(refused.__contains__, unlisted):
            judged.update((id(entry), Verdict.GONE) for entry in unlisted[path])
        return judged

    def _drop(self, entry: rpcb) -> bool:
        """Drop a registration; False if that failed."""
        what, why = _described(entry), WHY[_text(entry.r_netid)]
        try:
            self.drop(entry)
        except SystemFailure:
            log.error("%s: %s, but its registration cannot be dropped now", what, why)
            return False
        self.dropped += 1
        log.info("dropped %s: %s", what, why)
        return True


def _text(netid: bytes) -> str:
    return netid.decode("ascii", "replace").lower()


def _described(entry: rpcb) -> str:
    name = program_name(entry.r_prog)
    program = f"{entry.r_prog} ({name})" if name else f"{entry.r_prog}"
    netid, uaddr = entry.r_netid.decode(), entry.r_addr.decode()
    return f"program {program} version {entry.r_vers} on {netid} at {uaddr}"
