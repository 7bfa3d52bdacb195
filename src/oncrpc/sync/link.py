"""A blocking link: one connected socket that carries one call at a time."""

from __future__ import annotations

import errno
import os
import socket
import time
from contextlib import suppress
from typing import Any, TypeVar, TypeVarTuple

from oncrpc.addr import Transport, transport
from oncrpc.checks import check_timeout
from oncrpc.errors import (
    CallTimeout,
    ClientClosed,
    HostUnknown,
    LimitExceeded,
    OncRpcError,
    ProtocolError,
    TransportError,
)
from oncrpc.net.lookup import LONGEST_WAIT, LookUp, is_name, look_up
from oncrpc.net.peers import hung_up, peer_of_new
from oncrpc.net.targets import bind_reserved, place_text, socket_of
from oncrpc.rpc.auth import AUTH_NONE, Auth
from oncrpc.rpc.calls import DEFAULT_TIMEOUT, Calls, Pending
from oncrpc.rpc.program import Procedure
from oncrpc.rpc.record import RecordReader, encode_record

R = TypeVar("R")
A = TypeVarTuple("A")
MAX_DATAGRAM = 65536
"""Bytes read at a time, and of a reply over UDP (blocking)."""

SHORTEST_WAIT = 0.0001
MAX_REPLY = 64 << 20
"""Bytes of a reply over a stream (blocking): a dump of half a million registrations."""

MAX_STRAY = 1024
"""Messages on a stream that answer no call under way. A timed-out call may still be answered, but
not so often: a peer that sends more is not answering calls, and would keep the caller reading."""


