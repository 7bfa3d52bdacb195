"""A link that is dialed again when a call finds it broken."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar, TypeVarTuple

from oncrpc.aio.link import AioLink
from oncrpc.errors import CallTimeout, ClientClosed
from oncrpc.rpc.auth import Auth
from oncrpc.rpc.program import Procedure

R = TypeVar("R")
A = TypeVarTuple("A")


class ReconnectingLink:
    """Carries calls over ``link``, and over a new one once that is broken.

    Calls under way when it breaks fail: the server may have carried them out or not. The next call
    dials, once for all that come meanwhile, and waits for that no longer than its own timeout.
    ``dial`` takes the seconds that it has.
    """

    def __init__(
        self, link: AioLink, dial: Callable[[float], Awaitable[AioLink]], *, timeout: float
    ) -> None:
        self.link, self.dial, self.timeout = link, dial, timeout
        self.closed = False
        self._dialing = asyncio.Lock()

    def __repr__(self) -> str:
        return f"<reconnecting {self.link!r}>"

    async def call(
        self,
        procedure: Procedure[R, *A],
        *arguments: *A,
        timeout: float | None = None,
        auth: Auth | None = None,
    ) -> R:
        """Make the call on a link that works.

        Raises:
            TransportError, NotRegistered: it cannot be dialed now; the next call tries again.
        """
        limit = self.timeout if timeout is None else timeout
        loop = asyncio.get_running_loop()
        until = loop.time() + limit
        try:
            async with asyncio.timeout_at(until):
                link = await self._working()
        except TimeoutError:
            place = self.link.calls.place
            raise CallTimeout(f"no connection to {place} for {procedure!r}") from None
        return await link.call(procedure, *arguments, timeout=until - loop.time(), auth=auth)

    async def _working(self) -> AioLink:
        if self._works():
            return self.link
        async with self._dialing:
            if not self._works():
                self.link.close()
                self.link = await self.dial(self.timeout)
        if self.closed:
            self.link.close()
            raise ClientClosed.at(self.link.calls.place)
        return self.link

    def _works(self) -> bool:
        return self.closed or self.link.works

    def close(self) -> None:
        """Close the link for good; calls in progress fail."""
        self.closed = True
        self.link.close()
