"""CALLIT, BCAST and INDIRECT: calling a local program for another caller (RFC 1833 §2.2.1, §3.2).

Off by default, since a port mapper that calls for others makes a remote call look local. Calls are
sent to the loopback address only, from a socket that nothing outside can reach. The result is sent
like any other reply, from the address that was asked.

The table of calls under way is bounded. A call leaves it with its result, after ``LIFETIME``, or
when a new call needs its place: a source with ``MAX_PER_SOURCE`` calls gives up its own oldest
call; if the table is full, the source with most calls does. So no source can take all places, and a
source that sends one call at a time gets its result.
"""

from __future__ import annotations

import asyncio
import logging
import os
import socket
from collections import Counter, OrderedDict
from collections.abc import Callable
from typing import NamedTuple

from msgspec import Struct

from oncrpc.addr import LOOPBACKS
from oncrpc.errors import CallError, ProtocolError, SystemFailure, XdrError
from oncrpc.net.targets import FAMILIES
from oncrpc.rpc import AUTH_NONE, Caller, NoReply, auth_sys
from oncrpc.rpc.auth import Credential
from oncrpc.rpc.calls import call_header, results_at
from oncrpc.rpc.program import Origin
from oncrpc.rpc.prot import authsys_parms, opaque_auth

log = logging.getLogger("oncrpc.portmap")

MAX_PENDING = 64
"""Forwarded calls in progress; one more ends the oldest of the source that has most."""

MAX_PER_SOURCE = 16
"""Forwarded calls in progress of one source: an IPv4 address, or an IPv6 /64."""

LIFETIME = 60.0
"""Seconds that a forwarded call waits for its result."""

MAX_ARGUMENTS = 8752
"""Bytes of the arguments of a forwarded call."""

MAX_RESULTS = 8740
"""Bytes of a forwarded result: with header and address, the 8800 bytes that C servers reply."""

MAX_DATAGRAM = 65536
"""Bytes of the reply of the program to a forwarded call."""


class ForwardTarget(Struct, frozen=True):
    """The procedure to call, and the local port that its program listens on."""

    prog: int
    vers: int
    proc: int
    family: str
    port: int


class ForwardKey(NamedTuple):
    """The identity of a call: the caller, its xid, and the called procedure.

    The caller includes how the call arrived: a forged call from outside is not the honest one.
    """

    xid: int
    caller: Caller
    prog: int
    vers: int
    proc: int


class ForwardedCall(Struct):
    """A forwarded call: its target, and the future of its result."""

    key: ForwardKey
    target: ForwardTarget
    result: asyncio.Future[bytes]


