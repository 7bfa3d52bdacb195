"""The files of a file system in memory, and the entries of its directories."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from oncrpc.nfs.acls import Entries
from oncrpc.nfs.backends.memory.sparse import SparseData
from oncrpc.nfs.filesystem import Attributes, DirEntry, Listing
from oncrpc.nfs.status import NfsError
from oncrpc.programs.nfs3 import ftype3, nfsstat3

HERE_COOKIE, ABOVE_COOKIE = 1, 2
"""Cookies of ``.`` and ``..``; the first entry has the next number."""


class NamedEntry(NamedTuple):
    """A name in a directory."""

    cookie: int
    node: FileNode


class DirectoryEntries:
    """The entries of one directory, in the order of their cookies.

    A cookie counts the entries since the directory was made, and is never used again. A listing
    continues after the last cookie that it has seen, whatever was created or removed. A name keeps
    its cookie when another file replaces its file.
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

    ``default`` is the list for files that are created in the directory. ``parent`` is None for all
    but directories, and the root is its own parent.
    """

    id: bytes
    attributes: Attributes
    data: SparseData | None = None
    target: bytes = b""
    default: Entries = ()
    names: DirectoryEntries = field(default_factory=DirectoryEntries)
    parent: FileNode | None = None

    @property
    def is_directory(self) -> bool:
        """Whether it is a directory."""
        return self.attributes.kind is ftype3.NF3DIR

    def add_links(self, count: int, *, now: int) -> None:
        """Count names that were given or taken, or directories below."""
        nlink = self.attributes.nlink + count
        self.attributes = self.attributes._replace(nlink=nlink, ctime=now)


def above_of(directory: FileNode) -> FileNode:
    """The directory above another one; the root is above itself."""
    assert directory.parent is not None
    return directory.parent


def listing(directory: FileNode, cookie: int, count: int, *, known: bool) -> Listing:
    """At most ``count`` entries after a cookie, ``.`` and ``..`` first.

    ``known``: with the id and the attributes of each.

    Raises:
        NfsError: NFS3ERR_BAD_COOKIE: no entry ever had this cookie.
    """
    names = directory.names
    if cookie >= names.next_cookie:
        raise NfsError(nfsstat3.NFS3ERR_BAD_COOKIE)
    here, above = NamedEntry(HERE_COOKIE, directory), NamedEntry(ABOVE_COOKIE, above_of(directory))
    found = [dot for dot in ((b".", here), (b"..", above)) if dot[1].cookie > cookie]
    found += names.after(cookie, count + 1)
    entries = [_shown(name, entry, known=known) for name, entry in found[:count]]
    return Listing(entries, eof=len(found) <= count)


def _shown(name: bytes, entry: NamedEntry, *, known: bool) -> DirEntry:
    cookie, node = entry
    shown = DirEntry(name, node.attributes.fileid, cookie)
    return shown._replace(file=node.id, attributes=node.attributes) if known else shown
