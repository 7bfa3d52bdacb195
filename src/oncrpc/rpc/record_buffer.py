"""Reading records where they have been received, without copying long ones (RFC 5531 §11).

A server reads what arrives on all connections into one room. A record that is whole there is
answered from there. Only what is left at the end, the beginning of a record, is copied, to memory
of the connection. If much arrives, it is copied back to the front of the room before the next bytes
are received behind it. The rest of a long record is received there directly: see ``place``.

::

    room        of the server        record, record, beginn
    _buffer     of the connection    beginn                      a short one: to the room, or joined
    _long       of the connection    beginning . . . . . . .     a long one: received into
"""

from __future__ import annotations

from collections.abc import Iterator

from oncrpc.rpc.record import LAST_FRAGMENT, MARK, RecordReader

SHORT = 16 << 10
"""Bytes up to which it is cheaper to copy all that arrived than to read it in place."""

VIEW = 8 << 10
"""Bytes of a record from which on it is not copied to be answered."""

LONG = 128 << 10
"""Bytes of a record from which on its rest is received directly."""

BEGUN = 4
"""A long record gets memory once a part of it, one in so many, is here: not for its header."""

MAX_SPARES = 4
"""Pieces of memory that are kept for the next long records."""


class Spares:
    """Memory for long records of all connections, kept for the next one: a few pieces."""

    def __init__(self) -> None:
        self._spares: list[bytearray] = []

    def get(self, size: int) -> bytearray:
        """Memory of at least that size."""
        if self._spares and len(self._spares[-1]) >= size:
            return self._spares.pop()
        return bytearray(size)

    def give_back(self, spare: bytearray) -> None:
        """Take memory that is not used any more."""
        if len(self._spares) < MAX_SPARES:
            self._spares.append(spare)


class RecordBuffer(RecordReader):
    """A reader whose long records are memoryviews, valid until the next one is asked for.

    Between two events nothing refers to the room: call ``keep_rest`` after ``messages``. From
    ``place`` to ``arrived`` the first ``_placed`` bytes of the room are those of ``_buffer``.
    """

    def __init__(self, *, max_record: int, spares: Spares) -> None:
        super().__init__(max_record=max_record)
        self._spares = spares
        self._view: memoryview | None = None  # what arrived, in the room or in ``_memory``
        self._read = 0
        self._memory: bytearray | None = None
        self._long: memoryview | None = None
        self._have = 0
        self._room = memoryview(b"")
        self._placed = 0
        self._much = False  # the last time more than SHORT bytes arrived

    @property
    def within_record(self) -> bool:
        """Whether some bytes of a record have arrived, but not all."""
        view, long = self._view, self._long
        in_place = long is not None or (view is not None and self._read < len(view))
        return in_place or super().within_record

    @property
    def held(self) -> int:
        """How many bytes are held."""
        return super().held + (0 if self._memory is None else len(self._memory))

    @property
    def unread(self) -> bytes:
        """Bytes that bring another reader to the state of this one."""
        if self._long is not None:
            return self._long[: self._have].tobytes()
        if self._view is not None:
            return self._view[self._read :].tobytes()
        return super().unread

    def place(self, room: memoryview) -> memoryview:
        """Where the bytes that arrive next should go: the rest of a long record, or the room."""
        self._placed = 0
        if self._long is not None:
            return self._long[self._have :]
        size = len(self._buffer) - self._at
        if self._fragments or self._view is not None or not self._much:
            return room
        if not 0 < size <= min(LONG, len(room) // 2):
            return room
        room[:size] = memoryview(self._buffer)[self._at :]
        self._room, self._placed = room, size
        return room[size:]

    def arrived(self, data: memoryview) -> None:
        """Take bytes that have arrived in ``place``."""
        placed, self._placed = self._placed, 0
        self._much = len(data) > SHORT
        if self._long is not None:
            self._have += len(data)
            if self._have == len(self._long):
                self._view, self._read, self._long = self._long, 0, None
        elif placed and self._much:
            self._view, self._read = self._room[: placed + len(data)], 0
            self._buffer, self._at = b"", 0
        elif self._view is None and self._much and not super().within_record:
            self._view, self._read = data, 0
        else:
            if self._view is not None:
                self._leave(self._view)
            self.feed(bytes(data))

    def messages(self) -> Iterator[bytes | memoryview]:
        """Whole records, oldest first; iteration may stop and be resumed at any time.

        Raises:
            LimitExceeded: as ``records``.
        """
        if self._view is not None:
            yield from self._in_place(self._view)
        if self._view is None:
            yield from self.records()

    def _in_place(self, view: memoryview) -> Iterator[bytes | memoryview]:
        size = len(view)
        while size - self._read >= MARK.size:
            at = self._read
            (mark,) = MARK.unpack_from(view, at)
            length = mark & ~LAST_FRAGMENT
            end = at + MARK.size + length
            if mark < LAST_FRAGMENT or length > self.max_record:
                self._leave(view)  # fragments are joined, and limits are checked, by ``records``
                return
            if end > size:
                return
            self._read = end
            message = view[at + MARK.size : end]
            yield message if length >= VIEW else message.tobytes()
        if self._read == size:
            self._leave(view)

    def _leave(self, view: memoryview) -> None:
        """Copy what is left of the view to the buffer."""
        rest = view[self._read :].tobytes()
        self._view = None
        if self._memory is not None:
            self._spares.give_back(self._memory)
            self._memory = None
        if rest:
            self.feed(rest)

    def keep_rest(self) -> None:
        """Copy what is left in the room, and find a place for the rest of a long record."""
        if self._memory is not None or self._fragments:
            return
        view = self._view
        rest = memoryview(self._buffer)[self._at :] if view is None else view[self._read :]
        size = size_of(rest)
        if not LONG <= size <= self.max_record + MARK.size or not size // BEGUN <= len(rest) < size:
            if view is not None:
                self._leave(view)
            return
        self._memory = self._spares.get(size)
        self._long = memoryview(self._memory)[:size]
        self._have, self._view = len(rest), None
        self._long[: self._have] = rest
        self._buffer, self._at = b"", 0

    def forget(self) -> None:
        """Drop everything that is held."""
        super().forget()
        self._view = self._long = self._memory = None


def size_of(begun: memoryview) -> int:
    """Bytes of a record of one fragment that has begun, with its mark; 0 if that is not known."""
    if len(begun) < MARK.size:
        return 0
    (mark,) = MARK.unpack_from(begun)
    return MARK.size + (mark & ~LAST_FRAGMENT) if mark >= LAST_FRAGMENT else 0
