"""Frames and capture files, made from what they carry."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from ipaddress import ip_address
from struct import pack
from typing import NamedTuple

A, B = "192.0.2.1", "192.0.2.2"
A6, B6 = "2001:db8::1", "2001:db8::2"
SYN, ACK = 2, 16


class Ends(NamedTuple):
    """Source and target of a segment: addresses and ports."""

    source: str = A
    target: str = B
    source_port: int = 700
    target_port: int = 2049

    def back(self) -> Ends:
        """The ends of a segment of the other direction."""
        return Ends(self.target, self.source, self.target_port, self.source_port)


UP, UP6 = Ends(), Ends(A6, B6)
"""From the client to the server."""


def udp(data: bytes, ends: Ends = UP) -> bytes:
    """A UDP datagram with its header."""
    ports = pack(">HH", ends.source_port, ends.target_port)
    return ports + pack(">HH", 8 + len(data), 0) + data


def tcp(data: bytes, ends: Ends = UP, *, seq: int = 1, ack: int = 1, flags: int = ACK) -> bytes:
    """A TCP segment with its header."""
    ports = pack(">HH", ends.source_port, ends.target_port)
    return ports + pack(">IIBBHHH", seq, ack, 5 << 4, flags, 1000, 0, 0) + data


def ip(payload: bytes, ends: Ends = UP, *, protocol: int = 17) -> bytes:
    """A packet of IPv4 or IPv6, by the addresses."""
    if ":" in ends.source:
        return ipv6(payload, ends, protocol=protocol)
    return ipv4(payload, ends, protocol=protocol)


def ipv4(
    payload: bytes,
    ends: Ends = UP,
    *,
    protocol: int = 17,
    fragment: int = 0,
    identification: int = 0,
    options: bytes = b"",
) -> bytes:
    """A packet of IPv4; ``fragment`` is the word with the flags and the offset."""
    first, length = 0x45 + len(options) // 4, 20 + len(options) + len(payload)
    head = pack(">BBHHHBBH", first, 0, length, identification, fragment, 64, protocol, 0)
    return head + _addresses(ends) + options + payload


def ipv6(
    payload: bytes,
    ends: Ends = UP6,
    *,
    protocol: int = 17,
    extensions: Sequence[tuple[int, bytes]] = (),
) -> bytes:
    """A packet of IPv6; an extension is its number and its bytes after the next number."""
    kinds = [*(kind for kind, _ in extensions), protocol]
    for following, (_, rest) in reversed(list(zip(kinds[1:], extensions, strict=True))):
        payload = bytes([following]) + rest + payload
    return pack(">IHBB", 6 << 28, len(payload), kinds[0], 64) + _addresses(ends) + payload


def _addresses(ends: Ends) -> bytes:
    return ip_address(ends.source).packed + ip_address(ends.target).packed


def fragments(packet: bytes, *, size: int, identification: int = 7) -> list[bytes]:
    """A packet of IPv4 without options, in fragments of that many bytes."""
    payload, pieces = packet[20:], list[bytes]()
    for at in range(0, len(payload), size):
        piece = payload[at : at + size]
        more = 0x2000 if at + size < len(payload) else 0
        middle = pack(">HHH", 20 + len(piece), identification, more | at // 8)
        pieces.append(packet[:2] + middle + packet[8:20] + piece)
    return pieces


def ethernet(packet: bytes, *, tags: Iterable[int] = ()) -> bytes:
    """A frame of Ethernet; ``tags`` are the types of VLAN tags."""
    return bytes(12) + b"".join(pack(">HH", tag, 5) for tag in tags) + _kind(packet) + packet


def cooked(packet: bytes, *, version: int = 1) -> bytes:
    """A frame of Linux's cooked capture."""
    return (bytes(14) + _kind(packet) if version == 1 else _kind(packet) + bytes(18)) + packet


def _kind(packet: bytes) -> bytes:
    return b"\x08\x00" if packet[0] >> 4 == 4 else b"\x86\xdd"


Timed = tuple[int, bytes]
"""Nanoseconds and the bytes of a frame."""


def pcap(
    frames: Iterable[Timed], *, order: str = "<", nanoseconds: bool = False, link: int = 1
) -> bytes:
    """A pcap file."""
    magic, unit = (0xA1B23C4D, 1) if nanoseconds else (0xA1B2C3D4, 1000)
    written = pack(f"{order}IHHIIII", magic, 2, 4, 0, 0, 1 << 18, link)
    for time, data in frames:
        seconds, rest = divmod(time, 1_000_000_000)
        size = len(data)
        written += pack(f"{order}IIII", seconds, rest // unit, size, size) + data
    return written


def block(kind: int, body: bytes, *, order: str = "<") -> bytes:
    """A block of pcapng."""
    body += bytes(-len(body) % 4)
    length = pack(f"{order}I", len(body) + 12)
    return pack(f"{order}I", kind) + length + body + length


def section(*, order: str = "<") -> bytes:
    """The block that begins a section of pcapng."""
    return block(0x0A0D0D0A, pack(f"{order}IHHq", 0x1A2B3C4D, 1, 0, -1), order=order)


def option(code: int, value: bytes, *, order: str = "<") -> bytes:
    """An option of a block of pcapng."""
    return pack(f"{order}HH", code, len(value)) + value + bytes(-len(value) % 4)


def interface(*, order: str = "<", link: int = 1, options: bytes = b"", most: int = 0) -> bytes:
    """The block that describes an interface."""
    return block(1, pack(f"{order}HHI", link, 0, most) + options, order=order)


def enhanced(
    units: int, data: bytes, *, order: str = "<", number: int = 0, options: bytes = b""
) -> bytes:
    """The block of a frame with a time."""
    head = pack(f"{order}IIIII", number, units >> 32, units & 0xFFFFFFFF, len(data), len(data))
    return block(6, head + data + bytes(-len(data) % 4) + options, order=order)


def simple(data: bytes, *, order: str = "<") -> bytes:
    """The block of a frame without a time."""
    return block(3, pack(f"{order}I", len(data)) + data, order=order)


def pcapng(frames: Iterable[Timed], *, order: str = "<") -> bytes:
    """A pcapng file whose times are microseconds."""
    written = section(order=order) + interface(order=order)
    return written + b"".join(enhanced(time // 1000, data, order=order) for time, data in frames)
