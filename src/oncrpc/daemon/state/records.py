"""The format of the state files: a header, then a record for each change.

A record is a ``Frame`` and as many bytes as the frame says, both XDR. The frame has checksums of
these bytes and of itself, so that the end of a file is never in doubt: a file that was cut off ends
within a record, and a whole record with a wrong checksum was damaged.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from enum import IntEnum
from itertools import islice
from typing import Annotated, Generic, NamedTuple, Protocol, TypeVar
from zlib import crc32

from oncrpc.errors import XdrError
from oncrpc.xdr import UHyper, UInt, codec, fixed, string, struct

E = TypeVar("E")

MAGIC = b"oncrpc\0S"
VERSION = 1
ENTRIES = 256
"""Entries in one record of a snapshot: few large records are faster than many small ones."""


@struct
class Frame:
    """The start of a record."""

    length: UInt
    payload_crc: UInt
    crc: UInt  # of the two before


@struct
class Mark:
    """The start of every header, in every version of the format."""

    magic: Annotated[bytes, fixed(len(MAGIC))]
    version: UInt


@struct
class Header:
    """The first record: the file continues, or is the state, after change ``number``."""

    mark: Mark
    boot: Annotated[bytes, string()]
    number: UHyper
    count: UInt  # entries of a snapshot


class TableOperation(IntEnum):
    """The kind of a change; the numbers of RFC 1833's SET and UNSET."""

    SET = 1
    UNSET = 2


class Change(Protocol[E]):
    """A change, declared by the application as an XDR struct with these fields.

    A SET of entries, or an UNSET that took all of them. Changes are numbered from 1.
    """

    number: int
    operation: TableOperation
    entries: list[E]


FRAME_SIZE = 12


class FormatError(Exception):
    """Bytes that are not a state file; the text says why."""


class Contents(NamedTuple, Generic[E]):
    """The intact part of a file. ``damage`` says what is wrong with the rest, or is empty."""

    header: Header
    changes: list[Change[E]]
    torn: bool
    damage: str


def header(boot: bytes, number: int, count: int = 0) -> bytes:
    """The first record of a file."""
    return _record(codec(Header).encode(Header(Mark(MAGIC, VERSION), boot, number, count)))


class Format(Generic[E]):
    """The records of one application: ``change`` is its type of a change."""

    def __init__(self, change: Callable[..., Change[E]]) -> None:
        self._make, self._codec = change, codec(change)

    def change(self, number: int, operation: TableOperation, entries: Iterable[E]) -> bytes:
        """The record of a change."""
        return _record(self._codec.encode(self._make(number, operation, list(entries))))

    def snapshot(self, boot: bytes, number: int, entries: list[E]) -> Iterator[bytes]:
        """The records of a snapshot: the entries after change ``number``."""
        yield header(boot, number, len(entries))
        rest = iter(entries)
        while some := list(islice(rest, ENTRIES)):
            yield self.change(number, TableOperation.SET, some)

    def read(self, data: bytes) -> Contents[E]:
        """The content of a file, up to where it is damaged.

        Raises:
            FormatError: it has no header, or one of another version.
        """
        payloads = Payloads(data)
        first = _header(next(payloads, None))
        changes: list[Change[E]] = []
        damage = ""
        for payload in payloads:
            try:
                changes.append(self._codec.decode(payload))
            except XdrError as error:
                damage = str(error)
                break
        damage = damage or payloads.damage
        count = sum(len(each.entries) for each in changes)
        if not damage and count < first.count:
            damage = f"{count} registrations of {first.count}"
        return Contents(first, changes, payloads.torn, damage)


def _record(payload: bytes) -> bytes:
    frame = Frame(len(payload), crc32(payload), 0)
    return codec(Frame).encode(_checked(frame)) + payload


def _checked(frame: Frame) -> Frame:
    sums = codec(Frame).encode(Frame(frame.length, frame.payload_crc, 0))[: FRAME_SIZE - 4]
    return Frame(frame.length, frame.payload_crc, crc32(sums))


def _header(payload: bytes | None) -> Header:
    if payload is None:
        raise FormatError("it has no header")
    try:
        mark, _ = codec(Mark).decode_from(payload)
        if mark.magic != MAGIC:
            raise FormatError("it is not a state file")
        if mark.version != VERSION:
            raise FormatError(
                f"its format has version {mark.version}, and this program reads only {VERSION}"
            )
        return codec(Header).decode(payload)
    except XdrError as error:
        raise FormatError(f"its header is malformed: {error}") from None


class Payloads:
    """Iterates over the records; afterwards ``torn`` and ``damage`` say how the file ended."""

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
