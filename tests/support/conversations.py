"""RPC conversations as frames: calls, replies, TCP connections, and what was sent in them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from random import Random
from struct import pack

from oncrpc.snoop.capture.frames import CapturedFrame
from support.captured import UP, Ends, ethernet, ip, pcap, tcp, udp

START = 1_700_000_000_000_000_000
MILLISECOND = 1_000_000
SYN, ACK = 2, 16
NFS, NFS_VERSION, WRITE, GETATTR = 100003, 3, 7, 1


def call(
    xid: int,
    args: bytes = b"",
    *,
    prog: int = NFS,
    vers: int = NFS_VERSION,
    proc: int = GETATTR,
    credential: bytes = bytes(8),
) -> bytes:
    """A call; its verifier is AUTH_NONE."""
    return pack(">IIIIII", xid, 0, 2, prog, vers, proc) + credential + bytes(8) + args


def reply(xid: int, results: bytes = b"", *, stat: int = 0) -> bytes:
    """An accepted reply."""
    return pack(">IIIIII", xid, 1, 0, 0, 0, stat) + results


def denied(xid: int, why: int) -> bytes:
    """A reply that refuses the credential."""
    return pack(">IIIII", xid, 1, 1, 1, why)


def record(message: bytes, *, fragment: int = 1 << 24) -> bytes:
    """A message as a record, in fragments of that many bytes."""
    written = b""
    for at in range(0, len(message), fragment):
        piece = message[at : at + fragment]
        last = 0x80000000 if at + fragment >= len(message) else 0
        written += pack(">I", last | len(piece)) + piece
    return written


def framed(items: Iterable[tuple[int, bytes]]) -> list[CapturedFrame]:
    """Frames of Ethernet, numbered from 1."""
    return [
        CapturedFrame(number, time, 1, data, len(data))
        for number, (time, data) in enumerate(items, 1)
    ]


def datagram(message: bytes, ends: Ends = UP) -> bytes:
    """A message as a frame with a UDP datagram."""
    return ethernet(ip(udp(message, ends), ends))


@dataclass
class Connection:
    """A TCP connection that is written as frames; each frame comes a millisecond later."""

    ends: Ends = UP
    opened: bool = True
    time: int = START
    frames: list[tuple[int, bytes]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.places = {True: 1000, False: 0xFFFFF000}
        if self.opened:
            self._write(b"", up=True, flags=SYN)
            self._write(b"", up=False, flags=SYN | ACK)
            self.places = {up: (place + 1) % 2**32 for up, place in self.places.items()}
            self._write(b"", up=True, flags=ACK)

    def send(self, data: bytes, *, up: bool = True, size: int = 1448) -> None:
        """Send bytes in segments of that size: ``up`` is from the client to the server."""
        for at in range(0, len(data), size):
            piece = data[at : at + size]
            self._write(piece, up=up, flags=ACK)
            self.places[up] = (self.places[up] + len(piece)) % 2**32

    def exchange(self, xid: int, args: bytes = b"", results: bytes = b"") -> None:
        """Send a call and its reply."""
        self.send(record(call(xid, args)))
        self.send(record(reply(xid, results)), up=False)

    def lose(self, size: int, *, up: bool = True) -> None:
        """Send bytes that are not captured."""
        self.places[up] = (self.places[up] + size) % 2**32

    def _write(self, data: bytes, *, up: bool, flags: int) -> None:
        ends = self.ends if up else self.ends.back()
        ack = self.places[not up] if flags & ACK else 0
        segment = tcp(data, ends, seq=self.places[up], ack=ack, flags=flags)
        self.time += MILLISECOND
        self.frames.append((self.time, ethernet(ip(segment, ends, protocol=6))))

    def captured(self) -> list[CapturedFrame]:
        """The frames of the connection."""
        return framed(self.frames)


@dataclass
class Sent:
    """What was sent in one direction: the messages, and where their records begin."""

    messages: list[bytes] = field(default_factory=list)
    begins: list[int] = field(default_factory=list)


class RandomConnection:
    """A connection with random traffic, some of it made to look like other records."""

    def __init__(self, source: Random) -> None:
        self._source = source
        self.connection = Connection()
        self.sent = {True: Sent(), False: Sent()}
        self._first = dict(self.connection.places)
        self._written = {True: 0, False: 0}
        xid = source.randrange(2**32)
        for _ in range(source.randrange(3, 7)):
            batch = [(xid + number) % 2**32 for number in range(source.choice((1, 1, 2, 8)))]
            xid += len(batch)
            self._batch([call(each, self._args(), proc=WRITE) for each in batch], up=True)
            self._batch([reply(each, self._results()) for each in batch], up=False)
        self.captured = self.connection.captured()

    def _batch(self, messages: Sequence[bytes], *, up: bool) -> None:
        """Send messages, each in segments of its own or all behind one another."""
        records = []
        for message in messages:
            fragment = self._source.choice((1 << 24, 1 << 24, 1000))
            self.sent[up].messages.append(message)
            self.sent[up].begins.append(self._written[up])
            records.append(record(message, fragment=fragment))
            self._written[up] += len(records[-1])
        whole = records if self._source.random() < 0.5 else [b"".join(records)]
        for data in whole:
            self.connection.send(data, up=up, size=self._source.choice((1448, 1448, 536, 20_000)))

    def _results(self) -> bytes:
        return self._source.choice((bytes(112), self._data(200), b""))

    def _args(self) -> bytes:
        """A handle, an offset, and data."""
        size = self._source.choice((0, 50, 500, 5_000, 30_000))
        return self._source.randbytes(36) + self._data(size)

    def _data(self, size: int) -> bytes:
        """Random bytes, zeros, or a capture of RPC: calls that nobody made."""
        kind = self._source.randrange(3)
        if kind < 2:
            return self._source.randbytes(size) if kind else bytes(size)
        inner = b""
        while len(inner) < size:
            xid = self._source.randrange(2**32)
            one = record(call(xid, bytes(self._source.randrange(40) * 4), proc=WRITE))
            inner += pcap([(START, ethernet(ip(tcp(one), protocol=6)))])[24:]
        return inner[self._source.randrange(100) :][:size]

    def place_of(self, frame: CapturedFrame) -> tuple[bool, int, int]:
        """The direction of a segment, and where its data begin and end in it."""
        up = frame.data[34:36] == pack(">H", UP.source_port)
        seq = int.from_bytes(frame.data[38:42], "big")
        begin = (seq - self._first[up]) % 2**32
        return up, begin, begin + len(frame.data) - 54


def damaged_captures(count: int) -> Iterator[bytes]:
    """Captures of a random connection each, with lost and reordered segments."""
    source = Random(1831)
    for number in range(count):
        frames = RandomConnection(Random(number)).captured
        begin = source.randrange(len(frames))
        gap = source.choice((0, 1, 1, 2, 5))
        kept = frames[:begin] + frames[begin + gap :]
        for _ in range(source.choice((0, 0, 3))):
            at = source.randrange(len(kept))
            kept.insert(source.randrange(len(kept)), kept.pop(at))
        yield pcap((frame.time, frame.data) for frame in kept)
