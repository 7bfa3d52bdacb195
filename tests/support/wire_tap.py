"""RPC calls that pass an interface of a host, with the time at which the kernel saw each.

with WireTap(host, "br0") as tap:
    ...
    tap.until(lambda call: call.proc == NLM4_GRANTED)
"""

from __future__ import annotations

import re
import select
import socket
import struct
import time
from collections.abc import Callable
from typing import NamedTuple, Self

from support.hosts import Host
from support.namespace import DEADLINE

ETH_P_ALL = 3
ADDRESSES = {
    0x0800: (socket.AF_INET, slice(12, 16), slice(16, 20)),
    0x86DD: (socket.AF_INET6, slice(8, 24), slice(24, 40)),
}
"""Where a packet has its source and its target."""

SO_RCVBUFFORCE = 33
SO_TIMESTAMPNS = 35
BUFFER = 16 << 20
CALL = re.compile(rb"(....)\x00{7}\x02(....)(\x00{3}.)(\x00{3}.)", re.DOTALL)
"""The first words of a call: xid, CALL, version 2, the program, its version, the procedure."""

REPLY = re.compile(rb"(....)\x00{3}\x01\x00{4}", re.DOTALL)
"""The first words of a reply that accepts a call: xid, REPLY, MSG_ACCEPTED."""


class SeenCall(NamedTuple):
    """A call on the wire, and when."""

    time: float
    source: str
    target: str
    xid: int
    prog: int
    vers: int
    proc: int


class WireTap:
    """Keeps the calls that come by, over TCP and UDP."""

    def __init__(self, host: Host, interface: str) -> None:
        self._host, self._interface = host, interface
        self.calls: list[SeenCall] = []
        self._replies: set[tuple[str, str, int]] = set()

    def __enter__(self) -> Self:
        with self._host.network():
            self._sock = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, 0)
        self._sock.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
        self._sock.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, BUFFER)
        self._sock.bind((self._interface, ETH_P_ALL))  # also what this host sends
        return self

    def __exit__(self, *_: object) -> None:
        self._sock.close()

    def until(self, wanted: Callable[[SeenCall], bool]) -> SeenCall:
        """Wait for the first call that is wanted, also among those seen already."""
        self._wait(lambda: any(map(wanted, self.calls)))
        return next(filter(wanted, self.calls))

    def until_answered(self, call: SeenCall) -> None:
        """Wait until a call is accepted, whatever comes of it."""
        self._wait(lambda: (call.target, call.source, call.xid) in self._replies)

    def _wait(self, true: Callable[[], bool]) -> None:
        deadline = time.monotonic() + DEADLINE
        while not true():
            ready, _, _ = select.select([self._sock], [], [], max(0, deadline - time.monotonic()))
            assert ready, f"not seen; last seen are {self.calls[-20:]}"
            self._receive()

    def seen(self) -> list[SeenCall]:
        """All calls until now."""
        while select.select([self._sock], [], [], 0)[0]:
            self._receive()
        return self.calls

    def _receive(self) -> None:
        data, ancillary, _, address = self._sock.recvmsg(1 << 16, 64)
        if address[1] not in ADDRESSES:
            return
        family, *places = ADDRESSES[address[1]]
        seconds, nanoseconds = struct.unpack("qq", ancillary[0][2])
        at = seconds + nanoseconds / 1e9
        source, target = (socket.inet_ntop(family, data[place]) for place in places)
        for found in CALL.finditer(data):
            numbers = (int.from_bytes(word) for word in found.groups())
            self.calls.append(SeenCall(at, source, target, *numbers))
        for found in REPLY.finditer(data):
            self._replies.add((source, target, int.from_bytes(found[1])))
