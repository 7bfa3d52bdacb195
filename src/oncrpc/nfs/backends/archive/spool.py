"""Compressed data, unpacked into temporary files as far as they were read.

Compressed data can be read only from their beginning. So the unpacked part is kept in a file that
has no name, and a READ at any offset unpacks what is missing before it. All such files together are
bounded: the one that was used least lately goes first.
"""

from __future__ import annotations

import errno
import os
import tempfile
import zipfile
import zlib
from collections import OrderedDict
from collections.abc import Callable
from lzma import LZMAError
from threading import Lock
from typing import BinaryIO

from oncrpc.nfs.posix import refusal

PIECE = 1 << 20
"""Bytes that are unpacked at once."""

DAMAGE = (EOFError, zlib.error, LZMAError, zipfile.BadZipFile, NotImplementedError)
"""Errors of libraries that unpack."""

MAX_SPOOLS = 64
"""Compressed files of an archive that are unpacked at a time; each takes a descriptor or two."""

Opener = Callable[[], BinaryIO]


class Spool:
    """The unpacked part of one file; ``kept`` are its bytes."""

    def __init__(self, opens: Opener, size: int, directory: str | None) -> None:
        self._opens, self._size, self._directory = opens, size, directory
        self._lock = Lock()
        self._source: BinaryIO | None = None
        self._file: BinaryIO | None = None
        self.kept = 0

    def read(self, offset: int, count: int) -> bytes:
        """Unpack what is missing, and read."""
        with self._lock:
            end = min(offset + count, self._size)
            if self._file is None:
                self._source = self._opens()
                self._file = tempfile.TemporaryFile(dir=self._directory, buffering=0)  # noqa: SIM115
                self.kept = 0
            while self.kept < end:
                self._unpack()
            return os.pread(self._file.fileno(), max(0, end - offset), offset)

    def _unpack(self) -> None:
        assert self._source is not None
        assert self._file is not None
        try:
            data = self._source.read(min(PIECE, self._size - self.kept))
            if self.kept + len(data) == self._size:
                self._source.read(1)  # the end: here a checksum is compared
        except DAMAGE as damage:
            raise refusal(errno.EIO) from damage
        if not data:
            raise refusal(errno.EIO)
        os.pwrite(self._file.fileno(), data, self.kept)
        self.kept += len(data)

    def empty(self) -> None:
        """Give the space back; a later read begins again."""
        with self._lock:
            for file in (self._source, self._file):
                if file is not None:
                    file.close()
            self._source = self._file = None
            self.kept = 0


class Spools:
    """The unpacked parts of ``MAX_SPOOLS`` files, at most ``most`` bytes in ``directory``."""

    def __init__(self, most: int, directory: str | None = None) -> None:
        self.most, self.directory = most, directory
        self._lock = Lock()
        self._used: OrderedDict[Spool, None] = OrderedDict()

    @property
    def kept(self) -> int:
        """Bytes of temporary space that are in use."""
        return sum(spool.kept for spool in self._used)

    def read(self, spool: Spool, offset: int, count: int) -> bytes:
        """Read from one of the files."""
        with self._lock:
            self._used[spool] = None
            self._used.move_to_end(spool)
        data = spool.read(offset, count)
        with self._lock:
            idle = self._excess()
        for each in idle:
            each.empty()
        return data

    def close(self) -> None:
        """Give all space back."""
        with self._lock:
            spools, self._used = list(self._used), OrderedDict()
        for spool in spools:
            spool.empty()

    def _excess(self) -> list[Spool]:
        kept, found = self.kept, list[Spool]()
        while (kept > self.most and len(self._used) > 1) or len(self._used) > MAX_SPOOLS:
            spool, _ = self._used.popitem(last=False)
            kept -= spool.kept
            found.append(spool)
        return found


class CompressedContent:
    """The data of a compressed file. One that is larger than all the space is refused."""

    def __init__(self, spools: Spools, opens: Opener, size: int, *, used: int) -> None:
        self._spools, self.used = spools, used
        self._spool = Spool(opens, size, spools.directory)
        self._fits = size <= spools.most

    def read(self, offset: int, count: int) -> bytes:
        if not self._fits:
            raise refusal(errno.EFBIG)
        return self._spools.read(self._spool, offset, count)
