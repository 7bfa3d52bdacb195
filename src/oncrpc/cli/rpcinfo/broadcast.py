"""Broadcasts a call of procedure 0 of a program to the local networks (``-b``), by CALLIT.

A host that has the program answers with its address; others stay silent (RFC 1833
§2.2.1). Each round asks in version 3 and in version 2, so most hosts answer twice.
"""

from __future__ import annotations

import errno
import os
import selectors
import socket
import sys
import time
from typing import cast

from oncrpc.addr import split_uaddr
from oncrpc.cli.command import Failure, printable
from oncrpc.cli.rpcinfo.options import PROGRAM, RpcinfoRequest, program, version
from oncrpc.client.port_mapper import RPCB_MULTICAST
from oncrpc.errors import AddressError
from oncrpc.net.broadcast import Destination, broadcast_socket, destinations
from oncrpc.net.credentials import auth_sys
from oncrpc.programs.portmap import PMAP_PORT
from oncrpc.rpcbind_broadcast import BroadcastCalls

ROUNDS = (4.0, 8.0)
"""Seconds to wait for replies after each round."""

MOST_REPLIES = 4096
NO_NAME = "unknown"
NO_INTERFACE = "no interface that broadcasts is up"


async def broadcast(request: RpcinfoRequest) -> int:
    """``-b``: a line for every reply, with its address and the name of its host."""
    prog = program(request.operands[0])
    vers = version(request.operands[1])
    port = PMAP_PORT if request.rpcbind_port is None else request.rpcbind_port
    asking = _asking(BroadcastCalls.of((prog, vers, 0), b"", auth=auth_sys()), port)
    try:
        asking.rounds(request.timeout or sum(ROUNDS))
    finally:
        asking.close()
    return 0


def _asking(asked: BroadcastCalls, port: int) -> Asking:
    try:
        places = destinations(RPCB_MULTICAST)
        if not places:
            raise Failure(f"{PROGRAM}: broadcast failed: RPC: Unknown protocol; {NO_INTERFACE}")
        return Asking(asked, places, port)
    except OSError as error:
        reason = os.strerror(error.errno or errno.EIO)
        raise Failure(
            f"{PROGRAM}: broadcast failed: RPC: Unable to send; errno = {reason}"
        ) from None


class Asking:
    """The sockets of a broadcast, one for each address family."""

    def __init__(self, asked: BroadcastCalls, places: list[Destination], port: int) -> None:
        self.asked, self.places, self.port = asked, places, port
        self.replies = 0
        self.selector = selectors.DefaultSelector()
        self.sockets: dict[int, socket.socket] = {}
        try:
            for family in {place.family for place in places}:
                sock = self.sockets[family] = broadcast_socket(family)
                self.selector.register(sock, selectors.EVENT_READ)
        except OSError:
            self.close()
            raise

    def close(self) -> None:
        """Close the sockets."""
        self.selector.close()
        for sock in self.sockets.values():
            sock.close()

    def rounds(self, seconds: float) -> None:
        """Send and listen in rounds, for that many seconds in total."""
        end = time.monotonic() + seconds
        for pause in ROUNDS:
            if (now := time.monotonic()) < end:
                if not self.asked.send(self.sockets, self.places, self.port):
                    raise Failure(f"{PROGRAM}: broadcast failed: RPC: Unable to send")
                self.listen(min(now + pause, end))

    def listen(self, until: float) -> None:
        """Write a line for each reply until that time."""
        while (left := until - time.monotonic()) > 0:
            for key, _ in self.selector.select(left):
                self.receive(cast(socket.socket, key.fileobj))

    def receive(self, sock: socket.socket) -> None:
        """Read one reply from a socket, and write its line."""
        try:
            message, source = sock.recvfrom(65536)
        except OSError:  # such as ECONNREFUSED from an earlier datagram
            return
        found = self.asked.answer(message, source[0])
        if found is None:
            return
        self.replies += 1
        if self.replies > MOST_REPLIES:
            raise Failure(f"{PROGRAM}: more than {MOST_REPLIES} replies")
        sys.stdout.write(f"{printable(found.uaddr)}\t{name_of(found.uaddr)}\n")
        sys.stdout.flush()


def name_of(uaddr: bytes) -> str:
    """The host name of an address, ``unknown`` if it has none."""
    try:
        host, port = split_uaddr(uaddr.decode("ascii"))
        name, _ = socket.getnameinfo((host, port), 0)
    except (AddressError, UnicodeError, OSError):
        return NO_NAME
    return printable(name.encode("utf-8", "replace"))