class SocketLink:
    """One connected socket, one call at a time; ``timeout`` in seconds applies to each call.

    ``broken`` is the error that every further call raises, None while calls can be made.
    ``doubtful`` says that the peer of a datagram socket did not answer the last call: a further
    call may be answered. ``calls.place`` is where the link leads, for the text of errors.
    """

    def __init__(
        self,
        sock: socket.socket,
        peer: str,
        *,
        auth: Auth = AUTH_NONE,
        timeout: float,
        place: str = "",
    ) -> None:
        self.sock, self.peer, self.timeout = sock, peer, timeout
        self.datagram = sock.type == socket.SOCK_DGRAM
        self.broken: OncRpcError | None = None
        self.doubtful = False
        self.stray = 0
        first_xid = int.from_bytes(os.urandom(4), "big")
        self.calls = Calls(
            first_xid=first_xid, retransmit=self.datagram, auth=auth, place=place or peer
        )
        self.reader = RecordReader(max_record=MAX_REPLY)

    def __repr__(self) -> str:
        return f"<SocketLink to {self.calls.place}{', broken' if self.broken else ''}>"

    def __enter__(self) -> SocketLink:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the socket; a call made later fails with ``ClientClosed``."""
        self._break(ClientClosed.at(self.calls.place))

    def _give_up(self, reason: str) -> None:
        """Close the socket, because no call can follow on it."""
        given_up = TransportError(errno.ECONNABORTED, f"given up after {reason}")
        given_up.place = self.calls.place
        self._break(given_up)

    def _break(self, why: OncRpcError) -> None:
        self.broken = why
        self.sock.close()

    @property
    def works(self) -> bool:
        """Whether a call can be made, as far as can be seen: the peer may have ended the stream."""
        return self.broken is None and not self.doubtful and not hung_up(self.sock.fileno())

    async def call(
        self,
        procedure: Procedure[R, *A],
        *arguments: *A,
        timeout: float | None = None,
        auth: Auth | None = None,
    ) -> R:
        """Make the call and block until its reply, its refusal or its deadline.

        Raises:
            RuntimeError: another thread's call is under way.
        """
        if len(self.calls):
            raise RuntimeError("a call is under way on this link: each thread needs its own")
        if self.broken is not None:
            raise self.broken.with_traceback(None)
        now, limit = time.monotonic(), self.timeout if timeout is None else timeout
        call = self.calls.start(procedure, arguments, now=now, timeout=limit, auth=auth)
        try:
            self._send(call)
            while not call.done:
                self._step()
        except CallTimeout:
            raise
        except ProtocolError as error:  # where the next record begins is not known
            self._give_up(f"bytes that are not a record: {error}")
            error.procedure, error.place = procedure, self.calls.place
            raise
        except OSError as error:
            raise self._failed(error) from None
        finally:
            self.calls.forget(call)
        if call.error is not None:
            raise call.error
        result: R = call.result
        return result

    def _failed(self, error: OSError) -> TransportError:
        """Note that the socket failed: a stream is broken, datagrams may be answered again."""
        failure = TransportError.of(error, place=self.calls.place)
        if self.datagram:
            self.doubtful = True
        else:
            self._break(failure)
        return failure

    def _send(self, call: Pending) -> None:
        self._wait_until(call.deadline)
        try:
            self.sock.sendall(call.message if self.datagram else encode_record(call.message))
        except TimeoutError:
            self._give_up("half a call that was not accepted in time")
            raise CallTimeout(f"{self.calls.place} does not accept {call.procedure!r}") from None

    def _step(self) -> None:
        """Read until something is due, then retransmit or end what is due."""
        self._wait_until(self.calls.next_deadline() or 0.0)
        with suppress(TimeoutError):
            self._take(self.sock.recv(MAX_DATAGRAM))
        for call in self.calls.due(time.monotonic()):
            if not call.done:
                self._send(call)

    def _wait_until(self, deadline: float) -> None:
        self.sock.settimeout(_bounded(deadline - time.monotonic()))

    def _take(self, data: bytes) -> None:
        if self.datagram:
            self._feed(data)
            return
        if not data:
            raise TransportError.number(errno.ECONNRESET)
        self.reader.feed(data)
        for record in self.reader.records():
            self._feed(record)

    def _feed(self, message: bytes) -> None:
        call = self.calls.feed(message)
        if call is None:
            self._count_stray()
        elif not call.done:
            self._send(call)

    def _count_stray(self) -> None:
        """Datagrams may come from anyone, so only messages on a stream have a limit."""
        self.stray += 1
        if not self.datagram and self.stray > MAX_STRAY:
            raise LimitExceeded(f"over {MAX_STRAY} messages that answer no call")


async def dial(
    netid: str,
    host: str,
    port: int,
    *,
    auth: Auth = AUTH_NONE,
    timeout: float = DEFAULT_TIMEOUT,
    reserved_port: bool = False,
) -> SocketLink:
    """Connect to a host and port, or to the local socket whose path ``host`` is.

    ``reserved_port`` asks for a source port below 1024, which needs a privilege. The ``timeout``
    is for dialing, looking up the name included, and then for each call.

    Raises:
        HostUnknown: the name has no address of the transport's family. TransportError.
        AddressError: no such transport, or an invalid port.
    """
    sock = connected_socket(netid, host, port, timeout=timeout, reserved_port=reserved_port)
    place = place_text(transport(netid), host, port)
    peer = peer_of_new(sock, host, place=place)
    return SocketLink(sock, peer, auth=auth, timeout=timeout, place=place)


def connected_socket(
    netid: str, host: str, port: int, *, timeout: float, reserved_port: bool = False
) -> socket.socket:
    """A blocking socket, connected as ``dial`` connects; the caller closes it.

    Raises:
        HostUnknown, TransportError, AddressError: as ``dial``.
    """
    check_timeout(timeout)
    entry = transport(netid)
    place = place_text(entry, host, port)
    until = time.monotonic() + timeout
    try:
        address = _look_up(entry, host, port, timeout)
        sock = socket_of(entry)
        try:
            sock.settimeout(_bounded(until - time.monotonic()))
            if reserved_port:
                bind_reserved(sock)
            sock.connect(address)
            return sock
        except BaseException:
            sock.close()
            raise
    except HostUnknown:
        raise
    except TimeoutError:
        raise TransportError.number(errno.ETIMEDOUT, place=place) from None
    except OSError as error:
        raise TransportError.of(error, place=place) from None


def _look_up(entry: Transport, host: str, port: int, timeout: float) -> Any:
    if is_name(entry, host):
        return LookUp(entry, host, port).wait(timeout)
    return look_up(entry, host, port)


def _bounded(seconds: float) -> float:
    """A timeout that sockets accept: they take 0 for non-blocking, and no infinity."""
    return min(max(seconds, SHORTEST_WAIT), LONGEST_WAIT)
