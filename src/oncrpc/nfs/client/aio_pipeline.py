"""A pipeline over asyncio: the event loop watches its socket."""

from __future__ import annotations

import asyncio
import socket
from typing import Any

from oncrpc.addr import transport
from oncrpc.aio.link import connected_socket
from oncrpc.net.peers import peer_of_new
from oncrpc.net.targets import place_text
from oncrpc.nfs.client.pipeline import DEFAULT_CALL_TIMEOUT, Pipeline, Started
from oncrpc.rpc.auth import AUTH_NONE, Auth


class AioPipeline(Pipeline):
    """Carries calls of any number of tasks of one event loop."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        self.loop = asyncio.get_running_loop()
        self._timer: asyncio.TimerHandle | None = None
        self._dialing: asyncio.Task[None] | None = None
        self._writing = False
        super().__init__(*arguments, **options)

    def now(self) -> float:
        """The time of the loop."""
        return self.loop.time()

    async def sleep(self, seconds: float) -> None:
        """Sleep; other tasks run."""
        await asyncio.sleep(seconds)

    def new_lock(self) -> asyncio.Lock:
        """A lock between tasks."""
        return asyncio.Lock()

    def close(self) -> None:
        """Close the connection for good; calls in progress fail with ``ClientClosed``."""
        super().close()
        self._disarm()
        if self._dialing is not None:
            self._dialing.cancel()

    async def _wait(self, started: Started) -> None:
        if not started.call.done:
            started.waiter = self.loop.create_future()
            await started.waiter

    def _wake(self, started: Started) -> None:
        if started.waiter is not None and not started.waiter.done():
            started.waiter.set_result(None)

    def _arm(self, at: float) -> None:
        if self._timer is None or at < self._timer.when():
            self._disarm()
            self._timer = self.loop.call_at(at, self._due)

    def _disarm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _due(self) -> None:
        self._disarm()
        super()._due()
        following = self.calls.next_deadline()
        if following is not None:
            self._arm(following)

    def _connect(self) -> None:
        if self._dialing is None or self._dialing.done():
            self._dialing = self.loop.create_task(self._redial())

    def _watch(self, sock: socket.socket) -> None:
        self.loop.add_reader(sock.fileno(), self._receive)

    def _watch_writing(self, wanted: bool) -> None:
        if wanted is self._writing or self.sock is None:
            return
        self._writing = wanted
        if wanted:
            self.loop.add_writer(self.sock.fileno(), self._send)
        else:
            self.loop.remove_writer(self.sock.fileno())

    def _unwatch(self, sock: socket.socket) -> None:
        self.loop.remove_reader(sock.fileno())
        if self._writing:
            self.loop.remove_writer(sock.fileno())
            self._writing = False


async def dial_aio(
    netid: str,
    host: str,
    port: int,
    *,
    auth: Auth = AUTH_NONE,
    timeout: float = DEFAULT_CALL_TIMEOUT,
    reserved_port: bool = False,
) -> AioPipeline:
    """Connect a pipeline of the running event loop.

    Raises:
        HostUnknown, TransportError, AddressError: as ``oncrpc.connect``.
    """
    sock = await connected_socket(netid, host, port, timeout=timeout, reserved_port=reserved_port)
    place = place_text(transport(netid), host, port)
    peer = peer_of_new(sock, host, place=place)
    return AioPipeline(sock, peer, auth=auth, timeout=timeout, place=place)
