"""Restore the link headers that the kernel removes from frames.

Frames of Ethernet, and of loopback, which has Ethernet headers, lack only a VLAN tag. All other
frames, and those of the interface ``any``, begin with the IP header; they get a LINUX_SLL2 header,
as in other programs, with the interface and the direction.
"""

from __future__ import annotations

from struct import Struct

from oncrpc.snoop.capture.headers import SLL2_HEADER

TAG_PLACE = 12
"""Offset of the VLAN tag of Ethernet: after two addresses."""

VLAN, TAG_BYTES = 0x8100, 4
KERNEL_ADDRESS = Struct("=2x2sIHBB8s")
"""``struct sockaddr_ll``; its protocol is in network byte order, as in LINUX_SLL2."""

SLL2 = Struct(">2s2xIHBB8s")
TAG = Struct(">HH")


def tagged_head(addresses: bytes, tag: int, kind: int) -> bytes:
    """The beginning of an Ethernet frame: its addresses, then the removed VLAN tag."""
    return addresses + TAG.pack(kind or VLAN, tag & 0xFFFF)


def cooked_header(address: bytes) -> bytes:
    """The LINUX_SLL2 header for a packet with this ``struct sockaddr_ll``."""
    return SLL2.pack(*KERNEL_ADDRESS.unpack(address))


assert SLL2.size == SLL2_HEADER
