"""``ArchiveFileSystem``: the files of a zip or tar archive.

The id of a file is a digest of the archive (device, inode, size, time) and the file's number in the
archive. So ids stay valid after a restart, and become stale when the archive is replaced.
"""

from __future__ import annotations

import asyncio
import errno
import hashlib
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import BinaryIO, cast
from zipfile import is_zipfile

from oncrpc.nfs.archive_kinds import ZIP
from oncrpc.nfs.backends.archive.members import ArchiveError
from oncrpc.nfs.backends.archive.spool import Spools
from oncrpc.nfs.backends.archive.tar_members import tar_members, unpacked_tar
from oncrpc.nfs.backends.archive.tree import MAX_FILES, ArchiveNode, ArchiveTree
from oncrpc.nfs.backends.archive.zip_directory import check_directory
from oncrpc.nfs.backends.archive.zip_members import zip_members
from oncrpc.nfs.filesystem import (
    MAY_EXECUTE,
    MAY_READ,
    MAY_WRITE,
    Attributes,
    DirEntry,
    Features,
    FileSystem,
    Identity,
    Listing,
    SpaceInfo,
    permissions,
)
from oncrpc.nfs.posix import refusal, require_data, require_directory
from oncrpc.programs.nfs3 import ftype3

SPOOL_BYTES = 1 << 30
"""Bytes of temporary space for unpacked members of a zip archive, by default."""

MAX_UNPACKED = 64 << 30
"""Bytes of a compressed tar archive after unpacking, by default."""

THREADS = 4
FEATURES = Features(
    hard_links=True, symlinks=True, special_files=True, stable_ids=True, link_max=65000
)


class ArchiveFileSystem(FileSystem):
    """The files of a zip or tar archive; tar may be compressed by gzip, bzip2 or xz.

    The constructor reads the index, and unpacks a compressed tar archive into a temporary file.
    Members of a zip archive are unpacked when they are read, into at most ``spool_bytes`` of
    temporary space; reading a larger member fails with EFBIG. ``directory`` is the directory for
    temporary files.

    Raises:
        ArchiveError: the file is not a zip or tar archive, is damaged, or has too many files.
        OSError: the file cannot be read.
    """

    features = FEATURES

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        directory: str | None = None,
        spool_bytes: int = SPOOL_BYTES,
        max_unpacked: int = MAX_UNPACKED,
        max_files: int = MAX_FILES,
    ) -> None:
        self._archive = file = cast(BinaryIO, Path(path).open("rb"))  # noqa: SIM115
        self._spools = Spools(spool_bytes, directory)
        self._data = file
        try:
            self._state = state = _state(file)
            check_directory(file, max_files=max_files)
            if is_zipfile(file):
                members = zip_members(file, self._spools)
            elif os.pread(file.fileno(), len(ZIP[0]), 0) in ZIP:
                raise ArchiveError("the zip archive is damaged: its end is missing")
            else:
                self._data = unpacked_tar(file, most=max_unpacked, directory=directory)
                members = tar_members(self._data)
            self._tree = ArchiveTree(members, mtime=state[2], max_files=max_files)
        except (ArchiveError, OSError):
            self._close_files()
            raise
        self._digest = hashlib.sha256(repr(state).encode()).digest()[:8]
        self.root = self._id(self._tree.root)
        self._threads = ThreadPoolExecutor(THREADS, "nfs-archive")

    @property
    def left_out(self) -> int:
        """The number of members that are not shown, because they cannot be unpacked safely."""
        return self._tree.left_out

    def getattr(self, who: Identity, file: bytes) -> Attributes:
        return self._node(file).attributes

    def lookup(self, who: Identity, directory: bytes, name: bytes) -> bytes:
        node = self._directory(who, directory, MAY_EXECUTE)
        if len(name) > self.features.name_max:
            raise refusal(errno.ENAMETOOLONG)
        if name not in node.names:
            raise refusal(errno.ENOENT)
        return self._id(node.names[name])

    def parent(self, who: Identity, directory: bytes) -> bytes:
        return self._id(self._directory(who, directory, MAY_EXECUTE).above)

    def access(self, who: Identity, file: bytes, attributes: Attributes) -> int:
        return permissions(who, attributes) & ~MAY_WRITE

    def readdir(
        self, who: Identity, directory: bytes, cookie: int, count: int, *, plus: bool
    ) -> Listing:
        node = self._directory(who, directory, MAY_READ)
        known = plus and permissions(who, node.attributes) & MAY_EXECUTE
        last = len(node.order) + 2
        positions = range(cookie, min(cookie + max(count, 1), last))
        entries = [self._entry(node, at, known=bool(known)) for at in positions]
        return Listing(entries, eof=cookie + len(entries) >= last)

    def readlink(self, who: Identity, file: bytes) -> bytes:
        node = self._node(file)
        if node.attributes.kind is not ftype3.NF3LNK:
            raise refusal(errno.EINVAL)
        return node.target

    async def read(self, who: Identity, file: bytes, offset: int, count: int) -> bytes:
        node = self._node(file)
        require_data(who, node.attributes, MAY_READ)
        assert node.content is not None, "a regular file"
        loop = asyncio.get_running_loop()
        data = await loop.run_in_executor(self._threads, node.content.read, offset, count)
        if _state(self._archive) != self._state:
            raise refusal(errno.ESTALE)  # the archive has changed
        return data

    def statfs(self, who: Identity, file: bytes) -> SpaceInfo:
        self._node(file)
        return SpaceInfo(total_bytes=self._state[1], total_files=len(self._tree.nodes))

    def close(self) -> None:
        self._threads.shutdown(cancel_futures=True)
        self._close_files()

    def _close_files(self) -> None:
        self._spools.close()
        self._data.close()
        self._archive.close()

    def _id(self, node: ArchiveNode) -> bytes:
        return self._digest + node.number.to_bytes(4, "big")

    def _node(self, file: bytes) -> ArchiveNode:
        number = int.from_bytes(file[8:], "big")
        if len(file) != 12 or file[:8] != self._digest or number >= len(self._tree.nodes):
            raise refusal(errno.ESTALE)
        return self._tree.nodes[number]

    def _directory(self, who: Identity, file: bytes, wanted: int) -> ArchiveNode:
        node = self._node(file)
        require_directory(who, node.attributes, wanted)
        return node

    def _entry(self, node: ArchiveNode, at: int, *, known: bool) -> DirEntry:
        """The entry at a position; ``.`` and ``..`` are the first two."""
        name = (b".", b"..")[at] if at < 2 else node.order[at - 2]
        shown = (node, node.above)[at] if at < 2 else node.names[name]
        found = shown.attributes
        if not known:
            return DirEntry(name, found.fileid, at + 1)
        return DirEntry(name, found.fileid, at + 1, self._id(shown), found)


def _state(file: BinaryIO) -> tuple[int, int, int, int]:
    """Inode, size, time and device: they change when an archive is written or replaced."""
    found = os.fstat(file.fileno())
    return found.st_ino, found.st_size, found.st_mtime_ns, found.st_dev
