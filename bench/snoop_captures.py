"""Captures of NFS traffic, of any number of messages; the same number gives the same bytes.

Four hosts use NFS version 3 over two TCP connections each, in the mix of procedures of SPEC SFS
3.0. A fifth uses NFS, PORTMAP and NLM over UDP, with small messages only. Data travel in segments
of 1448 bytes with time stamps, and every second full segment is acknowledged. A connection has up
to four calls in progress; some share a segment. Some calls fail, some datagrams are sent again, and
some are never answered.

    python bench/snoop_captures.py FILE MESSAGES
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from random import Random
from struct import Struct, pack

SEGMENT = 1448
NFS, PORTMAP, NLM = (100003, 3), (100000, 2), (100021, 4)
HANDLE = 28
ATTRIBUTES, WCC = 84, 24
FILE_HEADER = pack("<IHHIIII", 0xA1B2C3D4, 2, 4, 0, 0, 1 << 18, 1)
FRAME = Struct("<IIII")
TCP = Struct(">12xHBxHHH BBH4s4s HHII BBHHH BBBBII".replace(" ", ""))
UDP = Struct(">12xHBxHHH BBH4s4s HHHH".replace(" ", ""))
START = 1_700_000_000_000_000
SERVER = bytes([192, 0, 2, 1])
MIX = {3: 27, 6: 18, 7: 9, 1: 11, 5: 7, 16: 2, 8: 1, 12: 1, 18: 1, 2: 1, 17: 9, 4: 7, 21: 5}
"""NFS procedures in percent."""

SIZES = (1024, 4096, 4096, 4096, 8192)
"""Bytes of a READ or WRITE."""

SMALL = {(NFS, 1): 40, (NFS, 3): 30, (NFS, 4): 15, (PORTMAP, 3): 5, (NLM, 2): 5, (NLM, 4): 5}
"""Programs and procedures over UDP in percent."""


def opaque(data: bytes) -> bytes:
    """Variable-length opaque data."""
    return pack(">I", len(data)) + data + bytes(-len(data) % 4)


class Bodies:
    """Arguments and results by program and procedure."""

    def __init__(self, source: Random) -> None:
        self._source = source
        self._handles = [opaque(source.randbytes(HANDLE)) for _ in range(200)]
        self._names = [opaque(b"file-%06d" % source.randrange(10**6)) for _ in range(200)]
        self._data = source.randbytes(1 << 16)
        self._attributes = pack(">I", 1) + self._bytes(ATTRIBUTES)

    def _bytes(self, size: int) -> bytes:
        at = self._source.randrange((1 << 16) - size)
        return self._data[at : at + size]

    def pair(self, program: tuple[int, int], proc: int) -> tuple[bytes, bytes]:
        """The arguments and the results of one call."""
        source = self._source
        if program == PORTMAP:
            return pack(">IIII", 100005, 3, 17, 0), pack(">I", 635)
        handle = source.choice(self._handles)
        if program == NLM:
            lock = opaque(b"client") + handle + opaque(self._bytes(12)) + pack(">IQQ", 7, 0, 99)
            return opaque(b"\0\0\0\7") + pack(">II", 0, 1) + lock, opaque(b"\0\0\0\7") + bytes(4)
        return self._nfs(proc, handle)

    def _nfs(self, proc: int, handle: bytes) -> tuple[bytes, bytes]:
        source, attributes = self._source, self._attributes
        name, count = source.choice(self._names), source.choice(SIZES)
        ok, wcc = bytes(4), pack(">I", 1) + bytes(WCC) + attributes
        place = pack(">QI", source.randrange(1 << 20) << 12, count)
        match proc:
            case 1:
                return handle, ok + attributes[4:]
            case 3 if source.random() < 0.1:
                return handle + name, pack(">I", 2) + attributes
            case 3:
                return handle + name, ok + source.choice(self._handles) + attributes * 2
            case 4:
                return handle + pack(">I", 31), ok + attributes + pack(">I", 31)
            case 5:
                return handle, ok + attributes + opaque(b"../shared/target")
            case 6:
                data = self._bytes(count)
                return handle + place, ok + attributes + pack(">II", count, 0) + opaque(data)
            case 7:
                data = pack(">I", 0) + opaque(self._bytes(count))
                return handle + place + data, ok + wcc + pack(">II", count, 0) + bytes(8)
            case 8:
                made = pack(">I", 1) + source.choice(self._handles) + attributes
                return handle + name + bytes(28), ok + made + wcc
            case 12:
                return handle + name, ok + wcc
            case 16 | 17:
                return handle + bytes(20), ok + attributes + bytes(8) + self._entries(proc)
            case 18:
                return handle, ok + attributes + bytes(52)
            case 2:
                return handle + bytes(28), ok + wcc
        return handle + place, ok + wcc + bytes(8)

    def _entries(self, proc: int) -> bytes:
        """The entries of a directory."""
        written = b""
        for number in range(self._source.randrange(5, 25)):
            entry = pack(">Q", number) + self._names[number] + pack(">Q", number)
            if proc == 17:
                entry += self._attributes + pack(">I", 1) + self._handles[number]
            written += pack(">I", 1) + entry
        return written + pack(">II", 0, 1)


class Wire:
    """Writes frames; each advances the clock by some microseconds."""

    def __init__(self, source: Random) -> None:
        self._source, self._time = source, START
        self.written: list[bytes] = []

    def put(self, frame: bytes) -> None:
        """Write a frame."""
        self._time += self._source.randrange(2, 40)
        seconds, micros = divmod(self._time, 1_000_000)
        size = len(frame)
        self.written.append(FRAME.pack(seconds, micros, size, size) + frame)


class Connection:
    """A TCP connection; the capture begins with its opening."""

    def __init__(self, wire: Wire, source: Random, client: int, port: int) -> None:
        self._wire, self._port = wire, port
        self._client = bytes([192, 0, 2, client])
        self._places = [source.randrange(1 << 32), source.randrange(1 << 32)]
        self.xid = source.randrange(1 << 32)
        self._frame(True, b"", flags=2)
        self._frame(False, b"", flags=18)
        for up in (0, 1):
            self._places[up] = (self._places[up] + 1) % (1 << 32)

    def send(self, data: bytes, *, up: bool) -> None:
        """Send bytes in segments, which the other side acknowledges."""
        for number, at in enumerate(range(0, len(data), SEGMENT), 1):
            piece = data[at : at + SEGMENT]
            self._frame(up, piece)
            self._places[up] = (self._places[up] + len(piece)) % (1 << 32)
            if number % 2 == 0:
                self._frame(not up, b"")

    def _frame(self, up: bool, piece: bytes, *, flags: int = 16) -> None:
        ends = (self._client, SERVER) if up else (SERVER, self._client)
        ports = (self._port, 2049) if up else (2049, self._port)
        head = TCP.pack(
            0x0800, 0x45, 52 + len(piece), 0, 0, 64, 6, 0, *ends, *ports, self._places[up],
            self._places[not up] if flags & 16 else 0, 0x80, flags, 500, 0, 0, 1, 1, 8, 10, 7, 7,
        )  # fmt: skip
        self._wire.put(head + piece)


class Traffic:
    """Calls and replies of all hosts, as frames."""

    def __init__(self) -> None:
        self._source = Random(5531)
        self.wire = Wire(self._source)
        self._bodies = Bodies(self._source)
        self._credential = opaque(
            pack(">I", 7) + opaque(b"workstation") + pack(">III", 1000, 100, 1) + bytes(4)
        )
        self._connections = [
            Connection(self.wire, self._source, 2 + number // 2, 950 + number)
            for number in range(8)
        ]
        self._xid = 1

    def turn(self) -> int:
        """Write some calls of one host and their replies; returns the number of messages."""
        source = self._source
        if source.random() < 0.15:
            return self._datagrams()
        connection = source.choice(self._connections)
        count = source.choice((1, 1, 1, 2, 4))
        calls, replies = [], []
        for proc in source.choices(tuple(MIX), tuple(MIX.values()), k=count):
            arguments, results = self._bodies.pair(NFS, proc)
            connection.xid = (connection.xid + 1) % (1 << 32)
            calls.append(_record(self._call(connection.xid, NFS, proc) + arguments))
            replies.append(_record(_reply(connection.xid) + results))
        for records, up in ((calls, True), (replies, False)):
            for piece in [b"".join(records)] if source.random() < 0.2 else records:
                connection.send(piece, up=up)
        return 2 * count

    def _datagrams(self) -> int:
        source = self._source
        program, proc = source.choices(tuple(SMALL), tuple(SMALL.values()))[0]
        arguments, results = self._bodies.pair(program, proc)
        self._xid += 1
        call = self._call(self._xid, program, proc) + arguments
        chance = source.random()
        sent = [(call, True), (_reply(self._xid) + results, False)]
        if chance < 0.004:
            sent = sent[:1]
        elif chance < 0.01:
            sent = sent[:1] + sent
        for message, up in sent:
            self.wire.put(_datagram(message, {NFS: 2049, PORTMAP: 111, NLM: 4045}[program], up))
        return len(sent)

    def _call(self, xid: int, program: tuple[int, int], proc: int) -> bytes:
        head = pack(">IIIIII", xid, 0, 2, *program, proc)
        return head + pack(">I", 1) + self._credential + bytes(8)


def _reply(xid: int) -> bytes:
    return pack(">IIIIII", xid, 1, 0, 0, 0, 0)


def _record(message: bytes) -> bytes:
    return pack(">I", 1 << 31 | len(message)) + message


def _datagram(message: bytes, service: int, up: bool) -> bytes:
    client = bytes([192, 0, 2, 9])
    ends, ports = (client, SERVER), (800, service)
    if not up:
        ends, ports = ends[::-1], ports[::-1]
    size = 8 + len(message)
    return UDP.pack(0x0800, 0x45, 20 + size, 0, 0, 64, 17, 0, *ends, *ports, size, 0) + message


def capture(messages: int) -> Iterator[bytes]:
    """The pieces of a pcap file with at least that many messages."""
    traffic = Traffic()
    yield FILE_HEADER
    while messages > 0:
        messages -= traffic.turn()
        if len(traffic.wire.written) > 1000:
            yield b"".join(traffic.wire.written)
            traffic.wire.written.clear()
    yield b"".join(traffic.wire.written)


def write(path: Path, messages: int) -> None:
    """Write a capture."""
    with open(path, "wb") as file:
        for piece in capture(messages):
            file.write(piece)


if __name__ == "__main__":
    write(Path(sys.argv[1]), int(sys.argv[2]))
