"""Streams: records in fragments, wrong ones among them, however they are cut.

What comes out is the same however the bytes arrive, and a reader that takes over in the middle goes
on as the first one would have; only the fragments that it has read are not counted again.
"""

from __future__ import annotations

from random import Random
from zlib import crc32

from fuzz.calls import CALLERS, counting, mapper, message
from fuzz.datagrams import answer, check
from fuzz.driver import Target
from fuzz.mutation import word
from oncrpc.errors import ProtocolError
from oncrpc.rpc.dispatch import Dispatcher
from oncrpc.rpc.record import LAST_FRAGMENT, RecordReader

MAX_RECORD = 9000
BY_STREAM = [caller for caller in CALLERS if not caller.datagram]
Outcome = tuple[list[bytes], str]


def make(source: Random) -> bytes:
    """Some records one behind the other."""
    stream = bytearray()
    for _ in range(source.randrange(1, 5)):
        stream += fragments(message(source), source)
    for _ in range(source.choice((0, 0, 1, 3))):
        at = source.randrange(len(stream) + 1)
        stream[at : at + source.choice((0, 4))] = word(source)
    return bytes(stream)


def fragments(record: bytes, source: Random) -> bytes:
    """A record in any number of fragments, empty ones among them, once in a while too many."""
    written, left = bytearray(), record
    most = source.choice((1, 4, 100, 9000, 9000))
    while len(left) > most and len(written) < 20_000:
        size = source.randrange(most + 1)
        written += size.to_bytes(4, "big") + left[:size]
        left = left[size:]
    if source.random() < 0.01:
        written += bytes(4) * 1100
    return bytes(written) + (LAST_FRAGMENT | len(left)).to_bytes(4, "big") + left


def run(data: bytes) -> None:
    """Read it at once, in pieces, and by two readers; then have the calls answered."""
    source = Random(crc32(data))
    whole = outcome([data])
    pieces = cut(data, source)

    assert outcome(pieces) == whole
    handed_over = outcome(pieces, handing_over=True)
    assert handed_over == whole or (whole[1] and handed_over[0][: len(whole[0])] == whole[0])
    port_mapper = mapper()
    dispatcher = Dispatcher(
        port_mapper.services(), clock=lambda: 0.0, before=counting(port_mapper), reply_cache=None
    )
    caller = BY_STREAM[len(data) % len(BY_STREAM)]
    for record in whole[0]:
        check(record, answer(dispatcher, record, caller))


def cut(data: bytes, source: Random) -> list[bytes]:
    """The bytes as the network may deliver them."""
    most = max(source.choice((1, 3, 50, 1000)), len(data) // 100)
    pieces, at = [], 0
    while at < len(data):
        size = source.randrange(1, most + 1)
        pieces.append(data[at : at + size])
        at += size
    return pieces


def outcome(pieces: list[bytes], *, handing_over: bool = False) -> Outcome:
    """The records, and why there are no more."""
    reader, records = RecordReader(max_record=MAX_RECORD), list[bytes]()
    try:
        for piece in pieces:
            reader.feed(piece)
            for record in reader.records():
                records.append(record)  # those before an error count
            if handing_over:
                heir = RecordReader(max_record=MAX_RECORD)
                heir.feed(reader.unread)
                reader = heir
    except ProtocolError as error:
        return records, str(error)
    return records, ""


TARGET = Target("records", make, run)
