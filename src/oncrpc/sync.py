"""Blocking links, for commands and scripts that need no event loop.

The conversations of this library are coroutines over a link. A blocking link does its work within
``await``, so that such a coroutine runs from start to end when it is first resumed: ``run`` does
that, without asyncio.

    link = sync.run(sync.dial("tcp", "files.example", 111))
    sync.run(PMAP_VERS.Client(link).PMAPPROC_DUMP())
"""

from __future__ import annotations

import errno
import os
import socket
import time
from collections.abc import Coroutine
from contextlib import suppress
from typing import Any, TypeVar

from oncrpc.addr import transport
from oncrpc.binder import Binder
from oncrpc.endpoint import look_up, peer_of, socket_of
from oncrpc.errors import CallTimeout, TransportError
from oncrpc.rpc.auth import AUTH_NONE
from oncrpc.rpc.calls import DEFAULT_TIMEOUT, Calls, Pending
from oncrpc.rpc.program import Procedure
from oncrpc.rpc.prot import opaque_auth
from oncrpc.rpc.record import RecordReader, encode_record

R = TypeVar("R")
MAX_DATAGRAM = 65536
SHORTEST_WAIT = 0.0001
MAX_REPLY = 64 << 20
"""The longest reply that is read from a stream: a dump of half a million registrations."""


def run(coroutine: Coroutine[Any, Any, R]) -> R:
    """Run a conversation over blocking links to its end."""
    try:
        coroutine.send(None)
    except StopIteration as end:
        result: R = end.value
        return result
    coroutine.close()
    raise TypeError("the coroutine awaits something that does not block")


class SocketLink:
    """One connected socket, one call at a time; ``timeout`` in seconds holds for each call."""

    def __init__(
        self, sock: socket.socket, peer: str, *, cred: opaque_auth, timeout: float
    ) -> None:
        self.sock, self.peer, self.timeout = sock, peer, timeout
        self.datagram = sock.type == socket.SOCK_DGRAM
        first_xid = int.from_bytes(os.urandom(4), "big")
        self.calls = Calls(first_xid=first_xid, retransmit=self.datagram, cred=cred)
        self.reader = RecordReader(max_record=MAX_REPLY)

    def __enter__(self) -> SocketLink:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the socket."""
        self.sock.close()

    async def call(self, procedure: Procedure[R], *arguments: Any) -> R:
        """Make the call and block until its reply, its refusal or its deadline."""
        now = time.monotonic()
        call = self.calls.start(procedure, arguments, now=now, timeout=self.timeout)
        try:
            self._send(call)
            while not call.done:
                self._step()
        except CallTimeout:
            raise
        except OSError as error:
            raise TransportError.of(error) from None
        finally:
            self.calls.forget(call)
        if call.error is not None:
            raise call.error
        result: R = call.result
        return result

    def _send(self, call: Pending) -> None:
        self._wait_until(call.deadline)
        try:
            self.sock.sendall(call.message if self.datagram else encode_record(call.message))
        except TimeoutError:
            self.close()  # half a record was sent: nothing can follow it
            raise CallTimeout(f"the peer does not take {call.procedure!r}") from None

    def _step(self) -> None:
        """Take what arrives until something is due, then see to what is due."""
        self._wait_until(self.calls.next_deadline() or 0.0)
        with suppress(TimeoutError):
            self._take(self.sock.recv(MAX_DATAGRAM))
        for call in self.calls.due(time.monotonic()):
            if not call.done:
                self._send(call)

    def _wait_until(self, deadline: float) -> None:
        self.sock.settimeout(max(deadline - time.monotonic(), SHORTEST_WAIT))

    def _take(self, data: bytes) -> None:
        if self.datagram:
            self.calls.feed(data)
            return
        if not data:
            raise TransportError.number(errno.ECONNRESET)
        self.reader.feed(data)
        for record in self.reader.records():
            self.calls.feed(record)


async def dial(
    netid: str,
    host: str,
    port: int,
    *,
    cred: opaque_auth = AUTH_NONE,
    timeout: float = DEFAULT_TIMEOUT,
) -> SocketLink:
    """Connect to a host and port, or to the local socket whose path ``host`` is.

    Raises:
        HostUnknown: the name has no address of the transport's family. TransportError.
        AddressError: this host has no such transport.
    """
    entry = transport(netid)
    address = look_up(entry, host, port)
    try:
        sock = socket_of(entry)
        try:
            sock.settimeout(timeout)
            sock.connect(address)
            return SocketLink(sock, peer_of(sock, host), cred=cred, timeout=timeout)
        except BaseException:
            sock.close()
            raise
    except TimeoutError:
        raise TransportError.number(errno.ETIMEDOUT) from None
    except OSError as error:
        raise TransportError.of(error) from None


binder = Binder(dial)
"""Asks port mappers, blocking."""

__all__ = ["Binder", "SocketLink", "binder", "dial", "run"]
