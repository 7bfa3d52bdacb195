"""Counting the members of a zip archive before its directory is in memory.

``zipfile`` reads the whole directory, and makes an object for each entry. It does not check the
number that the archive states: a file of a few hundred MB could take many GB.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator
from typing import BinaryIO

from oncrpc.nfs.backends.archive.members import ArchiveError

END = struct.Struct("<4s8xII2x")
"""The end of the directory: a magic number, the size of the directory, its offset."""

END64, LOCATOR64 = struct.Struct("<4s36xQQ"), struct.Struct("<4s4xQ4x")
ENTRY = struct.Struct("<4s24xHHH12x")
"""An entry: a magic number, and the sizes of the name, the extra field and the comment."""

END_MAGIC, END64_MAGIC, LOCATOR64_MAGIC, ENTRY_MAGIC = b"PK\5\6", b"PK\6\6", b"PK\6\7", b"PK\1\2"
LONGEST_COMMENT = 0xFFFF
PIECE = 1 << 20

MAX_DIRECTORY = 512 << 20
"""Bytes of the directory of a zip archive."""


def check_directory(file: BinaryIO, *, max_files: int) -> None:
    """Refuse an archive whose directory is too large. An archive without one is not refused here.

    Raises:
        ArchiveError: it has more than ``max_files`` entries, or more than ``MAX_DIRECTORY`` bytes.
    """
    found = _directory(file)
    if found is None:
        return
    begin, size = found
    if size > MAX_DIRECTORY:
        raise ArchiveError(f"the directory of the archive has more than {MAX_DIRECTORY} bytes")
    if size // ENTRY.size <= max_files:
        return
    for number, _ in enumerate(_entries(file.fileno(), begin, size), 1):
        if number > max_files:
            raise ArchiveError(f"the archive has more than {max_files} files")


def _directory(file: BinaryIO) -> tuple[int, int] | None:
    """The offset and the size of the directory, which ends where its end record begins."""
    descriptor = file.fileno()
    total = os.fstat(descriptor).st_size
    start = max(0, total - LONGEST_COMMENT - END.size)
    tail = os.pread(descriptor, total - start, start)
    at = tail.rfind(END_MAGIC)
    if at < 0 or len(tail) - at < END.size:
        return None
    _, size, _ = END.unpack_from(tail, at)
    end = start + at
    locator = os.pread(descriptor, LOCATOR64.size, max(0, end - LOCATOR64.size))
    if len(locator) == LOCATOR64.size and locator.startswith(LOCATOR64_MAGIC):
        record_at = end - LOCATOR64.size - END64.size
        record = os.pread(descriptor, END64.size, max(0, record_at))
        if len(record) == END64.size and record.startswith(END64_MAGIC):
            _, size, _ = END64.unpack(record)
            end = record_at
    return max(0, end - size), size


def _entries(descriptor: int, begin: int, size: int) -> Iterator[int]:
    """The offset of each entry of a directory, which is read in pieces."""
    at, end, piece, piece_at = begin, begin + size, b"", begin
    while at + ENTRY.size <= end:
        if at + ENTRY.size > piece_at + len(piece):
            piece, piece_at = os.pread(descriptor, PIECE, at), at
            if len(piece) < ENTRY.size:
                return
        magic, name, extra, comment = ENTRY.unpack_from(piece, at - piece_at)
        if magic != ENTRY_MAGIC:
            return
        yield at
        at += ENTRY.size + int(name) + int(extra) + int(comment)
