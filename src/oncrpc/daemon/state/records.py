"""The files of the registry: what is written for a change, and what can be read of a damaged file.

A file is a sequence of records; the first one is its header, each further one a change. A record is
a ``Frame`` and the bytes that it announces, both XDR. The frame has checksums of these bytes and of
itself, so that there is no doubt how a file ends: one that was cut off ends within a record, and a
record that is there and does not fit its checksum was damaged.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Annotated, NamedTuple
from zlib import crc32

from oncrpc.errors import XdrError
from oncrpc.portmap.registry import Operation
from oncrpc.programs.rpcb import rpcb
from oncrpc.xdr import UHyper, UInt, array, codec, fixed, string, struct

MAGIC = b"oncrpc\0S"
VERSION = 1
ENTRIES = 256
"""Registrations in one record of a snapshot: fewer, larger records are read and written faster."""


@struct
class Frame:
    """What precedes the bytes of a record."""

    length: UInt
    payload_crc: UInt
    crc: UInt  # of the two before


@struct
class Mark:
    """How every header starts, whatever the version."""

    magic: Annotated[bytes, fixed(len(MAGIC))]
    version: UInt


@struct
class Header:
    """The first record. The changes of the file follow change ``number``, or make up for it."""

    mark: Mark
    boot: Annotated[bytes, string()]
    number: UHyper
    count: UInt  # registrations in a snapshot


@struct
class Change:
    """A SET of a registration, or an UNSET that took all of these; changes are numbered from 1."""

    number: UHyper
    operation: Operation
    entries: Annotated[list[rpcb], array()]


FRAME_SIZE = 12


class FormatError(Exception):
    """Bytes that are no file of this kind; the text says why."""


class Contents(NamedTuple):
    """A file as far as it is whole. ``damage`` says what is wrong with the rest, if anything is."""

    header: Header
    changes: list[Change]
    torn: bool
    damage: str


def header(boot: bytes, number: int, count: int = 0) -> bytes:
    """The first record of a file."""
    return _record(codec(Header).encode(Header(Mark(MAGIC, VERSION), boot, number, count)))


def change(number: int, operation: Operation, entries: Iterable[rpcb]) -> bytes:
    """The record of a change."""
    return _record(codec(Change).encode(Change(number, operation, list(entries))))


def snapshot(boot: bytes, number: int, entries: list[rpcb]) -> Iterator[bytes]:
    """The records that say what is registered after change ``number``."""
    yield header(boot, number, len(entries))
    rest = iter(entries)
    while some := list(islice(rest, ENTRIES)):
        yield change(number, Operation.SET, some)


def _record(payload: bytes) -> bytes:
    frame = Frame(len(payload), crc32(payload), 0)
    return codec(Frame).encode(_checked(frame)) + payload


def _checked(frame: Frame) -> Frame:
    sums = codec(Frame).encode(Frame(frame.length, frame.payload_crc, 0))[: FRAME_SIZE - 4]
    return Frame(frame.length, frame.payload_crc, crc32(sums))


def read(data: bytes) -> Contents:
    """What a file holds, up to where it is damaged.

    Raises:
        FormatError: it has no header, or one of another version.
    """
    payloads = Payloads(data)
    first = _header(next(payloads, None))
    changes: list[Change] = []
    damage = ""
    for payload in payloads:
        try:
            changes.append(codec(Change).decode(payload))
        except XdrError as error:
            damage = str(error)
            break
    damage = damage or payloads.damage
    count = sum(len(each.entries) for each in changes)
    if not damage and count < first.count:
        damage = f"{count} registrations of {first.count}"
    return Contents(first, changes, payloads.torn, damage)


def _header(payload: bytes | None) -> Header:
    if payload is None:
        raise FormatError("it has no header")
    try:
        mark, _ = codec(Mark).decode_from(payload)
        if mark.magic != MAGIC:
            raise FormatError("it is no file of the port mapper")
        if mark.version != VERSION:
            raise FormatError(
                f"its format has version {mark.version}, and this program knows {VERSION} only"
            )
        return codec(Header).decode(payload)
    except XdrError as error:
        raise FormatError(f"its header is malformed: {error}") from None


class Payloads:
    """Iterates over the bytes of each record; then ``torn`` and ``damage`` say how they ended."""

    def __init__(self, data: bytes) -> None:
        self._data, self._at = data, 0
        self.torn, self.damage = False, ""

    def __iter__(self) -> Payloads:
        return self

    def __next__(self) -> bytes:
        payload = self._payload()
        if payload is None:
            raise StopIteration
        return payload

    def _payload(self) -> bytes | None:
        left = len(self._data) - self._at
        if left < FRAME_SIZE:
            self.torn = left > 0
            return None
        frame, start = codec(Frame).decode_from(self._data, self._at)
        if frame != _checked(frame):
            self.damage = f"byte {self._at} is damaged"
            return None
        payload = self._data[start : start + frame.length]
        if len(payload) < frame.length:
            self.torn = True
            return None
        if crc32(payload) != frame.payload_crc:
            self.damage = f"the record at byte {self._at} is damaged"
            return None
        self._at = start + frame.length
        return payload
