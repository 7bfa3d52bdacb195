"""Asking the hosts of the local networks for a program (``-b``), by CALLIT of its procedure 0.

A host that has the program answers with its address; one that has not stays silent (RFC 1833
§2.2.1). Each round asks in version 3 and in version 2, so most hosts answer twice.
"""

from __future__ import annotations

import os
import selectors
import socket
import sys
import time
from typing import Any, NamedTuple, cast

from oncrpc.addr import join_uaddr, split_uaddr
from oncrpc.cli.command import Failure, printable
from oncrpc.cli.rpcinfo.interfaces import Destination, destinations
from oncrpc.cli.rpcinfo.options import PROGRAM, Request, program, version
from oncrpc.errors import AddressError, OncRpcError
from oncrpc.programs.portmap import PMAP_PORT, PMAP_VERS, call_args
from oncrpc.programs.rpcb import RPCBVERS, rpcb_rmtcallargs, rpcb_rmtcallres
from oncrpc.rpc import auth_sys
from oncrpc.rpc.calls import Calls, Pending, results_at

ROUNDS = (4.0, 8.0)
"""The seconds for which replies are awaited after each sending."""

MOST_REPLIES = 4096
NO_NAME = "unknown"


class Questions(NamedTuple):
    """The two calls that are sent, told apart by their xids."""

    version_3: Pending
    version_2: Pending

    @property
    def messages(self) -> tuple[bytes, bytes]:
        """In the order in which they are sent."""
        return self.version_3.message, self.version_2.message


def questions(prog: int, vers: int) -> Questions:
    """CALLIT of the program's procedure 0, in both versions."""
    name = socket.gethostname().encode("ascii", "replace")
    cred = auth_sys(
        name, os.geteuid(), os.getegid(), os.getgroups(), stamp=int(time.time()) & 0xFFFFFFFF
    )
    calls = Calls(first_xid=int.from_bytes(os.urandom(4), "big"), retransmit=False, cred=cred)
    total = sum(ROUNDS)
    asked_3, asked_2 = rpcb_rmtcallargs(prog, vers, 0, b""), call_args(prog, vers, 0, b"")
    return Questions(
        calls.start(RPCBVERS.RPCBPROC_CALLIT, (asked_3,), now=0.0, timeout=total),
        calls.start(PMAP_VERS.PMAPPROC_CALLIT, (asked_2,), now=0.0, timeout=total),
    )


async def broadcast(request: Request) -> int:
    """``-b``: a line for every reply, its address and its host's name."""
    prog = program(request.operands[0])
    vers = version(request.operands[1])
    port = PMAP_PORT if request.rpcbind_port is None else request.rpcbind_port
    places = destinations()
    if not places:
        raise Failure(f"{PROGRAM}: broadcast failed: RPC: Unknown protocol")
    asking = Asking(questions(prog, vers), places, port)
    try:
        asking.rounds(request.timeout or sum(ROUNDS))
    finally:
        asking.close()
    return 0


class Asking:
    """The sockets of a broadcast, one a family."""

    def __init__(self, asked: Questions, places: list[Destination], port: int) -> None:
        self.asked, self.places, self.port = asked, places, port
        self.replies = 0
        self.selector = selectors.DefaultSelector()
        self.sockets = {family: _socket(family) for family in {place.family for place in places}}
        for sock in self.sockets.values():
            self.selector.register(sock, selectors.EVENT_READ)

    def close(self) -> None:
        """Close the sockets."""
        self.selector.close()
        for sock in self.sockets.values():
            sock.close()

    def rounds(self, seconds: float) -> None:
        """Send and listen, again and again, for so long in all."""
        end = time.monotonic() + seconds
        for pause in ROUNDS:
            if (now := time.monotonic()) < end:
                self.send()
                self.listen(min(now + pause, end))

    def send(self) -> None:
        """Send both questions everywhere; that one network is down is no failure."""
        sent = 0
        for place in self.places:
            for message in self.asked.messages:
                try:
                    self.sockets[place.family].sendto(message, place.sockaddr(self.port))
                except OSError:
                    continue
                sent += 1
        if not sent:
            raise Failure(f"{PROGRAM}: broadcast failed: RPC: Unable to send")

    def listen(self, until: float) -> None:
        """Write a line for each reply until then."""
        while (left := until - time.monotonic()) > 0:
            for key, _ in self.selector.select(left):
                self._receive(cast(socket.socket, key.fileobj))

    def _receive(self, sock: socket.socket) -> None:
        try:
            message, source = sock.recvfrom(65536)
        except OSError:  # such as ECONNREFUSED, of an earlier datagram
            return
        uaddr = answered(self.asked, message, source[0])
        if uaddr is None:
            return
        self.replies += 1
        if self.replies > MOST_REPLIES:
            raise Failure(f"{PROGRAM}: more than {MOST_REPLIES} replies")
        sys.stdout.write(f"{printable(uaddr)}\t{name_of(uaddr)}\n")
        sys.stdout.flush()


def _socket(family: int) -> socket.socket:
    sock = socket.socket(family, socket.SOCK_DGRAM)
    if family == socket.AF_INET:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
    return sock


def answered(asked: Questions, message: bytes, host: str) -> bytes | None:
    """The universal address in a reply, None if it is no reply to us or a refusal.

    Version 2 tells a port alone: the host is the one that the reply came from.
    """
    pending = {call.xid: call for call in asked}.get(int.from_bytes(message[:4], "big"))
    if pending is None or message[4:8] != b"\0\0\0\1":
        return None
    try:
        found: Any = pending.procedure.decode_result(message, results_at(message))
    except OncRpcError:
        return None
    if isinstance(found, rpcb_rmtcallres):
        return found.addr
    return join_uaddr(host, found.port & 0xFFFF).encode()


def name_of(uaddr: bytes) -> str:
    """The name of an address's host, ``unknown`` if there is none."""
    try:
        host, port = split_uaddr(uaddr.decode("ascii"))
        name, _ = socket.getnameinfo((host, port), 0)
    except (AddressError, UnicodeError, OSError):
        return NO_NAME
    return printable(name.encode("utf-8", "replace"))
