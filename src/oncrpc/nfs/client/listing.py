"""Listing a directory page by page, with limits for an untrusted server."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator

from oncrpc.errors import LimitExceeded, ProtocolError
from oncrpc.nfs.client.errors import NfsNotFound, NfsStatusError
from oncrpc.nfs.client.open_handle import OpenHandle
from oncrpc.nfs.client.results import DirectoryPage, FileHandle, PageEntry, RemoteEntry
from oncrpc.programs.nfs3 import nfsstat3

MAX_ENTRIES = 10_000_000
"""Entries of a directory that the NFS client lists."""

LEAST_PAGE = 16
"""A page counts as at least this many entries, since the cookie of each page is kept."""

LEAST_ENTRY = 24
"""An entry in a reply to READDIR has this many bytes beside its name (RFC 1813 §3.3.16)."""

HERE, ABOVE = b".", b".."


def check_received_name(name: bytes) -> bytes:
    """Return the name of an entry if it is safe to join with a path.

    Raises:
        ProtocolError: it is empty, ``.`` or ``..``, or contains a ``/`` or a NUL.
    """
    if not name or name in (HERE, ABOVE) or b"/" in name or b"\0" in name:
        raise ProtocolError(f"the server sent the invalid name {name[:64]!r}")
    return name


async def pages(directory: OpenHandle, *, plus: bool) -> AsyncIterator[list[PageEntry]]:
    """The entries of a directory, without ``.`` and ``..``, a page at a time.

    Without ``plus``, or if the server lacks READDIRPLUS, the entries have only names.

    Raises:
        ProtocolError: an invalid name, a page that is too large, or a cookie that repeats.
        LimitExceeded: too many entries.
    """
    cookie, verifier, count = 0, b"", 0
    seen = {0}
    while True:

        async def page(
            handle: FileHandle, cookie: int = cookie, verifier: bytes = verifier, plus: bool = plus
        ) -> DirectoryPage:
            return await directory.operations.readdir(handle, cookie, verifier, plus=plus)

        try:
            found = await directory.use(page)
        except NfsStatusError as error:
            if not plus or error.status is not nfsstat3.NFS3ERR_NOTSUPP:
                raise
            plus = False
            continue
        _check_size(found, directory.operations.listing_size)
        count += max(len(found.entries), LEAST_PAGE)
        if count > MAX_ENTRIES:
            raise LimitExceeded(f"a directory of over {MAX_ENTRIES} entries")
        named = (entry for entry in found.entries if entry.name not in (HERE, ABOVE))
        yield [entry for entry in named if check_received_name(entry.name)]
        if found.eof:
            return
        if not found.entries or found.entries[-1].cookie in seen:
            raise ProtocolError("the server repeats a part of the directory without end")
        cookie, verifier = found.entries[-1].cookie, found.verifier
        seen.add(cookie)


def _check_size(page: DirectoryPage, size: int) -> None:
    """Check that a page is not much larger than the client requested.

    A recursive listing keeps a page of each directory above.

    Raises:
        ProtocolError: its names take over twice that size.
    """
    if sum(LEAST_ENTRY + len(entry.name) for entry in page.entries) > 2 * size:
        raise ProtocolError(f"the server sent a page of a directory of over {2 * size} bytes")


async def entries(directory: OpenHandle) -> AsyncIterator[RemoteEntry]:
    """The entries of a directory with the attributes of their files.

    Attributes that the server leaves out are looked up. A file that is removed meanwhile is
    skipped.
    """
    async for page in pages(directory, plus=True):
        for entry in page:
            found = await _completed(directory, entry)
            if found is not None:
                yield found


async def _completed(directory: OpenHandle, entry: PageEntry) -> RemoteEntry | None:
    handle, stat = entry.handle, entry.stat
    operations = directory.operations
    try:
        if handle is None:
            looked_up = await operations.lookup(directory.handle, entry.name)
            handle, stat = looked_up.handle, looked_up.stat
        if stat is None:
            stat = await operations.getattr(handle)
    except NfsNotFound:
        return None
    return RemoteEntry(os.fsdecode(entry.name), stat, handle)
