"""Registrations whose endpoint is gone are dropped.

A server that was killed leaves its registrations behind, and clients are sent to a port at which
nobody is, or somebody else. So what is registered is compared with what is bound on this host: soon
after the start, at an interval, and when a process ends that is watched.

Whoever is not sure keeps the registration. Only what was gone at two checks is dropped, since a
server may register before it binds; and one that was registered again between them is not.
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
from oncrpc.portmap.liveness.verdict import IsOurs, Verdict, judge, kernel_programs
from oncrpc.portmap.liveness.watch import Watch, is_there
from oncrpc.portmap.registry import SUPERUSER, Registry
from oncrpc.programs.rpcb import rpcb
from oncrpc.rpc import Caller

log = logging.getLogger("oncrpc.portmap.liveness")
"""Apart from that of the daemon: of those drops each has its line, however many they are."""

FIRST_CHECK = 2.0
"""Seconds after the start: what a former daemon left may be gone by now."""

AGAIN = 1.0
"""Seconds between the two checks at which an endpoint has to be gone."""

LOOK_AGAIN = 1.0
"""Seconds for which what was seen is told to whoever asks, before it is looked again."""

WHY = {
    "tcp": "nobody listens there",
    "udp": "nobody is bound there",
    "tcp6": "nobody listens there",
    "udp6": "nobody is bound there",
    "local": "nobody serves that socket",
    "unix": "nobody serves that socket",
}


class Evidence(Struct, frozen=True):
    """Where it is learned what is bound: ports and paths of netids, and which paths are refused.

    ``own_hosts`` and ``kernel`` are asked anew at every check; ``prepare`` is called once before.
    """

    read: Callable[[Collection[str]], Awaitable[Bound]]
    refused: Callable[[Collection[str]], Awaitable[Collection[str]]]
    own_hosts: Callable[[], IsOurs]
    kernel: Callable[[], Collection[int]]
    prepare: Callable[[], None] = lambda: None


def this_host() -> Evidence:
    """What the kernel says."""
    reader = Reader()
    return Evidence(reader, Attempts(), OwnAddresses, kernel_programs, reader.prepare)


class Liveness:
    """The checks of a registry, from ``start`` to ``close``, by the event loop's clock.

    ``drop`` takes exactly that registration out; if it fails the next check tries again.
    ``checked_at`` is when all were last checked, ``checks`` how often that was; ``dropped`` counts
    what was taken out.
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
        self.watch = Watch(registry, self._look)
        self.checked_at: float | None = None
        self.dropped = self.checks = 0
        self._suspects: dict[int, rpcb] = {}
        self._seen: dict[int, tuple[rpcb, Verdict]] = {}
        self._seen_at = -LOOK_AGAIN
        self._wake = asyncio.Event()
        self._next: float | None = None
        self._task: asyncio.Task[None] | None = None

    def configure(self, *, interval: float, watch: bool) -> None:
        """Check every ``interval`` seconds, 0 for never, and watch processes or not.

        May be called again at any time.
        """
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
        """Begin; the first check is soon."""
        program_name(0)  # the tables of names are read while they can be
        self._plan(FIRST_CHECK)
        self._task = asyncio.get_running_loop().create_task(self._run())

    async def close(self) -> None:
        """End the checks."""
        self.watch.close()
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task

    def registered(self, caller: Caller, entry: rpcb) -> None:
        """Its owner, or the superuser, registered this, be it again: it is not suspected any more.

        Anybody else may say so too, and is told that it is registered; that keeps nothing.
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

    async def look(self) -> None:
        """See what is there, unless that was done just now, or checks are off; drop nothing."""
        now = asyncio.get_running_loop().time()
        if self._prepared and now - self._seen_at >= LOOK_AGAIN:
            self._seen_at = now
            entries = list(self.registry)
            judged = await self._judged(entries)
            self._seen = {id(entry): (entry, judged[id(entry)]) for entry in entries}

    def seen(self, entry: rpcb) -> Verdict:
        """What could be said of a registration at the last look."""
        found, verdict = self._seen.get(id(entry), (None, Verdict.UNKNOWN))
        return verdict if found is entry else Verdict.UNKNOWN

    async def check(self, entries: Iterable[rpcb]) -> None:
        """Drop those of the registrations whose endpoint is gone now and a moment later."""
        self._suspects = await self._gone(list(entries))
        if not self._suspects:
            return
        await asyncio.sleep(AGAIN)
        slices = Slices()
        for number, entry in (await self._gone(list(self._suspects.values()))).items():
            if number in self._suspects and is_there(self.registry, entry):
                if not self._drop(entry):
                    break
                await slices.rest()
        self._suspects.clear()

    async def _gone(self, entries: list[rpcb]) -> dict[int, rpcb]:
        """Those whose endpoint is gone, by their identities."""
        judged = await self._judged(entries)
        return {id(each): each for each in entries if judged[id(each)] is Verdict.GONE}

    async def _judged(self, entries: list[rpcb]) -> dict[int, Verdict]:
        """What can be said of these, by their identities."""
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
        """Whether it could be done."""
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