class Forwarder:
    """Forwards calls from ``start`` to ``close``; its sockets exist only then.

    ``_pending`` has the calls under way by the xid that they were sent with, the oldest first, and
    ``_keys`` their keys, so that a retransmitted call is not sent twice.
    """

    def __init__(self, *, now: Callable[[], float], families: tuple[str, ...]) -> None:
        self.now, self.families = now, families
        self.sockets: dict[str, socket.socket] = {}
        """One UDP socket for each address family, open from ``start`` to ``close``."""
        self._pending: OrderedDict[int, ForwardedCall] = OrderedDict()
        self._keys: set[ForwardKey] = set()

    def __len__(self) -> int:
        return len(self._pending)

    def start(self) -> None:
        """Open a socket for each family that the host has, bound to the loopback address."""
        loop = asyncio.get_running_loop()
        for family in self.families:
            try:
                sock = _open(family)
            except OSError as error:
                log.info("calls are not forwarded over %s: %s", family, error.strerror)
                continue
            self.sockets[family] = sock
            loop.add_reader(sock.fileno(), self._receive, family)

    def close(self) -> None:
        """Close the sockets; calls that wait get no reply."""
        loop = asyncio.get_running_loop()
        for sock in self.sockets.values():
            loop.remove_reader(sock.fileno())
            sock.close()
        self.sockets = {}
        for pending in self._pending.values():
            _give_up(pending)

    async def call(
        self, key: ForwardKey, target: ForwardTarget, arguments: bytes, credential: Credential
    ) -> bytes:
        """The bytes of the target's result.

        Raises:
            NoReply: a call with this ``key`` is in progress, the call could not be sent, the target
                did not reply in time, or the call was evicted for another one.
            SystemFailure: the target refused, its family has no socket, or ``arguments`` exceed
                ``MAX_ARGUMENTS``.
        """
        if key in self._keys:
            raise NoReply
        if target.family not in self.sockets or len(arguments) > MAX_ARGUMENTS:
            raise SystemFailure
        loop = asyncio.get_running_loop()
        xid = self._new_xid()
        pending = ForwardedCall(key, target, loop.create_future())
        self._remember(xid, pending)
        timer = loop.call_later(LIFETIME, _give_up, pending)
        try:
            self._send(xid, target, arguments, self._credential(credential))
            return await pending.result
        finally:
            timer.cancel()
            self._forget(xid)

    def _new_xid(self) -> int:
        """A random xid: a local user who guessed it could reply in place of the target."""
        while (xid := int.from_bytes(os.urandom(4), "big")) in self._pending:
            pass
        return xid

    def _remember(self, xid: int, pending: ForwardedCall) -> None:
        self._make_room(pending.key.caller.origin)
        self._pending[xid] = pending
        self._keys.add(pending.key)

    def _make_room(self, origin: Origin) -> None:
        """Give up the oldest call of this origin if it has its share, else of the busiest."""
        counts = Counter(pending.key.caller.origin for pending in self._pending.values())
        if counts[origin] < MAX_PER_SOURCE:
            if len(self._pending) < MAX_PENDING:
                return
            origin = max(counts, key=lambda each: counts[each])
        oldest = next(
            xid for xid, pending in self._pending.items() if pending.key.caller.origin == origin
        )
        _give_up(self._pending[oldest])
        self._forget(oldest)

    def _forget(self, xid: int) -> None:
        pending = self._pending.pop(xid, None)
        if pending is not None:
            self._keys.discard(pending.key)

    def _send(self, xid: int, target: ForwardTarget, arguments: bytes, cred: opaque_auth) -> None:
        called = (target.prog, target.vers, target.proc)
        padding = bytes(-len(arguments) % 4)
        message = call_header(xid, called, cred=cred) + arguments + padding
        try:
            self.sockets[target.family].sendto(message, _address(target))
        except OSError as error:
            log.debug("forwarding to port %d: %s", target.port, error)
            raise NoReply from None

    def _credential(self, credential: Credential) -> opaque_auth:
        """The caller's AUTH_SYS credential, encoded again; other credentials are not passed on."""
        if not isinstance(credential, authsys_parms):
            return AUTH_NONE
        c = credential
        return auth_sys(c.machinename, c.uid, c.gid, c.gids, stamp=int(self.now()) & 0xFFFFFFFF)

    def _receive(self, family: str) -> None:
        try:
            reply, source = self.sockets[family].recvfrom(MAX_DATAGRAM)
        except OSError as error:  # BlockingIOError, or the port of a target is closed
            log.debug("forwarding: %s", error)
            return
        pending = self._pending.get(int.from_bytes(reply[:4], "big"))
        if pending is None or source[:2] != _address(pending.target) or pending.result.done():
            return
        try:
            results = reply[results_at(reply) :]
            if len(results) > MAX_RESULTS:
                raise SystemFailure
            pending.result.set_result(results)
        except CallError as refusal:
            log.debug("forwarding: the target refused: %s", refusal)
            pending.result.set_exception(SystemFailure())
        except (ProtocolError, XdrError) as error:
            log.debug("forwarding: a malformed reply: %s", error)


def _open(family: str) -> socket.socket:
    sock = socket.socket(FAMILIES[family], socket.SOCK_DGRAM)
    try:
        sock.setblocking(False)
        sock.bind((LOOPBACKS[family], 0))
    except OSError:
        sock.close()
        raise
    return sock


def _address(target: ForwardTarget) -> tuple[str, int]:
    return LOOPBACKS[target.family], target.port


def _give_up(pending: ForwardedCall) -> None:
    if not pending.result.done():
        pending.result.set_exception(NoReply())
