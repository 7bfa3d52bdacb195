"""tshark and rpcsnoop find the same answered calls in captures that the test makes."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from random import Random
from struct import pack

import pytest

from support.captured import UP, UP6, Ends, Timed, ethernet, fragments, ipv4, pcap, pcapng, udp
from support.conversations import MILLISECOND, START, Connection, call, datagram, record, reply
from support.namespace import need
from support.tshark import by_tshark, by_us, differences, explained

pytestmark = [pytest.mark.interop, pytest.mark.slow]

HANDLE = pack(">I", 32) + bytes(32)
LARGE = HANDLE + bytes(12) + pack(">I", 9000) + bytes(9000)
MAPPER = Ends(target_port=111)


def connection(ends: Ends = UP, *, opened: bool = True) -> list[Timed]:
    """Calls one after the other, some of many segments, then many in a segment."""
    made = Connection(ends, opened=opened)
    for xid in range(1, 30):
        args = LARGE if xid % 5 == 0 else HANDLE
        made.send(record(call(xid, args, proc=7 if args is LARGE else 1)))
        made.send(record(reply(xid, bytes(88))), up=False)
    made.send(b"".join(record(call(xid, HANDLE)) for xid in range(100, 140)))
    made.send(b"".join(record(reply(xid, bytes(88))) for xid in range(100, 140)), up=False)
    return made.frames


def datagrams() -> Iterator[Timed]:
    """Calls over UDP: answered, refused, unanswered, of many fragments."""
    frames = []
    for xid in range(1, 20):
        arguments = pack(">IIII", 100003, 3, 6, 0)
        frames.append(datagram(call(xid, arguments, prog=100000, vers=2, proc=3), MAPPER))
        if xid % 4:
            stat = 4 if xid % 5 == 0 else 0
            frames.append(datagram(reply(xid, pack(">I", 2049), stat=stat), MAPPER.back()))
    write = ipv4(udp(call(50, LARGE, proc=7)))
    frames += [ethernet(piece) for piece in fragments(write, size=1480)]
    frames.append(datagram(reply(50, bytes(88)), UP.back()))
    return ((START + number * MILLISECOND, frame) for number, frame in enumerate(frames))


def shuffled(frames: list[Timed]) -> list[Timed]:
    """Neighbours that belong to one direction change places now and then."""
    source = Random(9293)
    data = [frame for _, frame in frames]
    for at in range(4, len(data) - 1):
        if data[at][26:34] == data[at + 1][26:34] and source.random() < 0.3:
            data[at], data[at + 1] = data[at + 1], data[at]
    return [(time, each) for (time, _), each in zip(frames, data, strict=True)]


CAPTURES = {
    "IPv4": pcap(connection()),
    "IPv6": pcap(connection(UP6)),
    "nanoseconds": pcap(connection(), nanoseconds=True, order=">"),
    "pcapng": pcapng(connection()),
    "pcapng, the other order": pcapng(connection(), order=">"),
    "raw IP": pcap([(time, data[14:]) for time, data in connection()], link=101),
    "out of order": pcap(shuffled(connection())),
    "begun before": pcap(connection(opened=False)),
    "repeated": pcap([each for frame in connection() for each in (frame, frame)]),
    "datagrams": pcap(datagrams()),
}


@pytest.mark.parametrize("name", CAPTURES)
def test_tshark_matches_the_same_calls(name: str, tmp_path: Path) -> None:
    need("tshark")
    path = tmp_path / "capture"
    path.write_bytes(CAPTURES[name])

    found = by_us(path)

    assert sum(found.values()) >= 13
    assert found == by_tshark(path)


def public_captures() -> list[Path]:
    """Captures of others, which the project does not keep: of the folder in ``ONCRPC_CAPTURES``."""
    folder = os.environ.get("ONCRPC_CAPTURES")
    return sorted(Path(folder).glob("*.pcap*")) if folder else []


@pytest.mark.parametrize("path", public_captures(), ids=lambda path: path.name)
def test_public_captures_differ_as_explained(path: Path) -> None:
    need("tshark")

    assert differences(path) == explained(path.name)
