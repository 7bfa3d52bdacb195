"""Captures: files and the packets in them, damaged anywhere; every message found is in bounds.

Nothing is declared for packets: any bytes are frames. A file raises one error, and only after all
frames before the damage.
"""

from __future__ import annotations

import gzip
import io
from contextlib import suppress
from random import Random
from struct import pack
from typing import BinaryIO, cast

from fuzz.driver import Target
from fuzz.mutation import word
from oncrpc.snoop.capture.files import batches_of, frames_of
from oncrpc.snoop.capture.frames import CaptureDamaged, CapturedFrame
from oncrpc.snoop.streams.counting import CountingTracer
from oncrpc.snoop.streams.outcome import outcome_of
from oncrpc.snoop.streams.statistics import CallStatistics
from oncrpc.snoop.streams.tracer import MAX_STREAM_BYTES, Tracer

KEEP = 2000
LINKS = (0, 1, 1, 1, 1, 12, 101, 108, 113, 228, 229, 276, 147)
ADDRESSES = (bytes([192, 0, 2, 1]), bytes([192, 0, 2, 2]))
PORTS = (700, 2049)


def make(source: Random) -> bytes:
    """A capture file of one conversation or more, in which something may be wrong."""
    link = source.choice(LINKS)
    frames = [framed(packet, link, source) for packet in packets(source)]
    if source.random() < 0.3:
        source.shuffle(frames)
    data = bytearray(source.choice((pcap, pcapng))(frames, link, source))
    for _ in range(source.choice((0, 0, 0, 1, 3))):
        at = source.randrange(len(data) + 1)
        data[at : at + source.choice((0, 1, 4))] = word(source)[: source.choice((1, 4))]
    whole = bytes(data[: source.randrange(len(data))] if source.random() < 0.1 else data)
    return gzip.compress(whole, 1) if source.random() < 0.1 else whole


def packets(source: Random) -> list[bytes]:
    """The IP packets of some calls and replies, with losses and repetitions."""
    made, places = list[bytes](), [source.getrandbits(32), source.getrandbits(32)]
    by_tcp = source.random() < 0.7
    for _ in range(source.randrange(1, 12)):
        up = source.randrange(2)
        messages = [message(source, up) for _ in range(source.choice((1, 1, 3)))]
        if not by_tcp:
            data = messages[0]
            made += pieces(17, pack(">HHHH", PORTS[1 - up], PORTS[up], 8 + len(data), 0) + data,
                           up, source)  # fmt: skip
            continue
        size = source.choice((40, 500, 9000))
        data = b"".join(piece for each in messages for piece in record(each, source))
        for at in range(0, len(data), size):
            piece = data[at : at + size]
            head = pack(">HHIIBBHI", PORTS[1 - up], PORTS[up], places[up], places[1 - up],
                        80, source.choice((16,) * 30 + (2, 17)), 0, 0)  # fmt: skip
            places[up] = (places[up] + len(piece)) % (1 << 32)
            if source.random() > 0.05:
                made += pieces(6, head + piece, up, source)
    return made


def message(source: Random, up: int) -> bytes:
    """A call or a reply, or other bytes."""
    xid, rest = source.randrange(4), source.randbytes(source.choice((0, 4, 60, 3000)))
    kind = source.random()
    if kind < 0.1:
        return rest
    if up:
        head = pack(">IIIIII", xid, 0, 2, 100003, 3, source.randrange(22))
        return head + credential(source) + bytes(8) + rest
    return pack(">III", xid, 1, source.choice((0, 0, 0, 1))) + credential(source) + rest


def credential(source: Random) -> bytes:
    size = source.choice((0,) * 8 + (24, 24, 400, 404))
    return pack(">II", source.choice((0, 0, 0, 1, 6, 77)), size) + bytes(size)


def record(data: bytes, source: Random) -> list[bytes]:
    """The fragments of a record."""
    size = max(source.choice((len(data), len(data), 400)), 1)
    starts = range(0, len(data), size)
    return [
        pack(">I", (at == starts[-1]) << 31 | len(data[at : at + size])) + data[at : at + size]
        for at in starts
    ]


