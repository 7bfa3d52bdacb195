"""Handlers that ask for a worker thread."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Hashable
from typing import Any

import pytest

from oncrpc.rpc import Call, DuplicateCache, Service, in_worker, per_connection
from oncrpc.rpc.dispatch import Dispatcher
from oncrpc.rpc.program import Origin
from oncrpc.rpc.prot import accept_stat
from oncrpc.rpc.workers import R, is_in_worker
from oncrpc.testing import ManualClock
from support.answering import ACCEPTED, ADD_5, TCP, UDP, answer
from support.service import COUNTER_V3
from support.words import words


class Blocking(COUNTER_V3.Service):
    """ADD blocks."""

    @in_worker(order=lambda call, arg: arg)
    def ADD(self, call: Call, arg: int) -> int:
        return arg + 1


class Workers:
    """Runs each function when its result is awaited; remembers the orders."""

    def __init__(self, *, full: bool = False) -> None:
        self.full, self.dropped, self.refused = full, 0, 0
        self.orders: list[Hashable | None] = []
        self.sources: list[Origin] = []

    def full_for(self, source: Origin) -> bool:
        self.sources.append(source)
        return self.full

    def run(
        self, function: Callable[[], R], order: Hashable | None, *, source: Origin
    ) -> Awaitable[R]:
        self.sources.append(source)
        self.orders.append(order)

        async def ran() -> R:
            return function()

        return ran()

    def close(self) -> None:
        pass


def dispatcher(workers: Workers | None, *services: Service) -> Dispatcher:
    return Dispatcher(services or [Blocking()], clock=ManualClock(), workers=workers)


def test_a_marked_handler_runs_in_its_order() -> None:
    workers = Workers()

    assert answer(dispatcher(workers), ADD_5) == ACCEPTED + words(0, 6)
    assert workers.orders == [5]
    assert workers.sources == [TCP.origin] * 2


def test_without_workers_it_runs_in_place() -> None:
    assert answer(dispatcher(None), ADD_5) == ACCEPTED + words(0, 6)


def test_datagrams_for_full_workers_are_dropped() -> None:
    workers = Workers(full=True)
    made = dispatcher(workers)

    assert answer(made, ADD_5, UDP) is None
    workers.full = False
    assert answer(made, ADD_5, UDP) == ACCEPTED + words(0, 6)  # it was not taken for a duplicate
    assert workers.dropped == 1


def test_stream_calls_for_full_workers_are_refused() -> None:
    workers = Workers(full=True)
    made = dispatcher(workers)
    made.duplicates = DuplicateCache(streams=True)

    assert answer(made, ADD_5) == ACCEPTED + words(accept_stat.SYSTEM_ERR)
    workers.full = False
    assert answer(made, ADD_5) == ACCEPTED + words(0, 6)  # it was not taken for a duplicate
    assert workers.refused == 1


def test_the_order_of_a_connection_is_its_caller() -> None:
    class Ordered(Blocking):
        @in_worker(order=per_connection)
        def ADD(self, call: Call, arg: int) -> int:
            return arg

    workers = Workers()
    answer(dispatcher(workers, Ordered()), ADD_5)

    assert workers.orders == [TCP]


def test_a_coroutine_cannot_be_in_a_worker() -> None:
    async def handler(self: Any, call: Call) -> None:
        pass

    with pytest.raises(TypeError, match="is an async def"):
        in_worker(handler)


def test_a_plain_mark_has_no_order() -> None:
    @in_worker
    def handler(call: Call) -> None:
        pass

    assert is_in_worker(handler)
    assert not is_in_worker(test_a_plain_mark_has_no_order)
