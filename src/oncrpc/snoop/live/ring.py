"""A ring of blocks that the kernel fills and this process reads (packet(7), TPACKET_V3).

The memory is shared, so reading a frame needs no system call. The kernel hands over a block when it
is full or ``RETIRE`` milliseconds old. It reuses the block after this process has read it.
"""

from __future__ import annotations

import mmap
import socket
import struct

from oncrpc.snoop.capture.frames import FramePlace, LinkType
from oncrpc.snoop.capture.headers import SLL2_HEADER
from oncrpc.snoop.live.link_headers import (
    KERNEL_ADDRESS,
    TAG_BYTES,
    TAG_PLACE,
    cooked_header,
    tagged_head,
)

Batch = tuple[bytes, list[FramePlace]]
"""A buffer, and the places of the frames in it."""

SOL_PACKET = 263
PACKET_RX_RING, PACKET_VERSION = 5, 10
TPACKET_V3 = 2
RETIRE = 50
"""Milliseconds after which the kernel hands over a block that is not full."""

BLOCK = 1 << 20
"""Bytes of a block."""

SIZES = (64, 16, 4)
"""Numbers of blocks to try, in this order: the kernel may not have memory for more."""

STATUS_PLACE, OURS, THE_KERNELS = 8, 1, 0
BLOCK_HEAD = struct.Struct("=4I")
"""The status of a block, its number of frames, the offset of the first, and the used bytes."""

FRAME_HEAD = struct.Struct("=6IH6xIH")
"""``struct tpacket3_hdr`` up to the VLAN tag."""

LINK_ADDRESS = 48
"""The offset of ``struct sockaddr_ll`` from the head of a frame."""

TAGGED = 1 << 4
"""The flag in the status of a frame that its head has a VLAN tag."""

WORD = struct.Struct("=I")


class PacketRing:
    """The frames of a packet socket, a block at a time.

    ``next_batch`` is None while the block that the kernel fills next is not full.
    """

    def __init__(self, sock: socket.socket, link: LinkType, *, blocks: int) -> None:
        sock.setsockopt(SOL_PACKET, PACKET_VERSION, TPACKET_V3)
        # In TPACKET_V3 frames have no fixed size, but the kernel still checks these numbers.
        size = 1 << 11
        ring = struct.pack("=7I", BLOCK, blocks, size, blocks * (BLOCK // size), RETIRE, 0, 0)
        sock.setsockopt(SOL_PACKET, PACKET_RX_RING, ring)
        self._memory = mmap.mmap(sock.fileno(), blocks * BLOCK)
        self._link, self._blocks = link, blocks
        self._current = self.received = 0

    def close(self) -> None:
        """Release the memory."""
        self._memory.close()

    def next_batch(self) -> Batch | None:
        """The frames of the next block, as a copy: the kernel gets the block back at once."""
        memory, block = self._memory, self._current * BLOCK
        status, count, first, used = BLOCK_HEAD.unpack_from(memory, block + STATUS_PLACE)
        if not status & OURS:
            return None
        numbers = range(self.received + 1, self.received + count + 1)
        places = self._places(block, block + first, numbers)
        data = memory[block : block + used]
        WORD.pack_into(memory, block + STATUS_PLACE, THE_KERNELS)
        self.received += count
        self._current = (self._current + 1) % self._blocks
        return data, places

    def _places(self, block: int, at: int, numbers: range) -> list[FramePlace]:
        """The places of the frames in a block, after restoring their link headers.

        There is room for a header in front of a frame, after the address of its sender.
        """
        memory, unpack, link = self._memory, FRAME_HEAD.unpack_from, self._link
        is_cooked, found = link != LinkType.ETHERNET, list[FramePlace]()
        for number in numbers:
            following, second, nano, size, length, status, place, tag, kind = unpack(memory, at)
            begin = at + place
            end = begin + size
            if is_cooked:
                begin -= SLL2_HEADER
                length += SLL2_HEADER
                address = at + LINK_ADDRESS
                memory[begin : begin + SLL2_HEADER] = cooked_header(
                    memory[address : address + KERNEL_ADDRESS.size]
                )
            elif status & TAGGED:
                begin -= TAG_BYTES
                length += TAG_BYTES
                head = tagged_head(
                    memory[begin + TAG_BYTES : begin + TAG_BYTES + TAG_PLACE], tag, kind
                )
                memory[begin : begin + len(head)] = head
            found.append(
                (number, second * 1_000_000_000 + nano, link, begin - block, end - block, length)
            )
            at += following
        return found
