"""Unpacking members by bzip2 and LZMA with bounded memory.

``zipfile`` unpacks all that a piece of the compressed data holds: 300 bytes can be 300 MB.
"""

from __future__ import annotations

import bz2
import lzma
import os
import struct
import zlib
from zipfile import ZIP_BZIP2, ZIP_LZMA, BadZipFile, ZipInfo

PIECE_READ = 4096
MAX_DICTIONARY = 64 << 20
"""Bytes of the LZMA dictionary of a member of a zip archive; a member with a larger one is EIO."""

LZMA_HEADER = struct.Struct("<xxHBI")
"""The version, the size of the rest, lc, lp and pb in one byte, and the size of the dictionary."""

LZMA_PROPERTIES = 5
BOUNDED = (ZIP_BZIP2, ZIP_LZMA)
"""The methods of compression for which this is needed."""


class BoundedMember:
    """The data of a member, which begin at ``at`` in an open file.

    Methods raise ``EOFError``, ``BadZipFile``, ``LZMAError`` or ``OSError`` if they are damaged.
    """

    def __init__(self, descriptor: int, at: int, info: ZipInfo) -> None:
        self._descriptor, self._info = descriptor, info
        self._at, self._end = at, at + info.compress_size
        self._left, self._checksum = info.file_size, 0
        self._unpacker = bz2.BZ2Decompressor() if info.compress_type == ZIP_BZIP2 else self._lzma()

    def read(self, size: int) -> bytes:
        """At most ``size`` bytes; none at the end, where the checksum is compared."""
        while not self._unpacker.eof:
            packed = self._packed() if self._unpacker.needs_input else b""
            if self._unpacker.needs_input and not packed:
                break
            data = self._unpacker.decompress(packed, size)
            if data:
                self._left -= len(data)
                self._checksum = zlib.crc32(data, self._checksum)
                return data
        if self._left > 0:
            raise EOFError("the data of a member end early")
        if self._checksum != self._info.CRC:
            raise BadZipFile("the checksum of a member differs")
        return b""

    def close(self) -> None:
        """Nothing is held."""

    def _packed(self) -> bytes:
        found = os.pread(self._descriptor, min(PIECE_READ, self._end - self._at), self._at)
        self._at += len(found)
        return found

    def _lzma(self) -> lzma.LZMADecompressor:
        header = os.pread(self._descriptor, LZMA_HEADER.size, self._at)
        if len(header) < LZMA_HEADER.size:
            raise EOFError("the data of a member end early")
        size, numbers, dictionary = LZMA_HEADER.unpack(header)
        if size != LZMA_PROPERTIES or dictionary > MAX_DICTIONARY:
            raise BadZipFile("a member with unusual settings of LZMA")
        self._at += LZMA_HEADER.size
        rest, lc = divmod(numbers, 9)
        pb, lp = divmod(rest, 5)
        filters = [
            {"id": lzma.FILTER_LZMA1, "dict_size": max(dictionary, 4096),
             "lc": lc, "lp": lp, "pb": pb},
        ]  # fmt: skip
        return lzma.LZMADecompressor(lzma.FORMAT_RAW, filters=filters)
