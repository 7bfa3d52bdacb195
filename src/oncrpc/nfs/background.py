"""Answers of name services, looked up in threads while clients try again."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Hashable
from functools import partial
from typing import Any, Generic, NamedTuple, Protocol, TypeVar

from oncrpc.caching import Bounded
from oncrpc.host.threads import Threads

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")

LIFETIME = 60.0
"""Seconds after which an answer is asked for again; the old one holds until the new one comes."""

OLDEST = 300.0
"""Seconds after which an old answer is no longer used, if the look-ups fail."""

RETRY = 5.0
"""Seconds until a look-up that failed is tried again."""

MAX_ANSWERS = 4096
"""Answers of each kind that are kept; the oldest is removed."""

MAX_RUNNING = 8
"""Look-ups of each kind at the same time."""

MAX_WAITING = 1024
"""Further questions of each kind, which wait for a thread."""


class NotNow(Exception):
    """The name service does not answer now. This is not the answer that there is no such name."""


NO_THREAD = 0.05
"""Seconds to wait if no thread was free for a question."""


class QuestionsAsked(Protocol):
    """Something that has threads at work."""

    @property
    def asking(self) -> Collection[asyncio.Future[Any]]:
        """The answers that threads look for."""


class _Answer(NamedTuple, Generic[V]):
    value: V
    asked: float
    """When it was asked for."""

    again: float
    """When it is asked for again."""


class BackgroundAnswers(Generic[K, V]):
    """A cache of answers that threads look up.

    The key is the question, the bound ``most``; the oldest answer is removed when it is full. After
    ``LIFETIME`` seconds the next ``get`` starts a new look-up, and returns the old answer until the
    new one arrives, for at most ``OLDEST`` seconds. If the name service fails, the old answer is
    used as long; if there is none, the answer is ``without``. The look-up is repeated after
    ``RETRY`` seconds. Questions of running threads are in ``_asking``, at most ``running``; others
    wait in ``_waiting``, at most ``MAX_WAITING``, and further ones are dropped.
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

    async def wait(self) -> None:
        """Wait until a thread has an answer."""
        await next_answer(self)

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


def _answer_or_none(ask: Callable[[K], V], question: K) -> V | None:
    try:
        return ask(question)
    except NotNow:
        return None


async def next_answer(*kinds: QuestionsAsked) -> None:
    """Wait until a thread has an answer; for a moment only if none is at work."""
    busy = {future for kind in kinds for future in kind.asking}
    if busy:
        await asyncio.wait(busy, return_when=asyncio.FIRST_COMPLETED)
    await asyncio.sleep(0 if busy else NO_THREAD)
