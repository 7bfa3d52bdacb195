"""Hooks around the calls of a client: for retries, logs, metrics and traces.

A hook takes the call and a function that makes it. It returns the result, or raises::

    async def logged(call, proceed):
        try:
            return await proceed(call)
        except OncRpcError as error:
            log.warning("%r at %s: %s", call.procedure, call.host, error)
            raise

It may call ``proceed`` again, or with another timeout, or not at all. With ``oncrpc.sync`` a hook
is a plain function, and so is ``proceed``.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Any, NamedTuple, TypeVar, TypeVarTuple

from oncrpc.checks import check_kind
from oncrpc.rpc.auth import Auth
from oncrpc.rpc.blocking import run
from oncrpc.rpc.program import AnyProcedure, Link, Procedure

R = TypeVar("R")
A = TypeVarTuple("A")


class OutgoingCall(NamedTuple):
    """A call before it is sent; ``call._replace(timeout=1.0)`` is the same with another timeout.

    ``host`` is the one that the client was connected to. Without ``timeout`` or ``auth`` the call
    has the client's.
    """

    procedure: AnyProcedure
    arguments: tuple[Any, ...]
    host: str
    timeout: float | None
    auth: Auth | None


ClientHook = Callable[[OutgoingCall, Callable[[OutgoingCall], Awaitable[Any]]], Awaitable[Any]]
"""A hook of an asyncio client: takes the call and a function that makes it, returns the result."""

SyncClientHook = Callable[[OutgoingCall, Callable[[OutgoingCall], Any]], Any]
"""A hook of a blocking client: the same as a plain function."""


class HookedLink:
    """Carries calls over a link, through hooks; the first one is outermost."""

    def __init__(self, link: Link, hooks: Sequence[ClientHook], *, host: str) -> None:
        self.link, self.hooks, self.host = link, tuple(hooks), host

    async def call(
        self,
        procedure: Procedure[R, *A],
        *arguments: *A,
        timeout: float | None = None,
        auth: Auth | None = None,
    ) -> R:
        """Make the call through the hooks."""
        outgoing = OutgoingCall(procedure, arguments, self.host, timeout, auth)
        result: R = await self._proceed(0, outgoing)
        return result

    def __repr__(self) -> str:
        return f"<{len(self.hooks)} hooks around {self.link!r}>"

    async def _proceed(self, index: int, call: OutgoingCall) -> Any:
        """Make the call through the hooks from ``index`` on."""
        if index < len(self.hooks):
            return await self.hooks[index](call, partial(self._proceed, index + 1))
        return await self.link.call(
            call.procedure, *call.arguments, timeout=call.timeout, auth=call.auth
        )


def check_hooks(hooks: Sequence[object]) -> None:
    """Refuse hooks that cannot be called.

    Raises:
        TypeError: they are not a sequence, or one is not callable.
    """
    check_kind("hooks", hooks, Sequence)
    for hook in hooks:
        if not callable(hook):
            raise TypeError(f"hooks are callables that stand around a call, not {hook!r}")


def awaited(hook: SyncClientHook) -> ClientHook:
    """A hook of a blocking client as one that a blocking link's coroutine can await."""

    async def around(call: OutgoingCall, proceed: Callable[[OutgoingCall], Any]) -> Any:
        return hook(call, lambda again: run(proceed(again)))

    return around
