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

ETH_P_ALL, ETH_P_IP = 3, 0x0800
SO_RCVBUFFORCE = 33
SO_TIMESTAMPNS = 35
BUFFER = 16 << 20
CALL = re.compile(rb"(....)\x00{7}\x02(....)\x00{3}(.)\x00{3}(.)", re.DOTALL)
"""The first words of a call: xid, CALL, version 2, the program, its version, the procedure."""


class SeenCall(NamedTuple):
    """A call on the wire, and when; ``body`` is what follows the procedure's number."""

    time: float
    source: str
    target: str
    prog: int
    vers: int
    proc: int
    body: bytes


class WireTap:
    """Keeps the calls that come by, over TCP and UDP of IPv4."""

    def __init__(self, host: Host, interface: str) -> None:
        self._host, self._interface = host, interface
        self.calls: list[SeenCall] = []

    def __enter__(self) -> Self:
        with self._host.network():
            self._sock = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, 0)
        self._sock.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
        self._sock.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, BUFFER)
        self._sock.bind((self._interface, ETH_P_ALL))  # also what this host sends
        return self

    def __exit__(self, *_: object) -> None:
        self._sock.close()

    def until(self, wanted: Callable[[SeenCall], bool], *, timeout: float = DEADLINE) -> SeenCall:
        """Wait for the first call that is wanted, also among those seen already."""
        deadline = time.monotonic() + timeout
        looked_at = 0
        while True:
            for call in self.calls[looked_at:]:
                if wanted(call):
                    return call
            looked_at = len(self.calls)
            ready, _, _ = select.select([self._sock], [], [], max(0, deadline - time.monotonic()))
            assert ready, f"not seen among {[call[:6] for call in self.calls]}"
            self._receive()

    def seen(self) -> list[SeenCall]:
        """All calls until now."""
        while select.select([self._sock], [], [], 0)[0]:
            self._receive()
        return self.calls

    def _receive(self) -> None:
        data, ancillary, _, address = self._sock.recvmsg(1 << 16, 64)
        if address[1] != ETH_P_IP:
            return
        seconds, nanoseconds = struct.unpack("qq", ancillary[0][2])
        self.calls += calls_in(data, at=seconds + nanoseconds / 1e9)


def calls_in(packet: bytes, *, at: float) -> list[SeenCall]:
    """The calls that begin in an IPv4 packet."""
    source, target = (socket.inet_ntoa(packet[start : start + 4]) for start in (12, 16))
    return [
        SeenCall(
            at,
            source,
            target,
            int.from_bytes(found[2]),
            found[3][0],
            found[4][0],
            packet[found.end() :],
        )
        for found in CALL.finditer(packet, 4 * (packet[0] & 15))
    ]
