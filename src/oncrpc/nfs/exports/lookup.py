"""Names of hosts and netgroups, looked up in threads while callers are told to try again."""

from __future__ import annotations

import asyncio
import ctypes
import socket
import threading
import time
from collections.abc import Callable, Collection, Hashable
from functools import cache, partial
from typing import Any, Generic, NamedTuple, Protocol, TypeVar

from oncrpc.caching import Bounded
from oncrpc.host.threads import Threads
from oncrpc.nfs.exports.clients import HostAddress, address_of

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")

LIFETIME = 60.0
"""Seconds after which an answer is asked for again; the old one holds until the new one comes."""

OLDEST = 300.0
"""Seconds after which an answer does not hold any more, if no new one could be had."""

RETRY = 5.0
"""Seconds until a look-up that failed is tried again."""

MAX_ANSWERS = 4096
"""Answers of each kind that are kept; the oldest is removed."""

MAX_RUNNING = 8
"""Look-ups of each kind at the same time."""

MAX_WAITING = 1024
"""Further questions of each kind, which wait for a thread."""

NO_THREAD = 0.05
"""Seconds until a question is asked again for which the system had no thread."""

MAX_NAMES = 16
"""Names of one host that are compared with wildcards and netgroups."""


class NotNow(Exception):
    """The name service does not answer now. This is not the answer that there is no such name."""


class NameService(Protocol):
    """What a host asks its name services. All of it may block."""

    def forward(self, name: str) -> frozenset[HostAddress]:
        """The addresses of a name.

        Raises:
            NotNow: it cannot be asked.
        """

    def reverse(self, address: HostAddress) -> tuple[str, ...]:
        """The names of an address, the canonical one first. They are not checked.

        Raises:
            NotNow: it cannot be asked.
        """

    def in_netgroup(self, group: str, host: str) -> bool:
        """Whether a netgroup has a host, given by a name or by its address as text."""


class _Answer(NamedTuple, Generic[V]):
    value: V
    asked: float
    """When it was asked for."""

    again: float
    """When it is asked for again."""


class BackgroundAnswers(Generic[K, V]):
    """Answers that threads find.

    The key of the cache is the question, its bound ``most``; the oldest answer is removed when it
    is full. An answer is asked for again after ``LIFETIME`` seconds, when somebody needs it, and
    holds meanwhile; after ``OLDEST`` seconds it does not hold any more. If the name service fails,
    the former answer holds as long; without one it is ``without``, and is asked for again after
    ``RETRY`` seconds. Questions that threads work on are in ``_asking``, at most ``running``;
    others wait in ``_waiting``, at most ``MAX_WAITING``, and are dropped beyond.
    """

    def __init__(
        self,
        ask: Callable[[K], V],
        *,
        without: V,
        clock: Callable[[], float],
        running: int = MAX_RUNNING,
        most: int = MAX_ANSWERS,
    ) -> None:
        self._ask, self._without, self._clock = ask, without, clock
        self._threads = Threads[V | None](running)
        self._answers = Bounded[K, _Answer[V]](most)
        self._asking: dict[K, asyncio.Future[V | None]] = {}
        self._waiting: dict[K, None] = {}

    def get(self, question: K) -> V | None:
        """The answer; None if a thread is looking for it, or will when it is free."""
        answer, now = self._answers.get(question), self._clock()
        if answer is not None and now < answer.again:
            return answer.value
        if question not in self._asking:
            self._start(question)
        return answer.value if answer is not None and now < answer.asked + OLDEST else None

    @property
    def asking(self) -> Collection[asyncio.Future[Any]]:
        """The answers that threads look for."""
        return self._asking.values()

    def _start(self, question: K) -> None:
        future = self._threads.start(partial(_answer_or_none, self._ask, question))
        if future is not None:
            self._waiting.pop(question, None)
            self._asking[question] = future
            future.add_done_callback(partial(self._answered, question))
        elif len(self._waiting) < MAX_WAITING:
            self._waiting[question] = None

    def _answered(self, question: K, future: asyncio.Future[V | None]) -> None:
        del self._asking[question]
        value = None if future.cancelled() else future.result()
        now, former = self._clock(), self._answers.get(question)
        if value is not None:
            self._answers.keep(question, _Answer(value, now, now + LIFETIME))
        elif former is not None and now < former.asked + OLDEST:
            self._answers.keep(question, former._replace(again=now + RETRY))
        else:
            self._answers.keep(question, _Answer(self._without, now, now + RETRY))
        if self._waiting:
            self._start(next(iter(self._waiting)))


class QuestionsAsked(Protocol):
    """Something that has threads at work."""

    @property
    def asking(self) -> Collection[asyncio.Future[Any]]:
        """The answers that threads look for."""


