"""The records of one direction of a connection, as far as they were captured (RFC 5531 §11).

A reader is in step if it knows where the next record mark is. Bytes lost within a fragment keep it
in step, because the mark tells how many bytes follow. Other losses end it.
"""

from __future__ import annotations

from enum import Enum
from struct import Struct
from typing import NamedTuple

from oncrpc.snoop.streams.recognition import HEAD_BYTES, is_message

MARK = Struct(">I")
LAST_FRAGMENT = 0x80000000
MAX_SEEN_RECORD = 8 << 20
"""Bytes of a record; a longer one means that these are no records."""

MAX_DOUBTFUL = 8
"""Records behind a search that are in doubt, unless one of them is confirmed before."""

MAX_SEEN_FRAGMENTS = 4096
"""Fragments of a record."""


class Doubt(Enum):
    """Why it is not certain that these bytes are a record: it was found by a search."""

    WITHIN = "it begins within a segment, as data may"
    BEGINS = "it begins where a segment begins, as records do"


class SeenRecord(NamedTuple):
    """A record; ``body`` is what was captured of it before the first hole."""

    number: int
    time: int
    began: int
    body: bytes
    length: int
    doubt: Doubt | None = None


class RecordSplitter:
    """Splits captured bytes into records, of which it keeps at most ``keep`` bytes each.

    Between two records ``begun`` is False and ``body`` empty. ``left`` are the bytes that the
    current fragment still has; at 0 a mark follows, the begin of which may be in ``mark``.
    ``length`` is the size of the fragments whose marks were read.
    ``doubtful`` is how many records are still in doubt.
    """

    __slots__ = (
        "_doubt",
        "began",
        "begun",
        "body",
        "checked",
        "doubtful",
        "fragments",
        "keep",
        "last",
        "left",
        "length",
        "mark",
        "records",
        "whole",
    )  # fmt: skip

    def __init__(self, keep: int) -> None:
        self.keep = keep
        self.records: list[SeenRecord] = []
        self.doubtful = 0
        self._doubt: Doubt | None = None
        self._reset()
        self.began = 0

    def begin_in_doubt(self) -> None:
        """Begin with a record that a search has found."""
        self.doubtful = MAX_DOUBTFUL

    def _reset(self) -> None:
        self.mark = b""
        self.body = bytearray()
        self.begun = self.last = self.checked = False
        self.whole = True
        self.left = self.length = self.fragments = 0

    @property
    def held(self) -> int:
        """Bytes that are kept."""
        return len(self.body)

    def whole_record(self, data: bytes, time: int, number: int) -> SeenRecord | None:
        """The record, if the bytes are exactly one in a single fragment; most segments are."""
        size = len(data) - 4
        if self.begun or self.mark or self.doubtful or size < HEAD_BYTES:
            return None
        if MARK.unpack_from(data)[0] != LAST_FRAGMENT | size or not is_message(data, 4):
            return None
        return SeenRecord(number, time, time, data[4 : 4 + self.keep], size)

    def close(self) -> bytes:
        """End a record of one fragment that is not in doubt; returns its first bytes.

        A caller on the fast path has begun it, by the attributes that ``feed`` sets then.
        """
        found = bytes(self.body)
        self.body.clear()
        self.begun = self.last = self.checked = False
        self.whole = True
        self.left = self.length = self.fragments = 0
        return found

    def go_on(self, data: bytes, begin: int, end: int) -> None:
        """Add bytes of the current fragment."""
        self._take(data, begin, end - begin)
        self.left -= end - begin

    def feed(self, data: bytes, time: int, number: int, *, whole: bool = True) -> int:
        """Take bytes; the records that end in them are appended to ``records``.

        ``whole`` is False if the bytes are not the first of their segment.

        Returns:
            The number of bytes read: if there are more, what follows is no record, and the
            splitter is out of step.
        """
        at, end = 0, len(data)
        while at < end:
            if not self.left:
                following = self._read_mark(data, at, time, whole=whole)
                if following < 0:
                    self._reset()
                    return at
                at = following
                if not self.left:
                    self._end_fragment(time, number)
                    continue
            size = min(self.left, end - at)
            self._take(data, at, size)
            if not self.checked and len(self.body) >= HEAD_BYTES:
                if not is_message(self.body):
                    self._reset()
                    return at
                self.checked = True
            at += size
            self.left -= size
            if not self.left:
                self._end_fragment(time, number)
        return at

    def lose(self, size: int, time: int, number: int) -> bool:
        """Skip bytes that were not captured; False if the splitter is out of step now."""
        if size < self.left or (size == self.left and size):
            self.whole = False
            self.left -= size
            if not self.left:
                self._end_fragment(time, number)
            return True
        if self.begun:
            self.whole = False
            self._end_record(time, number)
        self._reset()
        return False

    def _read_mark(self, data: bytes, at: int, time: int, *, whole: bool) -> int:
        """Read the mark at a place; the place behind it, -1 if it is impossible."""
        if not self.begun and not self.mark:
            self.began = time
            if self.doubtful:
                self._doubt = Doubt.BEGINS if whole and not at else Doubt.WITHIN
        mark = self.mark + data[at : at + 4 - len(self.mark)]
        if len(mark) < 4:
            self.mark = mark
            return len(data)
        at += 4 - len(self.mark)
        self.mark = b""
        (word,) = MARK.unpack(mark)
        self.left = word & ~LAST_FRAGMENT
        self.last = word >= LAST_FRAGMENT
        self.length += self.left
        self.fragments += 1
        self.begun = True
        return -1 if self.length > MAX_SEEN_RECORD or self.fragments > MAX_SEEN_FRAGMENTS else at

    def _take(self, data: bytes, at: int, size: int) -> None:
        if self.whole and (wanted := self.keep - len(self.body)) > 0:
            self.body += data[at : at + min(size, wanted)]

    def _end_fragment(self, time: int, number: int) -> None:
        if self.begun and self.last:
            self._end_record(time, number)

    def _end_record(self, time: int, number: int) -> None:
        doubt = self._doubt if self.doubtful else None
        body = bytes(self.body)
        self.records.append(SeenRecord(number, time, self.began, body, self.length, doubt))
        if self.doubtful:
            self.doubtful -= 1
        self._reset()
