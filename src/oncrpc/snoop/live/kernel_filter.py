"""The filter in the kernel: a program of classic BPF that keeps frames of other protocols away.

It accepts TCP and UDP over IPv4 and IPv6, with fragments and extension headers, optionally only
from or to some addresses. With ``errors`` it accepts ICMP, too, and ARP of any address. A frame
that has a VLAN tag among its bytes is accepted unseen: the kernel takes the outer tag out of most
frames, and the reader understands the others.
"""

from __future__ import annotations

import socket
from collections.abc import Collection, Iterator, Sequence
from ctypes import addressof, create_string_buffer
from ipaddress import IPv4Address, IPv6Address, ip_address
from struct import pack
from typing import NamedTuple

from oncrpc.snoop.capture.headers import ETHERTYPE_IPV4, ETHERTYPE_IPV6, EXTENSIONS, VLAN_TAGS
from oncrpc.snoop.capture.segments import TCP, UDP

SO_ATTACH_FILTER = 26
MAX_KERNEL_HOSTS = 64
"""Addresses that the kernel compares; with more of them it accepts all hosts."""

TRANSPORTS = (TCP, UDP)
ICMP, ICMP_6 = 1, 58
ETHERTYPE_ARP = 0x0806
LOAD_WORD, LOAD_BYTE, JUMP, JUMP_IF_EQUAL, RETURN = 0x20, 0x30, 0x05, 0x15, 0x06
ABOUT_FRAME = 0xFFFFF000
"""Behind this place of a frame the kernel has what it knows of it (SKF_AD_OFF)."""

PROTOCOL, DIRECTION, HARDWARE = ABOUT_FRAME, ABOUT_FRAME + 4, ABOUT_FRAME + 28
OUTGOING = 4
LOOPBACK_HARDWARE = 772
ETHERNET_HARDWARE = 1


class _Step(NamedTuple):
    """An instruction; a jump goes to ``label`` if there is one."""

    code: int
    value: int
    label: str = ""
    skip: tuple[int, int] = (0, 0)


Part = _Step | str
"""An instruction, or a label in front of the next one."""


def attach(sock: socket.socket, program: bytes) -> None:
    """Let a socket receive only what a program accepts."""
    code = create_string_buffer(program, len(program))
    sock.setsockopt(
        socket.SOL_SOCKET, SO_ATTACH_FILTER, pack("HP", len(program) // 8, addressof(code))
    )


def nothing() -> bytes:
    """The program that accepts no frame."""
    return _assembled([_Step(RETURN, 0)])


def program_for(hosts: Collection[str], *, place: int, most: int, errors: bool = False) -> bytes:
    """The program for frames whose IP header is at a place; ``most`` bytes of each are captured."""
    over_ipv4 = [*TRANSPORTS, *([ICMP] if errors else [])]
    over_ipv6 = sorted({*TRANSPORTS, *EXTENSIONS, *([ICMP_6] if errors else [])})
    addresses = [ip_address(host) for host in hosts]
    if len(addresses) > MAX_KERNEL_HOSTS:
        addresses = []
    four = [each.packed for each in addresses if isinstance(each, IPv4Address)]
    six = [each.packed for each in addresses if isinstance(each, IPv6Address)]
    parts: list[Part] = [
        # Loopback shows each frame twice, first when it is sent.
        _Step(LOAD_WORD, DIRECTION), *_unless(OUTGOING, "protocol"),
        _Step(LOAD_WORD, HARDWARE), *_when(LOOPBACK_HARDWARE, "refuse"),
        "protocol", _Step(LOAD_WORD, PROTOCOL),
        *_when(ETHERTYPE_IPV4, "IPv4"), *_when(ETHERTYPE_IPV6, "IPv6"),
        *(step for tag in sorted(VLAN_TAGS) for step in _when(tag, "accept")),
        *(_when(ETHERTYPE_ARP, "accept") if errors else ()),
        _Step(JUMP, 0, "refuse"),
        "IPv4", _Step(LOAD_BYTE, place + 9),
        *(step for each in over_ipv4 for step in _when(each, "hosts of IPv4")),
        _Step(JUMP, 0, "refuse"),
        "hosts of IPv4", *_hosts(four, place + 12, among=len(addresses)),
        "IPv6", _Step(LOAD_BYTE, place + 6),
        *(step for each in over_ipv6 for step in _when(each, "hosts of IPv6")),
        _Step(JUMP, 0, "refuse"),
        "hosts of IPv6", *_hosts(six, place + 8, among=len(addresses)),
        # A jump leads forward only: what all parts end with is last.
        "refuse", _Step(RETURN, 0),
        "accept", _Step(RETURN, most),
    ]  # fmt: skip
    return _assembled(parts)


def _hosts(hosts: Sequence[bytes], place: int, *, among: int) -> Iterator[Part]:
    """Accept a packet whose source, at that place, or target is one of the hosts.

    Each packet is accepted if no host was named at all.
    """
    if not among:
        yield _Step(JUMP, 0, "accept")
        return
    for host in hosts:
        for at in (place, place + len(host)):
            following = f"not {host.hex()} at {at}"
            for part in range(0, len(host), 4):
                yield _Step(LOAD_WORD, at + part)
                yield from _unless(int.from_bytes(host[part : part + 4], "big"), following)
            yield _Step(JUMP, 0, "accept")
            yield following
    yield _Step(JUMP, 0, "refuse")


def _when(value: int, label: str) -> tuple[Part, Part]:
    """Go on at a label if the loaded value is this one.

    A condition skips at most 255 instructions, a plain jump any number: hence two of them.
    """
    return _Step(JUMP_IF_EQUAL, value, skip=(0, 1)), _Step(JUMP, 0, label)


def _unless(value: int, label: str) -> tuple[Part, Part]:
    """Go on at a label if the loaded value is another one."""
    return _Step(JUMP_IF_EQUAL, value, skip=(1, 0)), _Step(JUMP, 0, label)


def _assembled(parts: Sequence[Part]) -> bytes:
    """The bytes of a program: an array of ``struct sock_filter``."""
    steps, places = list[_Step](), dict[str, int]()
    for part in parts:
        if isinstance(part, str):
            places[part] = len(steps)
        else:
            steps.append(part)
    return b"".join(
        pack(
            "HBBI", step.code, *step.skip, places[step.label] - at - 1 if step.label else step.value
        )
        for at, step in enumerate(steps)
    )
