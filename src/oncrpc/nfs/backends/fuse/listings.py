"""Listings of directories, with cookies that stay valid while the directory changes.

FUSE has no cookies that survive the closing of a directory. So the cookie of an entry is a hash of
its name, entries are in the order of their hashes, and a listing goes on after the hash that the
client has seen. A name that exists all the time is listed once, also if others are added and
removed.

The hash has a random key, so clients cannot choose names with the same one. By chance some have:
a reply never ends between two of these.

Key: the directory. Bound: 16 listings. A listing is read again for the first page, or when it is
older than 5 seconds; ``drop`` removes a name that is gone.
"""

from __future__ import annotations

import hashlib
import secrets
from bisect import bisect_right
from collections import OrderedDict
from collections.abc import Iterable
from typing import NamedTuple

MAX_LISTINGS = 16
"""Listings of directories of a FUSE file system that are kept for the next page."""

MAX_ENTRIES = 1_000_000
"""Entries of a directory of a FUSE file system; a listing of more fails with EFBIG."""

LISTING_AGE = 5.0
"""Seconds after which a listing of a FUSE file system is read again."""

FIRST_COOKIE = 3
"""Cookies 1 and 2 belong to ``.`` and ``..``."""

COOKIES = (1 << 31) - FIRST_COOKIE
"""Cookies are below 2**31, so that NFS version 2 has the same ones."""


class ListedName(NamedTuple):
    """An entry of a directory; ``fileid`` is 0 if the object has no inodes."""

    cookie: int
    name: bytes
    fileid: int = 0


class KeptListing(NamedTuple):
    """The entries of a directory in order, and when they were read."""

    entries: list[ListedName]
    read: float


class KeptListings:
    """The listings by directory number."""

    def __init__(self) -> None:
        self._key = secrets.token_bytes(16)
        self._kept: OrderedDict[int, KeptListing] = OrderedDict()

    def get(self, directory: int, *, now: float) -> list[ListedName] | None:
        """The entries of a directory, unless they are too old."""
        found = self._kept.get(directory)
        return None if found is None or now - found.read > LISTING_AGE else found.entries

    def put(
        self, directory: int, names: Iterable[tuple[bytes, int]], *, now: float
    ) -> list[ListedName]:
        """Keep a new listing of names and file numbers; returns it in order."""
        entries = sorted(ListedName(self.cookie(name), name, fileid) for name, fileid in names)
        self._kept[directory] = KeptListing(entries, now)
        self._kept.move_to_end(directory)
        if len(self._kept) > MAX_LISTINGS:
            self._kept.popitem(last=False)
        return entries

    def drop(self, directory: int, name: bytes) -> None:
        """Remove a name that is gone."""
        found = self._kept.get(directory)
        if found is not None:
            cookie = self.cookie(name)
            for entry in page(found.entries, cookie - 1, 1):
                if entry.name == name:
                    found.entries.remove(entry)

    def forget(self, directory: int) -> None:
        """Remove the listing of a directory."""
        self._kept.pop(directory, None)

    def cookie(self, name: bytes) -> int:
        """The cookie of a name."""
        digest = hashlib.blake2b(name, digest_size=8, key=self._key).digest()
        return FIRST_COOKIE + int.from_bytes(digest, "big") % COOKIES


def page(entries: list[ListedName], cookie: int, count: int) -> list[ListedName]:
    """About ``count`` entries with a higher cookie; those with the same cookie are not split."""
    start = bisect_right(entries, cookie, key=lambda entry: entry.cookie)
    end = start + count
    while start < end < len(entries) and entries[end].cookie == entries[end - 1].cookie:
        end += 1
    return entries[start:end]
