"""Cookies of 32 bits for READDIR of version 2 (RFC 1094 §2.2.17).

Back ends have cookies of 64 bits. Those below 2**31 are sent as they are. A longer one, such as the
hash that ext4 uses, is replaced by a number of the upper half, and remembered::

    the upper bits of the cookie      in the order of the directory, if cookies are
    the next number that is free      if that one is taken: the entries follow each other

Key: the export's tag and the directory's id. Bound: ``most`` cookies in all directories together;
those of the directory that was listed longest ago are removed first, and nothing else removes them.
They are valid as long as the cookies of the back end, also while the directory changes.

A cookie that is no longer remembered, after a restart of the server for example, is searched: the
directory is read from its start, which gives its cookies the same numbers again. If the entry has
been removed meanwhile, the listing goes on where it was, provided that cookies ascend. Otherwise it
fails: to go on anywhere would miss entries or repeat them.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import NamedTuple

from oncrpc.nfs.answers import settled
from oncrpc.nfs.server.call_objects import CallObject
from oncrpc.nfs.status import NfsError
from oncrpc.programs.nfs3 import nfsstat3

LONG = 1 << 31
"""From here on cookies are replaced."""

END = 1 << 32
MAX_COOKIES = 65_536
"""About 20 MiB."""

AT_ONCE = 1024
"""Entries to read at a time while searching."""

Directory = tuple[int, bytes]


class Replaced(NamedTuple):
    """The cookies of a directory by number, and the numbers by cookie."""

    cookies: OrderedDict[int, int]
    numbers: dict[int, int]


class ShortCookies:
    """Replaces cookies by numbers of 32 bits; see the module for key, bound and what empties it."""

    def __init__(self, *, most: int = MAX_COOKIES) -> None:
        self.most, self.count = most, 0
        self._directories: OrderedDict[Directory, Replaced] = OrderedDict()

    def shorten(self, directory: Directory, cookie: int, *, after: int) -> int:
        """The number for a cookie; ``after`` is that of the entry before it."""
        if cookie < LONG:
            return cookie
        replaced = self._replaced(directory)
        known = replaced.numbers.get(cookie)
        if known is not None:
            return known
        number = LONG | cookie >> 32 & (LONG - 1)
        if number in replaced.cookies:
            number = after
            while number in replaced.cookies or not LONG <= number < END:
                number = number + 1 if LONG <= number < END - 1 else LONG
        replaced.cookies[number] = cookie
        replaced.numbers[cookie] = number
        self.count += 1
        self._make_room()
        return number

    def find(self, directory: Directory, number: int) -> int | None:
        """The cookie for a number; None if it is not known, or not any longer."""
        if number < LONG:
            return number
        found = self._directories.get(directory)
        return None if found is None else found.cookies.get(number)

    def _replaced(self, directory: Directory) -> Replaced:
        found = self._directories.get(directory)
        if found is None:
            found = self._directories[directory] = Replaced(OrderedDict(), {})
        self._directories.move_to_end(directory)
        return found

    def _make_room(self) -> None:
        while self.count > self.most:
            directory, oldest = next(iter(self._directories.items()))
            _, cookie = oldest.cookies.popitem(last=False)
            del oldest.numbers[cookie]
            self.count -= 1
            if not oldest.cookies:
                del self._directories[directory]


async def cookie_of(cookies: ShortCookies, directory: CallObject, number: int) -> int:
    """The cookie for a number that a client sent.

    Raises:
        NfsError: NFS3ERR_BAD_COOKIE: there is none. OSError: of the file system.
    """
    found = cookies.find((directory.share.tag, directory.file), number)
    return await _search(cookies, directory, number) if found is None else found


async def _search(cookies: ShortCookies, directory: CallObject, number: int) -> int:
    """Read the directory from its start, up to the entry with this number."""
    key = directory.share.tag, directory.file
    cookie = last = 0
    at: int | None = None  # the cookie after which the first entry with a higher number comes
    ascending = True
    while True:
        listing = await settled(
            directory.filesystem.readdir(directory.who, directory.file, cookie, AT_ONCE, plus=False)
        )
        for entry in listing.entries:
            found = cookies.shorten(key, entry.cookie, after=last)
            if found == number:
                return entry.cookie
            ascending = ascending and found > last
            if at is None and found > number:
                at = cookie
            cookie, last = entry.cookie, found
        if listing.eof or not listing.entries:
            break
    if not ascending:
        raise NfsError(nfsstat3.NFS3ERR_BAD_COOKIE)
    return cookie if at is None else at
