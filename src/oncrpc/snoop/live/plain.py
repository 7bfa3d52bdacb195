"""Frames of a packet socket, received one by one; used if the kernel refuses a ring."""

from __future__ import annotations

import socket
import struct
from collections.abc import Iterable
from contextlib import suppress

from oncrpc.snoop.capture.frames import FramePlace, LinkType
from oncrpc.snoop.capture.headers import SLL2_HEADER
from oncrpc.snoop.live.link_headers import SLL2, TAG_BYTES, TAG_PLACE, tagged_head
from oncrpc.snoop.live.ring import SOL_PACKET, TAGGED, Batch

PACKET_AUXDATA = 8
SO_TIMESTAMPNS = 35
BUFFERED = 8 << 20
"""Bytes that the kernel buffers; the limit of the system may be lower."""

LONGEST = 1 << 18
"""Bytes received of a frame."""

BATCH = 64
"""Frames of a batch, at most."""

TIME = struct.Struct("@qq")
ABOUT = struct.Struct("=4xI8xHH")
"""``struct tpacket_auxdata``: the length on the wire and the VLAN tag."""

STATUS = struct.Struct("=I")
Address = tuple[str, int, int, int, bytes]
Ancillary = Iterable[tuple[int, int, bytes]]


class PlainPackets:
    """The frames of a packet socket; ``next_batch`` is None if there is no frame now."""

    def __init__(self, sock: socket.socket, link: LinkType) -> None:
        sock.setsockopt(SOL_PACKET, PACKET_AUXDATA, 1)
        sock.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, BUFFERED)
        self._socket, self._link = sock, link
        self._buffer = bytearray(LONGEST)
        self.received = 0

    def close(self) -> None:
        """Do nothing: there are no shared buffers."""

    def next_batch(self) -> Batch | None:
        """Frames that have arrived, at most ``BATCH``; None if there are none."""
        data, places = bytearray(), list[FramePlace]()
        with suppress(BlockingIOError):
            while len(places) < BATCH:
                self._receive(data, places)
        return (bytes(data), places) if places else None

    def _receive(self, data: bytearray, places: list[FramePlace]) -> None:
        """Add a frame to a batch."""
        size, ancillary, _, address = self._socket.recvmsg_into(
            [self._buffer], 256, socket.MSG_DONTWAIT
        )
        time, length, tag, kind = _metadata(ancillary, size)
        begin, at = len(data), 0
        if self._link != LinkType.ETHERNET:
            data += _header(address)
            length += SLL2_HEADER
        elif tag is not None:
            data += tagged_head(bytes(self._buffer[:TAG_PLACE]), tag, kind)
            at, length = TAG_PLACE, length + TAG_BYTES
        data += memoryview(self._buffer)[at:size]
        self.received += 1
        places.append((self.received, time, self._link, begin, len(data), length))


def _metadata(ancillary: Ancillary, size: int) -> tuple[int, int, int | None, int]:
    """The time of a frame, its length on the wire, and its VLAN tag with the tag's type."""
    time, length, tag, kind = 0, size, None, 0
    for level, what, data in ancillary:
        if (level, what) == (socket.SOL_SOCKET, SO_TIMESTAMPNS):
            seconds, rest = TIME.unpack(data)
            time = seconds * 1_000_000_000 + rest
        elif (level, what) == (SOL_PACKET, PACKET_AUXDATA):
            length, found, kind = ABOUT.unpack(data)
            tag = found if STATUS.unpack_from(data)[0] & TAGGED else None
    return time, length, tag, kind


def _header(address: Address) -> bytes:
    """The LINUX_SLL2 header for a packet from this address."""
    name, protocol, direction, hardware, sender = address
    try:
        index = socket.if_nametoindex(name)
    except OSError:  # the interface is gone
        index = 0
    kind = protocol.to_bytes(2, "big")
    return SLL2.pack(kind, index, hardware, direction, len(sender), sender)
