"""Exported file systems in this process, called by version 2 with bytes and with values."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from oncrpc.nfs.backends.memory import MemoryFileSystem
from oncrpc.nfs.filesystem import Attributes, DirEntry, FileSystem, Identity, Listing
from oncrpc.nfs.options import ExportOptions
from oncrpc.nfs.server.attributes2 import UNSET
from oncrpc.nfs.server.cookies2 import ShortCookies
from oncrpc.nfs.server.nfs2 import Nfs2
from oncrpc.nfs.server.shares import Share
from oncrpc.programs.nfs2 import (
    NFS_VERSION,
    diropargs,
    readdirargs,
    readdirok,
    sattr,
    stat,
    timeval,
)
from oncrpc.programs.nfs3 import ftype3
from oncrpc.rpc import AnyProcedure
from support.exported import OPTIONS, SECOND, Exported
from support.words import words

TIME = words(1000, 7)
"""The only time of ``still``, as a timeval."""

ACCEPTED = words(0x11223344, 1, 0, 0, 0, 0)  # xid, REPLY, MSG_ACCEPTED, verf AUTH_NONE, SUCCESS


def still() -> MemoryFileSystem:
    """A file system in memory whose clock stands still."""
    return MemoryFileSystem(clock=lambda: 1000 * SECOND + 7_000, max_bytes=8 << 20)


def call_of(number: int, *arguments: int | bytes, uid: int = 0) -> bytes:
    """A call of version 2, as the RFCs draw it."""
    return words(
        0x11223344,               # xid
        0, 2,                     # CALL, rpcvers
        100003, 2, number,        # NFS_PROGRAM, version 2, procedure
        1, 24, 0, 1, b"h\0\0\0",  # cred AUTH_SYS: stamp, machinename
        uid, uid and 100, 0,      # uid, gid, no gids
        0, 0,                     # verf AUTH_NONE
        *arguments,
    )  # fmt: skip


def string(text: bytes) -> bytes:
    """A string with its length and its padding."""
    return words(len(text), text.ljust(len(text) + 3 & ~3, b"\0"))


class Exported2(Exported):
    """The same exports, with version 2 beside version 3."""

    def __init__(
        self,
        *filesystems: FileSystem,
        options: ExportOptions = OPTIONS,
        cookies: ShortCookies | None = None,
    ) -> None:
        super().__init__(*(filesystems or [still()]), options=options)
        self.service2 = Nfs2(self.shares, cookies=cookies)
        self.dispatcher.add(self.service2)
        self.root2 = self.handle2(self.files.root)

    def handle2(self, file: bytes, share: Share | None = None) -> bytes:
        """The handle of a file of the first export, or of another one."""
        return self.shares.handle(share or self.share, file, v2=True)

    def named(self, name: bytes, directory: bytes | None = None) -> diropargs:
        """A name, by default in the root."""
        return diropargs(directory or self.root2, name)

    def results(self, number: int, *arguments: int | bytes, uid: int = 0) -> bytes:
        """The bytes of the results of a call."""
        reply = self.reply(call_of(number, *arguments, uid=uid))
        assert reply[:24] == ACCEPTED
        return reply[24:]

    def ok2(self, procedure: AnyProcedure, *arguments: Any) -> Any:
        """What follows NFS_OK."""
        result = self.call(procedure, *arguments)
        status = result if isinstance(result, stat) else result.status
        assert status is stat.NFS_OK, status.name
        return None if isinstance(result, stat) else result.body

    def status2(self, procedure: AnyProcedure, *arguments: Any) -> stat:
        """The status of a call."""
        result = self.call(procedure, *arguments)
        found: stat = result if isinstance(result, stat) else result.status
        return found

    def listed(
        self, count: int = 512, *, between: Callable[[], None] = lambda: None
    ) -> list[bytes]:
        """The names in the root, read in pieces of ``count`` bytes."""
        names: list[bytes] = []
        cookie, eof = bytes(4), False
        while not eof:
            found: readdirok = self.ok2(
                NFS_VERSION.NFSPROC_READDIR, readdirargs(self.root2, cookie, count)
            )
            names += (entry.name for entry in found.entries)
            eof = found.eof
            cookie = found.entries[-1].cookie if found.entries else cookie
            between()
        return names


LEAVE = timeval(UNSET, UNSET)


def sattr2(
    *,
    mode: int = UNSET,
    uid: int = UNSET,
    gid: int = UNSET,
    size: int = UNSET,
    atime: timeval = LEAVE,
    mtime: timeval = LEAVE,
) -> sattr:
    """Attributes to set; -1 leaves one alone."""
    return sattr(mode, uid, gid, size, atime, mtime)


class ManyNames(FileSystem):
    """A directory of empty files, whose cookies are what the test wants.

    ``cookies`` are those of the entries in the order of the directory. Each is the place after its
    entry; names are removed from ``names``.
    """

    root = b"/"

    def __init__(self, cookies: list[int]) -> None:
        self.cookies = cookies
        self.names = {index: b"%d" % index for index in range(len(cookies))}

    def getattr(self, who: Identity, file: bytes) -> Attributes:
        return Attributes(ftype3.NF3DIR)

    def readdir(
        self, who: Identity, directory: bytes, cookie: int, count: int, *, plus: bool
    ) -> Listing:
        first = self.cookies.index(cookie) + 1 if cookie else 0
        rest = [index for index in sorted(self.names) if index >= first]
        found = [
            DirEntry(self.names[index], index + 1, self.cookies[index]) for index in rest[:count]
        ]
        return Listing(found, eof=len(found) == len(rest))
