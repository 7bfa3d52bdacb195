"""``ArchiveMember``: a file in an archive, and its data."""

from __future__ import annotations

import errno
import os
from bisect import bisect_right
from collections.abc import Sequence
from typing import NamedTuple, Protocol

from oncrpc.nfs.posix import refusal
from oncrpc.programs.nfs3 import ftype3


class ArchiveError(ValueError):
    """The file is not an archive of a known kind, or it is damaged."""


class MemberContent(Protocol):
    """The data of a regular file. Methods may block, and several threads may call them."""

    @property
    def used(self) -> int:
        """Bytes that are stored: fewer than the size if the file has holes."""

    def read(self, offset: int, count: int) -> bytes:
        """At most ``count`` bytes at ``offset``; fewer only at the end.

        Raises:
            OSError: EIO: the archive is damaged. EACCES: the file is encrypted.
        """


class ArchiveMember(NamedTuple):
    """A member of an archive, as the archive describes it. ``mtime`` is nanoseconds since 1970."""

    path: bytes
    kind: ftype3
    mode: int
    size: int = 0
    mtime: int = 0
    uid: int = 0
    gid: int = 0
    device: tuple[int, int] = (0, 0)
    content: MemberContent | None = None
    target: bytes = b""
    """The text of a symbolic link."""

    same_as: bytes | None = None
    """For a hard link, the path of an earlier member that is the same file."""


class StoredContent:
    """Data that are stored without compression in an open file, at the offset ``begin``."""

    def __init__(self, descriptor: int, begin: int, size: int) -> None:
        self._descriptor, self._begin, self._size = descriptor, begin, size

    @property
    def used(self) -> int:
        return self._size

    def read(self, offset: int, count: int) -> bytes:
        wanted = max(0, min(count, self._size - offset))
        data = os.pread(self._descriptor, wanted, self._begin + offset)
        if len(data) < wanted:
            raise refusal(errno.EIO)  # the archive is shorter than its index says
        return data


class SparseContent:
    """Data with holes. ``pieces`` are offsets and sizes of data, stored one after the other."""

    def __init__(
        self, descriptor: int, begin: int, pieces: Sequence[tuple[int, int]], size: int
    ) -> None:
        self._size = size
        placed = list[tuple[int, int, StoredContent]]()
        for start, length in pieces:
            if length:
                placed.append((start, length, StoredContent(descriptor, begin, length)))
            begin += length
        placed.sort(key=lambda piece: piece[0])
        self._starts = [start for start, _, _ in placed]
        self._parts = [(length, content) for _, length, content in placed]

    @property
    def used(self) -> int:
        return sum(length for length, _ in self._parts)

    def read(self, offset: int, count: int) -> bytes:
        end = min(offset + count, self._size)
        data = bytearray(max(0, end - offset))
        at = max(0, bisect_right(self._starts, offset) - 1)
        for start, (length, content) in zip(self._starts[at:], self._parts[at:], strict=True):
            if start >= end:
                break
            begin, stop = max(start, offset), min(start + length, end)
            if begin < stop:
                data[begin - offset : stop - offset] = content.read(begin - start, stop - begin)
        return bytes(data)
