"""The files of a file system in memory, and the entries of its directories."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from oncrpc.nfs.backends.memory.sparse import BLOCK, SparseData
from oncrpc.nfs.filesystem import Attributes
from oncrpc.programs.nfs3 import ftype3

HERE_COOKIE, ABOVE_COOKIE = 1, 2
"""Cookies of ``.`` and ``..``; the first entry has the next number."""


class NamedEntry(NamedTuple):
    """A name in a directory."""

    cookie: int
    node: FileNode


class DirectoryEntries:
    """The entries of one directory, in the order of their cookies.

    A cookie is the number of the entry, counted from the day the directory was made, and never used
    again. A listing goes on after the last number that it has seen, whatever else was created or
    removed. A name keeps its cookie when another file takes its place.
    """

    def __init__(self) -> None:
        self._entries: dict[bytes, NamedEntry] = {}
        self._names: dict[int, bytes] = {}
        self._cookies: list[int] = []
        self.next_cookie = ABOVE_COOKIE + 1

    def __len__(self) -> int:
        return len(self._entries)

    def get(self, name: bytes) -> FileNode | None:
        """The file with this name."""
        entry = self._entries.get(name)
        return entry and entry.node

    def put(self, name: bytes, node: FileNode) -> None:
        """Add an entry, or let another file have the name."""
        old = self._entries.get(name)
        if old is not None:
            self._entries[name] = NamedEntry(old.cookie, node)
            return
        self._entries[name] = NamedEntry(self.next_cookie, node)
        self._names[self.next_cookie] = name
        self._cookies.append(self.next_cookie)
        self.next_cookie += 1

    def remove(self, name: bytes) -> None:
        """Remove an entry."""
        cookie = self._entries.pop(name).cookie
        del self._names[cookie]
        del self._cookies[bisect_left(self._cookies, cookie)]

    def after(self, cookie: int, count: int) -> Iterator[tuple[bytes, NamedEntry]]:
        """At most ``count`` entries with a higher cookie."""
        first = bisect_right(self._cookies, cookie)
        for found in self._cookies[first : first + count]:
            name = self._names[found]
            yield name, self._entries[name]


@dataclass(eq=False, slots=True)
class FileNode:
    """A file. Only the part that its kind needs is used: ``data``, ``names`` or ``target``.

    ``parent`` is None for all but directories, and the root is its own parent.
    """

    number: int
    id: bytes
    kind: ftype3
    mode: int
    uid: int
    gid: int
    atime: int
    mtime: int
    ctime: int
    nlink: int = 1
    device: tuple[int, int] = (0, 0)
    target: bytes = b""
    data: SparseData | None = None
    names: DirectoryEntries = field(default_factory=DirectoryEntries)
    parent: FileNode | None = None

    @property
    def is_directory(self) -> bool:
        """Whether it is a directory."""
        return self.kind is ftype3.NF3DIR

    def attributes(self) -> Attributes:
        """Its attributes now."""
        size, used = len(self.target), 0
        if self.data is not None:
            size, used = self.data.size, self.data.used
        elif self.is_directory:
            size = used = BLOCK
        return Attributes(
            self.kind, self.mode, self.nlink, self.uid, self.gid, size, used, self.device,
            self.number, self.atime, self.mtime, self.ctime,
        )  # fmt: skip
