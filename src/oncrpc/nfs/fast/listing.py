"""READDIRPLUS (RFC 1813 §3.3.17), and pages of it that are kept.

The entries that a reply has room for are chosen as by the generic path. The server asks for their
attributes and handles, after the kernel has said that the caller may read and search the directory.

A page is the encoded entries of one reply. It is kept, since clients list large directories often,
and many clients list the same one::

    key       the directory, the cookie, and the bytes that the client has room for
    bound     MAX_PAGES of a directory; a directory that has as many loses them all
    emptied   with the open directory (``cached_files``), see also ``fresh``

A page is used for at most ``LIFETIME``, and only if nothing has happened since it was made: the
directory has the same times, no call has changed anything in the file system, and the kernel has
reported no change of a file in the directory (``watching``).
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Sequence
from struct import Struct
from typing import TYPE_CHECKING, NamedTuple

from oncrpc.nfs.backends.local.base import reopened
from oncrpc.nfs.backends.local.cached_files import CLOSED
from oncrpc.nfs.backends.local.kernel_handles import KernelHandles
from oncrpc.nfs.backends.local.objects import OpenObject
from oncrpc.nfs.backends.local.syscalls import DirectoryEntry, getdents64
from oncrpc.nfs.fast.encoding import ATTRIBUTES, LOOKUP_HEAD, OK, POST_OP, fields_of
from oncrpc.nfs.fast.methods import HANDLE_AT, method
from oncrpc.nfs.fast.names import allowed_of
from oncrpc.nfs.fast.uses import Use
from oncrpc.nfs.filesystem import MAY_EXECUTE
from oncrpc.nfs.names import ABOVE, HERE
from oncrpc.nfs.server.listing import EMPTY_LISTING, ENTRY
from oncrpc.nfs.server.sizes import LISTING
from oncrpc.programs.nfs3 import NFS_V3
from oncrpc.rpc.quick import QuickAnswer
from oncrpc.rpc.record import LAST_FRAGMENT

if TYPE_CHECKING:
    from oncrpc.nfs.fast.calls import FastConnection

LIFETIME = 1.0
"""Seconds."""

MAX_PAGES = 512
"""Replies to READDIRPLUS that are kept for the next reader of a directory."""

RANGE = Struct(">Q8sII")
NAME = Struct(">IQI")
REST = Struct(">QI" + ATTRIBUTES + "II")
BARE = Struct(">QII")
END, MORE = bytes(4) + b"\0\0\0\1", bytes(8)
SMALLEST_NUMBER = 4
DIRENTS = 16 << 10
LARGEST_COOKIE = (1 << 63) - 1
PageKey = tuple[int, int, int]

DOTS = {HERE, ABOVE}
PADDING = (b"", bytes(3), bytes(2), bytes(1))
"""The padding of opaque data, by their size modulo 4."""


class ListedPage(NamedTuple):
    """The entries of a reply, and the circumstances in which they were read."""

    entries: bytes
    at: float
    ctime: int
    changed: int
    told: tuple[int, int]


class NotUsual(OSError):
    """Raised if the generic path has to list: a mount point is among the entries, for example."""


@method(NFS_V3.NFSPROC3_READDIRPLUS)
def readdirplus(connection: FastConnection, message: bytes, replies: list[bytes]) -> QuickAnswer:
    """The entries of a directory that the user may read and search."""
    at = HANDLE_AT + (message[30] << 8) + message[31]
    end = at + 4 + (message[at + 3] + 3 & ~3)
    use = connection.uses.get(message[24:end])
    if use is None or use.until < connection.now:
        use = connection.use(message, at, end)
        if use is None:
            return None
    connection.actor.end()
    found = connection.stat(use)
    if found is None or not may_list(use, found):
        return None
    cookie, verifier, dircount, maxcount = RANGE.unpack_from(message, end)
    key = cookie, dircount, min(maxcount, LISTING, connection.fast.sizes.stream)
    entries = listed(connection, use, found, key)
    head = POST_OP.pack(1, *fields_of(os.fstat(use.kept.descriptor), use.fsid))
    size = LOOKUP_HEAD.size - 4 + len(head) + len(verifier) + len(entries)
    replies += LOOKUP_HEAD.pack(LAST_FRAGMENT | size, message[:4], OK), head, verifier, entries
    return size


def may_list(use: Use, found: os.stat_result) -> bool:
    """Whether the user may read and search the directory, by the kernel."""
    kept, files = use.kept, use.files
    if kept.kind != stat.S_IFDIR or not use.opened.options.readdirplus:
        return False
    if use.allowed < 0:
        use.allowed = allowed_of(use)
    if not use.allowed & MAY_EXECUTE:
        return False
    if use.may_read and kept.reading != CLOSED:
        return True
    with files.identities.of(use.opened.who):
        descriptor = reopened(OpenObject(kept.descriptor, found), os.O_RDONLY | os.O_DIRECTORY)
    if kept.reading == CLOSED:
        kept.reading = descriptor
    else:
        os.close(descriptor)
    use.may_read = True
    return True


def listed(connection: FastConnection, use: Use, found: os.stat_result, key: PageKey) -> bytes:
    """The entries of a page, and the words after them."""
    kept, files, watches = use.kept, use.files, connection.fast.watches
    pages: dict[PageKey, ListedPage] = kept.pages
    if not pages and not watched(connection, use):
        return encoded(connection, use, found, key)
    told = watches.changes(kept.watch)
    page = pages.get(key)
    if (
        page is not None
        and connection.now - page.at < LIFETIME
        and page[2:] == (found.st_ctime_ns, files.changed, told)
    ):
        return page.entries
    entries = encoded(connection, use, found, key)
    if len(pages) >= MAX_PAGES:
        pages.clear()
    changed = files.changed
    pages[key] = ListedPage(entries, connection.now, found.st_ctime_ns, changed, told)
    return entries


def watched(connection: FastConnection, use: Use) -> bool:
    """Watch a directory; whether that is possible."""
    try:
        use.kept.watch = connection.fast.watches.add(use.kept.reading)
    except OSError:
        return False
    return True


def encoded(connection: FastConnection, use: Use, found: os.stat_result, key: PageKey) -> bytes:
    """Read the entries after a cookie that there is room for.

    Raises:
        OSError: the generic path has to answer.
    """
    cookie, dircount, maxcount = key
    total, names, out = maxcount - EMPTY_LISTING, dircount, list[bytes]()
    ahead = ahead_of(use, found, cookie, connection.now)
    usual_entry = usual_entries(connection, use)
    while True:
        index = ahead.index
        if index == len(ahead.entries):
            ahead.entries, ahead.index = getdents64(use.kept.reading, DIRENTS), 0
            index = 0
        if not ahead.entries:
            use.kept.ahead = None
            return b"".join((*out, END))
        entry = ahead.entries[index]
        name = entry[3]
        piece = dots(connection, use, entry) if name in DOTS else usual_entry(entry)
        total -= len(piece)
        names -= ENTRY + (len(name) + 3 & ~3)
        if total < 0 or (out and names < 0):
            if not out:
                raise NotUsual
            return b"".join((*out, MORE))
        out.append(piece)
        ahead.index = index + 1
        ahead.cookie = entry[1]


class AheadEntries:
    """Entries of a directory that were read, and have not been sent: those after ``cookie``.

    The descriptor's position is after all of them. Seeking in a large directory takes longer than
    reading a page.
    """

    __slots__ = ("at", "cookie", "ctime", "entries", "index")

    def __init__(self, cookie: int, ctime: int, at: float) -> None:
        self.cookie, self.ctime, self.at = cookie, ctime, at
        self.entries: Sequence[DirectoryEntry] = ()
        self.index = 0


def ahead_of(use: Use, found: os.stat_result, cookie: int, now: float) -> AheadEntries:
    """The entries after a cookie: those that were read before, or none so far."""
    kept = use.kept
    ahead: AheadEntries | None = kept.ahead
    if (
        ahead is not None
        and now - ahead.at < LIFETIME
        and (ahead.cookie, ahead.ctime) == (cookie, found.st_ctime_ns)
    ):
        return ahead
    if cookie > LARGEST_COOKIE:
        raise NotUsual
    kept.ahead = None
    os.lseek(kept.reading, cookie, os.SEEK_SET)
    ahead = kept.ahead = AheadEntries(cookie, found.st_ctime_ns, now)
    return ahead


def usual_entries(connection: FastConnection, use: Use) -> Callable[[DirectoryEntry], bytes]:
    """Make a function that encodes an entry: an ``entryplus3`` and the word before it.

    Both the attributes and the handle are of the same file: handles contain the inode number. If
    the name leads to another file in between, or the handle's form is not known, it raises
    ``NotUsual``.
    """
    directory, files, share = use.kept.reading, use.files, use.opened.share
    objects, device, fsid = files.objects, files.device, use.fsid
    assert isinstance(objects, KernelHandles), "uses are of such files only"
    id_of_entry, stat_of, size = objects.id_of_entry, os.stat, 0
    handle_of: Callable[[bytes], bytes]

    def encode(entry: DirectoryEntry) -> bytes:
        nonlocal size, handle_of
        fileid, cookie, _, name = entry
        try:
            found = stat_of(name, dir_fd=directory, follow_symlinks=False)
            file = id_of_entry(directory, name)
        except FileNotFoundError:
            return gone_entry(entry)
        number = found.st_ino.to_bytes(8, "little")[:SMALLEST_NUMBER]
        if file is None or found.st_dev != device or number not in file:
            raise NotUsual
        if len(file) != size:
            size = len(file)
            handle_of = connection.fast.maker(share, size)
        return encoded_entry(fileid, cookie, name, fields_of(found, fsid), handle_of(file))

    return encode


def gone_entry(entry: DirectoryEntry) -> bytes:
    """Encode an entry without attributes and handle: the file is gone."""
    fileid, cookie, _, name = entry
    size = len(name)
    return NAME.pack(1, fileid, size) + name + PADDING[size & 3] + BARE.pack(cookie, 0, 0)


def encoded_entry(
    fileid: int, cookie: int, name: bytes, fields: tuple[int, ...], handle: bytes
) -> bytes:
    """Encode an entry with attributes and handle."""
    size, length = len(name), len(handle)
    return b"".join((
        NAME.pack(1, fileid, size), name, PADDING[size & 3],
        REST.pack(cookie, 1, *fields, 1, length), handle, PADDING[length & 3],
    ))  # fmt: skip


def dots(connection: FastConnection, use: Use, entry: DirectoryEntry) -> bytes:
    """Encode the entry ``.`` or ``..``.

    Raises:
        OSError: the generic path has to list.
    """
    fileid, cookie, _, name = entry
    try:
        if name == HERE:
            file, found = use.opened.file, os.fstat(use.kept.descriptor)
            fileid = found.st_ino
        else:
            file, found = above(use)
            fileid = found.st_ino if file == use.files.root else fileid
    except FileNotFoundError:
        return gone_entry(entry)
    handle = connection.fast.handle(use.opened.share, file)
    return encoded_entry(fileid, cookie, name, fields_of(found, use.fsid), handle)


def above(use: Use) -> tuple[bytes, os.stat_result]:
    """The directory above; above the root of the export it is the root.

    Raises:
        OSError: the generic path has to list.
    """
    files, opened = use.files, use.opened
    is_root = opened.file == files.root
    file = files.root if is_root else files.parent(opened.who, opened.file)
    return file, os.fstat(files.cached.get(file).descriptor)
