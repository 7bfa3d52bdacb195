"""Compressed data, unpacked into temporary files up to the last byte that was read.

Compressed data can be unpacked only from their beginning. So the unpacked part is kept in a
temporary file, and a READ at any offset first unpacks the missing data before it. The total size of
these files is limited: the least recently used one is emptied first.
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
from typing import BinaryIO, Protocol

from oncrpc.nfs.posix import refusal

PIECE = 1 << 20
"""Bytes that are unpacked at once."""

DAMAGE = (EOFError, zlib.error, LZMAError, zipfile.BadZipFile, NotImplementedError)
"""Exceptions of the decompressors for damaged data."""

MAX_SPOOLS = 64
"""Compressed files of an archive that are unpacked at a time; each takes a descriptor or two."""


class Unpacked(Protocol):
    """Unpacked data, read from one end to the other."""

    def read(self, size: int, /) -> bytes:
        """At most ``size`` bytes; none at the end."""

    def close(self) -> None:
        """Give back what is held."""


Opener = Callable[[], Unpacked]


class Spool:
    """The unpacked part of one file; ``kept`` is its size in bytes."""

    def __init__(self, opens: Opener, size: int, directory: str | None) -> None:
        self._opens, self._size, self._directory = opens, size, directory
        self._lock = Lock()
        self._source: Unpacked | None = None
        self._file: BinaryIO | None = None
        self.kept = 0

    def read(self, offset: int, count: int) -> bytes:
        """Read, after unpacking the missing data."""
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
                self._source.read(1)  # zipfile compares the checksum at the end
        except DAMAGE as damage:
            raise refusal(errno.EIO) from damage
        if not data:
            raise refusal(errno.EIO)
        os.pwrite(self._file.fileno(), data, self.kept)
        self.kept += len(data)

    def empty(self) -> None:
        """Free the space. A later read unpacks again from the beginning."""
        with self._lock:
            for file in (self._source, self._file):
                if file is not None:
                    file.close()
            self._source = self._file = None
            self.kept = 0


class Spools:
    """The unpacked parts of up to ``MAX_SPOOLS`` files, at most ``most`` bytes in ``directory``."""

    def __init__(self, most: int, directory: str | None = None) -> None:
        self.most, self.directory = most, directory
        self._lock = Lock()
        self._used: OrderedDict[Spool, None] = OrderedDict()

    @property
    def kept(self) -> int:
        """The temporary space in use, in bytes."""
        return sum(spool.kept for spool in self._used)

    def read(self, spool: Spool, offset: int, count: int) -> bytes:
        """Read from one of the files, and empty others if the space is used up."""
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
        """Free all space."""
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
    """The data of a compressed file. Reading one that is larger than the space fails with EFBIG."""

    def __init__(self, spools: Spools, opens: Opener, size: int, *, used: int) -> None:
        self._spools, self.used = spools, used
        self._spool = Spool(opens, size, spools.directory)
        self._fits = size <= spools.most

    def read(self, offset: int, count: int) -> bytes:
        if not self._fits:
            raise refusal(errno.EFBIG)
        return self._spools.read(self._spool, offset, count)
