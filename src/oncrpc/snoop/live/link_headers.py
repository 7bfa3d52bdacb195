"""The link headers that the kernel leaves out of a frame.

Frames of Ethernet, and of loopback, which looks like it, are captured whole but for a VLAN tag.
All other frames, and those of the interface ``any``, begin with the IP header; in front of them
goes a header of LINUX_SLL2, as other tools have it, which tells the interface and the direction.
"""

from __future__ import annotations

from struct import Struct

from oncrpc.snoop.capture.headers import SLL2_HEADER

TAG_PLACE = 12
"""Where Ethernet has its VLAN tag: behind two addresses."""

VLAN, TAG_BYTES = 0x8100, 4
KERNEL_ADDRESS = Struct("=2x2sIHBB8s")
"""``struct sockaddr_ll``; the protocol in it is in network order, as it is in LINUX_SLL2."""

SLL2 = Struct(">2s2xIHBB8s")
TAG = Struct(">HH")


def tagged_head(addresses: bytes, tag: int, kind: int) -> bytes:
    """The beginning of a frame of Ethernet: its addresses, then the VLAN tag that it had."""
    return addresses + TAG.pack(kind or VLAN, tag & 0xFFFF)


def cooked_header(address: bytes) -> bytes:
    """The header of LINUX_SLL2, made of the address that the kernel has of a packet."""
    return SLL2.pack(*KERNEL_ADDRESS.unpack(address))


assert SLL2.size == SLL2_HEADER
