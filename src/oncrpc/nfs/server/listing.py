"""READDIR and READDIRPLUS: the entries of a directory that one reply has room for.

The client says how many bytes ``READDIR3resok`` may have (RFC 1813 §3.3.16, §3.3.17). All sizes are
those of XDR: names and handles are padded to four bytes, and a word before each entry says that it
follows.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import NamedTuple, TypeVar

from oncrpc.nfs.answers import settled
from oncrpc.nfs.filesystem import DirEntry
from oncrpc.nfs.names import ABOVE, HERE
from oncrpc.nfs.server.attributes import MAX64, NO_ATTRIBUTES, post_op_attr_of
from oncrpc.nfs.server.call_objects import CallObject
from oncrpc.nfs.status import NfsError
from oncrpc.programs.nfs3 import (
    dirlist3,
    dirlistplus3,
    entry3,
    entryplus3,
    nfsstat3,
    post_op_attr,
    post_op_fh3,
)
from oncrpc.xdr.nodes import padded

T = TypeVar("T")

ATTRIBUTES, NO_BODY = 88, 4
"""Bytes of a ``post_op_attr`` with attributes, and of an optional item that is absent."""

EMPTY_LISTING = ATTRIBUTES + 8 + 4 + 4
"""Bytes of a listing without entries: attributes, verifier, the end of the list, eof."""

ENTRY = 4 + 8 + 4 + 8
"""Bytes of an entry without its name: that it follows, fileid, length of the name, cookie."""

TYPICAL, TYPICAL_PLUS = ENTRY + 16, ENTRY + 16 + ATTRIBUTES + 40
NO_HANDLE = post_op_fh3(False, None)


class ListingRoom(NamedTuple):
    """Bytes for entries: in all, and of those without attributes and handles."""

    total: int
    names: int

    @property
    def is_left(self) -> bool:
        return min(self.total, self.names) > ENTRY

    def minus(self, total: int, names: int) -> ListingRoom:
        """The room that is left after an entry."""
        return ListingRoom(self.total - total, self.names - names)


def entry_size(name: bytes) -> int:
    """Bytes of an ``entry3``, with the word before it."""
    return ENTRY + padded(len(name))


def entryplus_size(entry: entryplus3) -> int:
    """Bytes of an ``entryplus3``, with the word before it."""
    handle = entry.name_handle.body
    with_handle = NO_BODY if handle is None else 8 + padded(len(handle.data))
    with_attributes = ATTRIBUTES if entry.name_attributes.attributes_follow else NO_BODY
    return entry_size(entry.name) + with_attributes + with_handle


async def dirlist3_of(directory: CallObject, cookie: int, *, count: int) -> dirlist3:
    """The entries after a cookie, in a ``READDIR3resok`` of at most ``count`` bytes.

    Raises:
        NfsError: NFS3ERR_TOOSMALL: there is no room for one. OSError: of the file system.
    """

    async def made(entry: DirEntry) -> tuple[entry3, int]:
        size = entry_size(entry.name)
        return entry3(entry.fileid & MAX64, entry.name, entry.cookie), size

    room = ListingRoom(count - EMPTY_LISTING, count)
    return dirlist3(*await filled(directory, cookie, room, made, plus=False))


async def dirlistplus3_of(
    directory: CallObject, cookie: int, *, dircount: int, maxcount: int
) -> dirlistplus3:
    """The same for a ``READDIRPLUS3resok`` of ``maxcount`` bytes.

    ``dircount`` bounds what READDIR returns, too. At least one entry is sent, so that a client that
    makes it too small is served, as Linux does.

    Raises:
        NfsError, OSError: as ``dirlist3_of``.
    """

    async def made(entry: DirEntry) -> tuple[entryplus3, int]:
        found = await _entryplus3_of(directory, entry)
        return found, entryplus_size(found)

    room = ListingRoom(maxcount - EMPTY_LISTING, dircount)
    return dirlistplus3(*await filled(directory, cookie, room, made, plus=True))


async def filled(
    directory: CallObject,
    cookie: int,
    room: ListingRoom,
    made: Callable[[DirEntry], Awaitable[tuple[T, int]]],
    *,
    plus: bool,
) -> tuple[list[T], bool]:
    """As many entries as there is room for, and whether they include the last one.

    ``made`` makes the entry of a reply, and returns it with its size.

    Raises:
        NfsError, OSError: as ``dirlist3_of``.
    """
    if room.total < 0:
        raise NfsError(nfsstat3.NFS3ERR_TOOSMALL)
    entries: list[T] = []
    typical = TYPICAL_PLUS if plus else TYPICAL
    while True:
        wanted = max(1, min(room.total // typical, room.names // TYPICAL)) + 1
        listing = await settled(
            directory.filesystem.readdir(directory.who, directory.file, cookie, wanted, plus=plus)
        )
        for entry in listing.entries:
            found, size = await made(_seen_from_inside(directory, entry))
            left = room.minus(size, entry_size(entry.name))
            if left.total < 0 or (entries and left.names < 0):
                if not entries:
                    raise NfsError(nfsstat3.NFS3ERR_TOOSMALL)
                return entries, False
            entries.append(found)
            room, cookie = left, entry.cookie
        if listing.eof or not listing.entries:
            return entries, True
        if not room.is_left:
            return entries, False


def _seen_from_inside(directory: CallObject, entry: DirEntry) -> DirEntry:
    """The entry as a client may see it: ``..`` of the export's root is the root."""
    if entry.name == HERE or (entry.name == ABOVE and directory.is_root):
        own = directory.attributes
        return entry._replace(fileid=own.fileid, file=directory.file, attributes=own)
    return entry


async def _entryplus3_of(directory: CallObject, entry: DirEntry) -> entryplus3:
    """An entry with its handle and its attributes; without those that cannot be read."""
    handle, attributes = NO_HANDLE, NO_ATTRIBUTES
    try:
        file = entry.file
        if file is None:
            file = await directory.lookup(entry.name)
        handle = post_op_fh3(True, directory.handle(file))
        attributes = await _attributes_of(directory, entry, file)
    except OSError:
        pass  # the client asks with LOOKUP and GETATTR
    return entryplus3(entry.fileid & MAX64, entry.name, entry.cookie, attributes, handle)


async def _attributes_of(directory: CallObject, entry: DirEntry, file: bytes) -> post_op_attr:
    attributes = entry.attributes
    if attributes is None:
        attributes = await settled(directory.filesystem.getattr(directory.who, file))
    return post_op_attr_of(attributes, directory.share.fsid)
