"""A pipeline over a blocking socket: ``await`` reads and writes until the call is done."""

from __future__ import annotations

import select
import socket
import time
from contextlib import nullcontext

from oncrpc.addr import transport
from oncrpc.net.peers import peer_of_new
from oncrpc.net.targets import place_text
from oncrpc.nfs.client.pipeline import DEFAULT_CALL_TIMEOUT, Pipeline, Started
from oncrpc.rpc.auth import AUTH_NONE, Auth
from oncrpc.sync.link import connected_socket


class BlockingPipeline(Pipeline):
    """Carries calls of one thread at a time, of which many may be in progress."""

    _writing = False

    def now(self) -> float:
        """The monotonic clock."""
        return time.monotonic()

    async def sleep(self, seconds: float) -> None:
        """Block the thread."""
        time.sleep(seconds)

    def new_lock(self) -> nullcontext[None]:
        """No lock: one thread uses the pipeline."""
        return nullcontext()

    async def _wait(self, started: Started) -> None:
        while not started.call.done:
            if self.sock is None:
                await self._redial()
            else:
                self._step(self.sock)
            self._due()

    def _step(self, sock: socket.socket) -> None:
        """Wait until the socket is ready or a call is due, and use the socket."""
        watched = select.poll()
        watched.register(sock, select.POLLIN | (select.POLLOUT if self._writing else 0))
        left = max((self.calls.next_deadline() or 0.0) - self.now(), 0.0)
        for _, events in watched.poll(left * 1000):
            if events & select.POLLOUT:
                self._send()
            if events & ~select.POLLOUT:
                self._receive()

    def _wake(self, started: Started) -> None:
        """Nothing to do: ``_wait`` looks itself."""

    def _arm(self, at: float) -> None:
        """Nothing to do: ``_step`` waits no longer than that."""

    def _connect(self) -> None:
        """Nothing to do: ``_wait`` connects."""

    def _watch(self, sock: socket.socket) -> None:
        """Nothing to do: ``_step`` watches."""

    def _watch_writing(self, wanted: bool) -> None:
        self._writing = wanted

    def _unwatch(self, sock: socket.socket) -> None:  # noqa: ARG002  # asyncio needs it
        self._writing = False


async def dial_blocking(
    netid: str,
    host: str,
    port: int,
    *,
    auth: Auth = AUTH_NONE,
    timeout: float = DEFAULT_CALL_TIMEOUT,
    reserved_port: bool = False,
) -> BlockingPipeline:
    """Connect a pipeline of this thread.

    Raises:
        HostUnknown, TransportError, AddressError: as ``oncrpc.sync.connect``.
    """
    sock = connected_socket(netid, host, port, timeout=timeout, reserved_port=reserved_port)
    place = place_text(transport(netid), host, port)
    peer = peer_of_new(sock, host, place=place)
    return BlockingPipeline(sock, peer, auth=auth, timeout=timeout, place=place)
