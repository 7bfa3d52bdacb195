"""Handlers that run in worker threads: how a service asks for it, and what a pool of them offers.

A plain ``def`` handler runs on the event loop, and while it runs nothing else is answered. One that
may block, on a disk for example, is marked::

    class Files(FILES_V1.Service):
        @rpc.in_worker
        def READ(self, call: Call, path: bytes) -> bytes: ...

        @rpc.in_worker(order=lambda call, path: path)
        def WRITE(self, call: Call, path: bytes) -> None: ...

Calls whose ``order`` is equal run one at a time, in the order in which they arrived; without one
calls run in any order, at the same time. ``rpc.per_connection`` is an order. The pool itself is
``oncrpc.aio.workers``; a dispatcher without one runs all handlers in place.
"""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Hashable
from typing import Any, Protocol, TypeVar, overload

from oncrpc.rpc.program import Call, Origin

R = TypeVar("R")
F = TypeVar("F", bound=Callable[..., Any])
Order = Callable[..., Hashable]
"""From a call and its arguments to what calls in order have in common."""


class Workers(Protocol):
    """A bounded pool of worker threads."""

    dropped: int
    refused: int

    def full_for(self, source: Origin) -> bool:
        """Whether ``run`` refuses calls of a source."""

    def run(
        self, function: Callable[[], R], order: Hashable | None, *, source: Origin
    ) -> Awaitable[R]:
        """The result of a function that runs in a worker; None is no order."""

    def close(self) -> None:
        """Wait for nothing: calls in progress are cancelled, their threads end by themselves."""


@overload
def in_worker(handler: F) -> F: ...
@overload
def in_worker(*, order: Order | None = None) -> Callable[[F], F]: ...
def in_worker(handler: F | None = None, *, order: Order | None = None) -> F | Callable[[F], F]:
    """Mark a handler that runs in a worker thread, because it may block.

    Raises:
        TypeError: the handler is an ``async def``, which runs on the event loop.
    """

    def mark(handler: F) -> F:
        if inspect.iscoroutinefunction(handler):
            raise TypeError(f"{handler.__qualname__} is an async def: it runs on the event loop")
        handler.__in_worker__ = True  # type: ignore[attr-defined]  # read by is_in_worker
        handler.__order__ = order  # type: ignore[attr-defined]  # read by order_of
        return handler

    return mark if handler is None else mark(handler)


def is_in_worker(handler: Callable[..., Any]) -> bool:
    """Whether ``in_worker`` marked the handler."""
    return getattr(handler, "__in_worker__", False)


def order_of(handler: Callable[..., Any], call: Call, arguments: list[Any]) -> Hashable | None:
    """A key that a call shares with those that it must not overtake."""
    order: Order | None = getattr(handler, "__order__", None)
    return None if order is None else order(call, *arguments)


def per_connection(call: Call, *_: object) -> Hashable:
    """The order of a connection's calls; local connections of one user share theirs."""
    return call.caller
