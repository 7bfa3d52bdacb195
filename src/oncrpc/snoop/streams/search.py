"""Finding the next record in a connection that is out of step.

A candidate is a place with a record mark and a header as ordinary peers send it. Data may contain
such bytes as well, above all the data of capture files. Hence a candidate is believed only by what
is around it: peers begin a record where a segment begins and end it where one ends, and each record
is followed by another. Messages within data end within a segment, and no record follows.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum
from typing import NamedTuple

from oncrpc.snoop.streams.recognition import CALL, HEAD, REPLY, is_certain_message
from oncrpc.snoop.streams.records import LAST_FRAGMENT, MARK, MAX_SEEN_RECORD

MAX_SEARCHED = 1 << 16
"""Bytes of a connection that are kept to find the next record in them."""

CALL_PATTERN = b"\0\0\0\0\0\0\0\2"
REPLY_PATTERN = b"\0\0\0\1\0\0\0"
PATTERN_AT = 8
"""Where the patterns are, counted from the record mark: behind mark and xid."""

LONGEST_HEAD = 4 + 40 + 400
"""Bytes of a mark, a header and a credential: so many may be needed to judge a candidate."""


class Judgement(Enum):
    """What is known of a candidate."""

    RECORD = "it is a record"
    NONE = "it is no record"
    OPEN = "more bytes are needed"


class Arrival(NamedTuple):
    """Bytes that arrived in one segment."""

    time: int
    number: int
    data: bytes
    whole: bool = True
    """False if the segment has bytes before these."""


class _Chain:
    """The records that follow a candidate: how far they were followed, and their number."""

    __slots__ = ("at", "headers", "place", "within")

    def __init__(self) -> None:
        self.begin(-1)

    def begin(self, place: int) -> None:
        self.place = self.at = place
        self.within = False
        self.headers = 0

    def move(self, size: int) -> None:
        """Follow the buffer, of which so many bytes were dropped."""
        self.place -= size
        self.at -= size


class StepSearch:
    """Looks for a record in the bytes that are fed.

    ``expected`` tells whether a message belongs to what was seen before: a call of a program of
    this connection, or the reply to a pending call.
    """

    __slots__ = ("_arrivals", "_buffer", "_chain", "_expected", "_missing", "_scanned")

    def __init__(self, expected: Callable[[int, int, int, int], bool]) -> None:
        self._expected = expected
        self._buffer = bytearray()
        self._arrivals: list[tuple[int, int, int]] = []
        self._chain = _Chain()
        self._missing = 0
        self._scanned = 0

    @property
    def held(self) -> int:
        """Bytes that are kept."""
        return len(self._buffer)

    def forget(self) -> None:
        """Drop everything: bytes were lost, and what comes does not follow what came."""
        self._buffer.clear()
        self._arrivals.clear()
        self._chain.begin(-1)
        self._scanned = 0

    def feed(self, data: bytes, time: int, number: int, *, missing: int = 0) -> list[Arrival]:
        """Take the bytes of a segment; once a record is found, the bytes from there on.

        ``missing`` bytes at the end of the segment were not captured.
        """
        self._missing = missing
        self._arrivals.append((len(self._buffer), time, number))
        self._buffer += data
        place = self._search()
        if place is not None:
            found = self._from(place)
            self.forget()
            return found
        self._drop_searched()
        return []

    def _search(self) -> int | None:
        while (place := self._next_candidate(self._scanned)) is not None:
            self._scanned = place
            verdict = self._judge(place)
            if verdict is Judgement.RECORD:
                return place
            if verdict is Judgement.OPEN:
                return None
            self._scanned = place + 1
        self._scanned = max(self._scanned, len(self._buffer) - PATTERN_AT - len(CALL_PATTERN) + 1)
        return None

    def _next_candidate(self, at: int) -> int | None:
        """The first place from ``at`` on where a pattern fits."""
        places = (
            self._buffer.find(pattern, at + PATTERN_AT) for pattern in (CALL_PATTERN, REPLY_PATTERN)
        )
        found = [place for place in places if place >= 0]
        return min(found) - PATTERN_AT if found else None

    def _judge(self, place: int) -> Judgement:
        """Follow the marks from a candidate on, from where the last judgement of it ended."""
        chain = self._chain
        if chain.place != place:
            chain.begin(place)
        size = len(self._buffer)
        while chain.at < size:
            length = self._step(chain.at, within=chain.within)
            if length is None:
                break
            if length == 0:
                return Judgement.NONE
            chain.headers += not chain.within
            chain.within = self._buffer[chain.at] < 0x80
            chain.at += length
        begins = any(at == place for at, _, _ in self._arrivals)
        if not begins and chain.headers == 1 and chain.at - place > MAX_SEARCHED:
            return Judgement.NONE
        ends = chain.at == size + self._missing and not chain.within
        if chain.headers > 1 and (begins or ends):
            return Judgement.RECORD
        if begins and ends:
            return Judgement.RECORD
        if size - place < MAX_SEARCHED:
            return Judgement.OPEN
        return Judgement.RECORD if chain.headers > 1 or self._belongs(place) else Judgement.NONE

    def _step(self, at: int, *, within: bool) -> int | None:
        """Bytes of the fragment at a place, with its mark; 0 if none is there, None if unknown."""
        if len(self._buffer) < at + 4:
            return None
        length: int = MARK.unpack_from(self._buffer, at)[0] & ~LAST_FRAGMENT
        if length > MAX_SEEN_RECORD:
            return 0
        if within:
            return 4 + length
        certain = is_certain_message(self._buffer, at + 4, length)
        if certain is None and self._missing:
            # The rest of the header was not captured. It counts if the mark fits the segment.
            fits = at + 4 + length == len(self._buffer) + self._missing
            certain = True if fits and len(self._buffer) >= at + 4 + HEAD.size else None
        return None if certain is None else 4 + length if certain else 0

    def _belongs(self, place: int) -> bool:
        if len(self._buffer) < place + 4 + HEAD.size:
            return False
        xid, kind, _, prog, vers, _ = HEAD.unpack_from(self._buffer, place + 4)
        return kind in (CALL, REPLY) and self._expected(kind, xid, prog, vers)

    def _from(self, place: int) -> list[Arrival]:
        """The bytes from a place on, by the segments in which they arrived."""
        ends = [at for at, _, _ in self._arrivals[1:]] + [len(self._buffer)]
        return [
            Arrival(time, number, bytes(self._buffer[max(at, place) : end]), at >= place)
            for (at, time, number), end in zip(self._arrivals, ends, strict=True)
            if end > place
        ]

    def _drop_searched(self) -> None:
        """Drop what is in front of the first place that may still begin a record."""
        size = self._scanned
        if size <= 0:
            return
        del self._buffer[:size]
        self._chain.move(size)
        self._scanned = 0
        kept = [(at - size, time, number) for at, time, number in self._arrivals]
        before = [each for each in kept if each[0] <= 0]
        # The segment in which the remaining bytes begin is kept, with a place below 0 if they are
        # not its first.
        self._arrivals = before[-1:] + [each for each in kept if each[0] > 0]
