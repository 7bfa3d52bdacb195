"""Access by /etc/hosts.allow and /etc/hosts.deny (hosts_access(5)).

The files are read again when they change, and decisions are cached by address. If a rule needs the
name of the caller, the name is looked up in a thread; a caller whose name does not come in time is
judged as a host without a name, and judged again at its next call.

If the host has libwrap, and the files have nothing that libwrap treats differently, libwrap is
asked as well, and both have to allow. Only libwrap looks up netgroups: if the files name any, it
decides alone.

The object is made by the user that the daemon runs as; a file that this user cannot read denies.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Coroutine
from functools import partial

from oncrpc.access.hosts.files import Tables, read
from oncrpc.access.hosts.libwrap import Busy, Libwrap, LibwrapQuestion, question
from oncrpc.access.hosts.names import LIFETIME, Names
from oncrpc.access.hosts.patterns import UNKNOWN, NamedHost, NameNeeded, host_at
from oncrpc.access.hosts.rules import DaemonId, HostsDecision, judge
from oncrpc.caching import Bounded
from oncrpc.host.threads import Threads

log = logging.getLogger("oncrpc.access.hosts")

ALLOW, DENY = "/etc/hosts.allow", "/etc/hosts.deny"
MAX_DECISIONS = 4096
"""Decisions that are cached; the oldest is removed."""

LOOK_AGAIN = 1.0
"""Seconds between two checks of the files, and that a decision without a name is valid."""

NETGROUP_DEADLINE = 2.0
"""Seconds that a caller waits for libwrap to look up netgroups."""

NOT_IN_TIME = HostsDecision(False, "libwrap did not look up the netgroups in time")
NETGROUPS = "libwrap, as the files name netgroups"


class HostsAccess:
    """The rules of both files for a daemon, and the decisions made by them.

    ``_decisions`` is a cache. Its key is the caller's address, with the local one if a rule depends
    on that; its bound is ``MAX_DECISIONS``. It is emptied when the files say something else, and at
    ``_forget_at``, when a name that a decision rests on is too old. Each time ``generation`` grows,
    so others that remember decisions have to compare it, after ``check``.

    libwrap is asked only while ``_given``: it has the texts of the present ``_tables``.
    """

    def __init__(
        self,
        daemon: DaemonId,
        *,
        allow: str = ALLOW,
        deny: str = DENY,
        names: Names | None = None,
        libwrap: Libwrap | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.generation = 0
        """Grows when the cache is emptied, since a decision may differ from then on."""

        self._daemon, self._paths, self._clock = daemon, (allow, deny), clock
        self._names = names or Names(clock=clock)
        self._threads, self._turn = Threads[bool | None](1), asyncio.Lock()
        self._decisions = Bounded[tuple[str, str], HostsDecision](MAX_DECISIONS)
        self._forget_at: float | None = None
        self._warned: frozenset[str] = frozenset()
        self._libwrap, self._given = libwrap, False
        self._tables = self._read()
        self._look_at = clock() + LOOK_AGAIN
        self._give_libwrap()
        self._warn()

    @property
    def empty(self) -> bool:
        """Whether there are no rules for this daemon, so that every host may call."""
        return self._tables.empty

    @property
    def remembered(self) -> int:
        """Decisions in the cache."""
        return len(self._decisions)

    @property
    def looks_up(self) -> bool:
        """Whether libwrap is looking up netgroups."""
        return self._threads.running > 0

    def judge(self, host: str, local: str = "") -> bool | Coroutine[None, None, bool]:
        """Whether the address ``host`` may call the local address ``local``.

        The result is a bool, or a coroutine if a name has to be looked up.
        """
        self.check()
        if self._tables.empty:
            return True
        decision = self._at_once(host, local)
        return self._later(host, local) if decision is None else decision.allowed

    async def explain(self, host: str, local: str = "") -> HostsDecision:
        """Whether a host may call, and which rule decides that."""
        self.check()
        return self._at_once(host, local) or await self._in_time(host, local)

    def check(self) -> None:
        """Read the files again if they have changed, and empty the cache if it is too old.

        The files are looked at once a second at most. ``judge`` calls this, too; a caller that
        compares ``generation`` has to call it before.
        """
        now = self._clock()
        if now >= self._look_at:
            self._look_at = now + LOOK_AGAIN
            if self._tables.files.have_changed():
                self._read_again()
            elif self._libwrap is not None and not self._given and self._tables.plain:
                self._give_libwrap()
        if self._forget_at is not None and now >= self._forget_at:
            self._forget()

    def _read(self) -> Tables:
        allow, deny = self._paths
        return read(self._daemon, allow=allow, deny=deny)

    def _read_again(self) -> None:
        tables, former = self._read(), self._tables
        self._tables = tables
        if not tables.files.say_the_same(former.files):
            self._give_libwrap()
            self._warn()
            self._forget()

    def _warn(self) -> None:
        """Log each warning about the files once."""
        tables = self._tables
        told = [*tables.warnings, *([] if self._by_netgroups else tables.netgroups)]
        for text in told:
            if text not in self._warned:
                log.warning(text)
        self._warned = frozenset(told)

    def _forget(self) -> None:
        self._decisions.clear()
        self._forget_at = None
        self.generation += 1

    def _forget_in(self, seconds: float) -> None:
        then = self._clock() + seconds
        self._forget_at = then if self._forget_at is None else min(self._forget_at, then)

    def _key(self, host: str, local: str) -> tuple[str, str]:
        return host, local if self._tables.by_local else ""

    def _keep(self, host: str, local: str, decision: HostsDecision) -> None:
        self._decisions.keep(self._key(host, local), decision)

    def _at_once(self, host: str, local: str) -> HostsDecision | None:
        """The decision, None if something has to be looked up first."""
        decision = self._decisions.get(self._key(host, local))
        if decision is not None:
            return decision
        if self._by_netgroups:
            return None
        try:
            decision = self._judged(host_at(host), local)
        except NameNeeded:
            name = self._names.known(_looked_up(host))
            if name is None:
                return None
            decision = self._judged(host_at(host, name), local)
            self._forget_in(LIFETIME)
        self._keep(host, local, decision)
        return decision

    async def _later(self, host: str, local: str) -> bool:
        return (await self._in_time(host, local)).allowed

    async def _in_time(self, host: str, local: str) -> HostsDecision:
        """Returns the decision when the name has arrived or its time is over."""
        name = await self._names.name_of(_looked_up(host))
        client, generation = host_at(host, name or UNKNOWN), self.generation
        if self._by_netgroups:
            decision = await self._ask_netgroups(client, local)
        else:
            decision = self._judged(client, local)
        if name is None or decision is NOT_IN_TIME or self.generation != generation:
            self._forget_in(LOOK_AGAIN)
        else:
            self._forget_in(LIFETIME)
            self._keep(host, local, decision)
        return decision

    def _judged(self, client: NamedHost, local: str) -> HostsDecision:
        """The decision of the rules; libwrap, if it is used, must agree.

        Raises:
            NameNeeded: the decision depends on the client's name.
        """
        here = host_at(local, UNKNOWN)
        decision = judge(self._tables.allow, self._tables.deny, client=client, local=here)
        if self._libwrap is None or not self._given:
            return decision
        asked = question(client, here, self._daemon)
        if asked is None:
            return decision
        try:
            allowed = self._libwrap.judge(asked)
        except Busy:
            return decision
        if allowed is not decision.allowed:
            log.error("libwrap decides differently about %s, which is denied", client.address)
            return HostsDecision(False, decision.by if allowed else "libwrap")
        return decision

    @property
    def _by_netgroups(self) -> bool:
        """Whether the files name netgroups, and libwrap can look them up."""
        return self._libwrap is not None and self._tables.plain and bool(self._tables.netgroups)

    async def _ask_netgroups(self, client: NamedHost, local: str) -> HostsDecision:
        """The decision of libwrap. It may ask name services: it runs in a thread, one at a time."""
        asked = question(client, host_at(local, UNKNOWN), self._daemon)
        if self._libwrap is None or not self._given or asked is None:
            return NOT_IN_TIME
        try:
            async with asyncio.timeout(NETGROUP_DEADLINE), self._turn:
                answer = self._threads.start(partial(_said_by, self._libwrap, asked))
                if answer is not None:
                    await asyncio.wait({answer})
        except TimeoutError:
            return NOT_IN_TIME
        allowed = None if answer is None or answer.cancelled() else answer.result()
        return NOT_IN_TIME if allowed is None else HostsDecision(allowed, NETGROUPS)

    def _give_libwrap(self) -> None:
        """Have libwrap read the files, if it treats them as this module does."""
        self._given = False
        if self._libwrap is None or not self._tables.plain:
            return
        try:
            self._libwrap.read(*self._tables.texts())
        except Busy:
            return  # libwrap looks up a netgroup of the former files; check() tries again
        except OSError as error:
            log.error("libwrap is not asked: %s", error.strerror or error)
            self._libwrap = None
            return
        self._given = True


def _said_by(libwrap: Libwrap, asked: LibwrapQuestion) -> bool | None:
    try:
        return libwrap.judge(asked)
    except Busy:
        return None


def _looked_up(host: str) -> str:
    """The address to look up: the IPv4 address of an IPv4-mapped IPv6 address."""
    found = host_at(host)
    return host if found.number is None else found.address
