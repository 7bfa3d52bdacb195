"""The filter in the kernel: a classic BPF program that drops frames of other protocols.

It accepts TCP and UDP over IPv4 and IPv6, with fragments and extension headers, optionally only
from or to some addresses. With ``errors`` it also accepts ICMP, and ARP of any address. It accepts
all frames with a VLAN tag among their bytes: the kernel removes the outer tag of most frames, and
the reader decodes the others.
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
"""Addresses in the filter of the kernel; if there are more, it accepts all hosts."""

TRANSPORTS = (TCP, UDP)
ICMP, ICMP_6 = 1, 58
ETHERTYPE_ARP = 0x0806
LOAD_WORD, LOAD_BYTE, JUMP, JUMP_IF_EQUAL, RETURN = 0x20, 0x30, 0x05, 0x15, 0x06
ABOUT_FRAME = 0xFFFFF000
"""The offset at which a program reads the kernel's metadata of a frame (SKF_AD_OFF)."""

PROTOCOL, DIRECTION, HARDWARE = ABOUT_FRAME, ABOUT_FRAME + 4, ABOUT_FRAME + 28
OUTGOING = 4
LOOPBACK_HARDWARE = 772
ETHERNET_HARDWARE = 1


class _Step(NamedTuple):
    """An instruction; ``label`` is the target of a jump, "" for other instructions."""

    code: int
    value: int
    label: str = ""
    skip: tuple[int, int] = (0, 0)


Part = _Step | str
"""An instruction, or a label in front of the next one."""


def attach(sock: socket.socket, program: bytes) -> None:
    """Attach a program to a socket, which then receives only the frames that it accepts."""
    code = create_string_buffer(program, len(program))
    sock.setsockopt(
        socket.SOL_SOCKET, SO_ATTACH_FILTER, pack("HP", len(program) // 8, addressof(code))
    )


def nothing() -> bytes:
    """A program that accepts no frame."""
    return _assembled([_Step(RETURN, 0)])


def program_for(hosts: Collection[str], *, place: int, most: int, errors: bool = False) -> bytes:
    """A program for frames with the IP header at ``place``; it keeps ``most`` bytes of each."""
    over_ipv4 = [*TRANSPORTS, *([ICMP] if errors else [])]
    over_ipv6 = sorted({*TRANSPORTS, *EXTENSIONS, *([ICMP_6] if errors else [])})
    addresses = [ip_address(host) for host in hosts]
    if len(addresses) > MAX_KERNEL_HOSTS:
        addresses = []
    four = [each.packed for each in addresses if isinstance(each, IPv4Address)]
    six = [each.packed for each in addresses if isinstance(each, IPv6Address)]
    parts: list[Part] = [
        # A socket gets each frame of loopback twice: refuse the copy that is sent.
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
        # Jumps lead forward only, so the common ends of all parts are last.
        "refuse", _Step(RETURN, 0),
        "accept", _Step(RETURN, most),
    ]  # fmt: skip
    return _assembled(parts)


def _hosts(hosts: Sequence[bytes], place: int, *, among: int) -> Iterator[Part]:
    """Accept a packet if its source or its target is one of the hosts.

    ``place`` is the offset of the source; the target follows. ``among`` is the number of hosts of
    both address families: if it is 0, every packet is accepted.
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
    """Jump to a label if the loaded value is this one.

    There are two instructions because a conditional jump skips at most 255 instructions.
    """
    return _Step(JUMP_IF_EQUAL, value, skip=(0, 1)), _Step(JUMP, 0, label)


def _unless(value: int, label: str) -> tuple[Part, Part]:
    """Jump to a label if the loaded value is a different one."""
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