class HostLookups:
    """What patterns need to know about names: a question has an answer, or None for now.

    Names of the configuration and addresses of callers have threads and caches of their own, so
    that a flood of callers does not hinder the names.
    """

    def __init__(
        self,
        service: NameService | None = None,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.clock = clock
        self._service = service or SystemNames()
        self._forward = BackgroundAnswers[str, frozenset[HostAddress]](
            self._service.forward, without=frozenset(), clock=clock
        )
        self._reverse = BackgroundAnswers[HostAddress, tuple[str, ...]](
            self._names, without=(), clock=clock
        )
        self._groups = BackgroundAnswers[tuple[str, HostAddress], bool](
            self._member, without=False, clock=clock, running=1
        )

    def has_address(self, name: str, address: HostAddress) -> bool | None:
        """Whether a name of the configuration has an address."""
        found = self._forward.get(name.lower())
        return None if found is None else address in found

    def names_of(self, address: HostAddress) -> tuple[str, ...] | None:
        """The names of an address that resolve to it, without those that read as an address."""
        return self._reverse.get(address)

    def in_netgroup(self, group: str, address: HostAddress) -> bool | None:
        """Whether a netgroup has a host, by one of its names or by its address."""
        return self._groups.get((group, address))

    async def wait(self) -> None:
        """Wait until a thread has an answer."""
        busy = {future for kind in self._kinds() for future in kind.asking}
        if busy:
            await asyncio.wait(busy, return_when=asyncio.FIRST_COMPLETED)
        await asyncio.sleep(0 if busy else NO_THREAD)

    def _kinds(self) -> tuple[QuestionsAsked, ...]:
        return self._forward, self._reverse, self._groups

    def _names(self, address: HostAddress) -> tuple[str, ...]:
        """In a thread: the names that resolve back."""
        names = dict.fromkeys(name.rstrip(".") for name in self._service.reverse(address))
        return tuple(name for name in [*names][:MAX_NAMES] if self._resolves(name, address))

    def _resolves(self, name: str, address: HostAddress) -> bool:
        # A name that reads as an address could imitate another host.
        return address_of(name) is None and address in self._service.forward(name)

    def _member(self, question: tuple[str, HostAddress]) -> bool:
        """In a thread: whether a netgroup has a host.

        A netgroup may have the name without its domain. The short name counts if it resolves to
        the address as well: else the owner of any domain could take the name of any host.
        """
        group, address = question
        names = self._names(address)
        short = dict.fromkeys(name.partition(".")[0] for name in names if "." in name)
        if any(self._service.in_netgroup(group, each) for each in (*names, str(address))):
            return True
        return any(
            self._service.in_netgroup(group, each) and self._resolves(each, address)
            for each in short
        )


def _answer_or_none(ask: Callable[[K], V], question: K) -> V | None:
    try:
        return ask(question)
    except NotNow:
        return None


class SystemNames:
    """The name services of this host (nsswitch.conf)."""

    def forward(self, name: str) -> frozenset[HostAddress]:
        """The addresses of a name, by getaddrinfo."""
        try:
            found = socket.getaddrinfo(name.encode(), 0, type=socket.SOCK_STREAM)
        except socket.gaierror as error:
            if error.errno in (socket.EAI_AGAIN, socket.EAI_SYSTEM, socket.EAI_MEMORY):
                raise NotNow from None
            return frozenset()
        except (OSError, UnicodeError):
            return frozenset()
        addresses = (address_of(str(entry[4][0])) for entry in found)
        return frozenset(address for address in addresses if address is not None)

    def reverse(self, address: HostAddress) -> tuple[str, ...]:
        """The names of an address, with those that /etc/hosts has as aliases."""
        try:
            name, aliases, _ = socket.gethostbyaddr(str(address))
        except socket.herror as error:
            if error.errno == TRY_AGAIN:
                raise NotNow from None
            return ()
        except (OSError, UnicodeError):
            return ()
        return (name, *aliases)

    def in_netgroup(self, group: str, host: str) -> bool:
        """Whether a netgroup has a host; False if the C library does not know netgroups."""
        innetgr = _innetgr()
        if innetgr is None:
            return False
        with _ONE_NETGROUP:
            return bool(innetgr(group.encode(), host.encode(), None, None))


TRY_AGAIN = 2
"""Of <netdb.h>."""

_ONE_NETGROUP = threading.Lock()
"""innetgr(3) is not safe in two threads at once."""


@cache
def _innetgr() -> Callable[..., int] | None:
    function = getattr(ctypes.CDLL(None), "innetgr", None)
    if function is None:
        return None
    function.argtypes = [ctypes.c_char_p] * 4
    found: Callable[..., int] = function
    return found