def pieces(protocol: int, payload: bytes, up: int, source: Random) -> list[bytes]:
    """The payload in an IP packet, or in fragments of one."""
    if source.random() < 0.2:
        source_, target = bytes(15) + bytes([up]), bytes(15) + bytes([1 - up])
        head = pack(">IHBB", 6 << 28, min(len(payload), 65535), protocol, 64) + source_ + target
        return [head + payload]
    size = source.choice((len(payload), len(payload), 400)) or 1
    number, ends = source.randrange(3), ADDRESSES[1 - up] + ADDRESSES[up]
    return [
        pack(">BBHHHBBH", 0x45, 0, 20 + len(payload[at : at + size]) & 0xFFFF, number,
             (at + size < len(payload)) << 13 | at // 8, 64, protocol, 0)
        + ends + payload[at : at + size]
        for at in range(0, len(payload), size)
        if source.random() > 0.02
    ]  # fmt: skip


def framed(packet: bytes, link: int, source: Random) -> bytes:
    """A packet behind the header of its link."""
    kind = b"\x08\x00" if packet[0] >> 4 == 4 else b"\x86\xdd"
    tag = b"\x81\x00\0\1" * source.choice((0,) * 10 + (1, 9))
    before = {0: bytes(4), 108: bytes(4), 1: bytes(12) + tag + kind, 113: bytes(14) + kind,
              276: kind + bytes(18)}  # fmt: skip
    return before.get(link, b"") + packet


def pcap(frames: list[bytes], link: int, source: Random) -> bytes:
    order = source.choice("<>")
    written = pack(f"{order}IHHIIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, link)
    for number, frame in enumerate(frames):
        kept = frame[: source.choice((len(frame), len(frame), 100))]
        written += pack(f"{order}IIII", number, 0, len(kept), len(frame)) + kept
    return written


def pcapng(frames: list[bytes], link: int, source: Random) -> bytes:
    order = source.choice("<>")

    def block(kind: int, body: bytes) -> bytes:
        body += bytes(-len(body) % 4)
        size = pack(f"{order}I", len(body) + 12)
        return pack(f"{order}I", kind) + size + body + size

    options = pack(f"{order}HHBxxx", 9, 1, source.randrange(256))
    written = block(0x0A0D0D0A, pack(f"{order}IHHq", 0x1A2B3C4D, 1, 0, -1))
    written += block(1, pack(f"{order}HHI", link, 0, 0) + options)
    for number, frame in enumerate(frames):
        size = len(frame)
        written += block(6, pack(f"{order}IIIII", 0, 0, number * 1000, size, size) + frame)
    return written


def run(data: bytes) -> None:
    """Read it as a file, then its bytes as frames."""
    judge(data)
    size = 1 + len(data) % 97
    frames = [data[at : at + size * 3] for at in range(0, len(data), size)][:200]
    tracer = Tracer(keep=KEEP)
    for number, frame in enumerate(frames, 1):
        link = LINKS[number % len(LINKS)]
        tracer.feed(CapturedFrame(number, number, link, frame, len(frame)))
    tracer.finish()


def judge(data: bytes) -> None:
    """What is found in a file is in bounds, and agrees with itself."""
    tracer, statistics, messages = Tracer(keep=KEEP), CallStatistics(), 0
    frames = frames_of(cast(BinaryIO, io.BytesIO(data)))
    try:
        for message in tracer.messages(frames):
            messages += 1
            assert len(message.body) <= min(message.length, KEEP)
            assert message.cut == (len(message.body) < message.length)
            assert message.is_call == (message.prog is not None and message.call is None)
            assert message.is_call or outcome_of(message.body)
            assert tracer.held <= MAX_STREAM_BYTES
            statistics.add(message)
    except CaptureDamaged:
        pass  # declared, after all messages before the damage
    unmatched = statistics.unmatched.replies
    counted = sum(
        figures.calls + figures.retransmissions + figures.replies + figures.duplicates
        for _, figures in statistics.figures()
    )
    assert counted + unmatched == messages
    assert figures_of(quickly(data)) == figures_of(statistics)


def quickly(data: bytes) -> CallStatistics:
    """What the short way counts, which must be the same."""
    statistics = CallStatistics()
    with suppress(CaptureDamaged):
        CountingTracer(statistics, keep=KEEP).trace(batches_of(cast(BinaryIO, io.BytesIO(data))))
    return statistics


def figures_of(statistics: CallStatistics) -> list[tuple[object, ...]]:
    """All that is counted, so that two can be compared."""
    return [
        (key, each.calls, each.retransmissions, each.replies, each.duplicates, each.call_bytes,
         each.reply_bytes, each.outcomes, each.service.total, each.transfer.total)
        for key, each in statistics.figures()
    ] + [(statistics.unmatched,)]  # fmt: skip


TARGET = Target("captures", make, run)
