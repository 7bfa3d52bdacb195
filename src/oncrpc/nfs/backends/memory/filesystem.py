"""``MemoryFileSystem``: all that POSIX has, in the memory of the server.

Rules and the order of errors are those of Linux. Ids hold random bytes of this object: a handle
that a client kept from an earlier run of the server is stale, and never another file.
"""

from __future__ import annotations

import errno
import secrets
import stat
import time
from collections.abc import Callable

from oncrpc.nfs.backends.memory import rules
from oncrpc.nfs.backends.memory.nodes import ABOVE_COOKIE, HERE_COOKIE, FileNode
from oncrpc.nfs.backends.memory.rules import refusal
from oncrpc.nfs.backends.memory.sparse import Space, SparseData
from oncrpc.nfs.filesystem import (
    DEFAULT_DIRECTORY_MODE,
    DEFAULT_MODE,
    MAY_EXECUTE,
    MAY_READ,
    MAY_WRITE,
    Attributes,
    DirEntry,
    Features,
    FileSystem,
    Identity,
    Listing,
    NewAttributes,
    Now,
    SpaceInfo,
    Written,
    permissions,
)
from oncrpc.nfs.status import NfsError
from oncrpc.programs.nfs3 import ftype3, nfsstat3, stable_how

MAX_TARGET = 4095
"""Bytes of a symbolic link, as in Linux."""

COST = 1024
"""Bytes charged for a file, and for a name besides its own bytes."""

SUPER_USER = Identity(0, 0)
DEVICES = {ftype3.NF3BLK, ftype3.NF3CHR}
LIMITS = Features(
    hard_links=True, symlinks=True, special_files=True, link_max=65000,
    max_file_size=(1 << 63) - 1,
)  # fmt: skip


class MemoryFileSystem(FileSystem):
    """A file system in memory.

    ``max_bytes`` bounds all memory that clients can make it use, ``max_files`` the number of files;
    beyond them is ENOSPC. ``clock`` returns nanoseconds since 1970. ``uid``, ``gid`` and ``mode``
    are those of the root directory.
    """

    def __init__(
        self,
        *,
        max_bytes: int = 256 << 20,
        max_files: int = 100_000,
        features: Features = LIMITS,
        clock: Callable[[], int] = time.time_ns,
        uid: int = 0,
        gid: int = 0,
        mode: int = 0o755,
    ) -> None:
        self.features = features
        self._space, self._max_files, self._clock = Space(max_bytes), max_files, clock
        self._life = secrets.token_bytes(8)
        self._nodes: dict[bytes, FileNode] = {}
        self._count = 1
        root = self._new(ftype3.NF3DIR, mode, uid=uid, gid=gid)
        root.nlink, root.parent = 2, root
        self._nodes[root.id] = root
        self.root = root.id

    # Reading

    def getattr(self, who: Identity, file: bytes) -> Attributes:
        return self._node(file).attributes()

    def lookup(self, who: Identity, directory: bytes, name: bytes) -> bytes:
        return self._existing(who, self._directory(directory), name).id

    def parent(self, who: Identity, directory: bytes) -> bytes:
        node = self._directory(directory)
        rules.require(who, node, MAY_EXECUTE)
        return _above(node).id

    def readdir(
        self, who: Identity, directory: bytes, cookie: int, count: int, *, plus: bool
    ) -> Listing:
        node = self._directory(directory)
        rules.require(who, node, MAY_READ)
        if cookie >= node.names.next_cookie:
            raise NfsError(nfsstat3.NFS3ERR_BAD_COOKIE)
        known = plus and permissions(who, node.attributes()) & MAY_EXECUTE
        dots = [(HERE_COOKIE, b".", node), (ABOVE_COOKIE, b"..", _above(node))]
        found = [dot for dot in dots if dot[0] > cookie]
        wanted = max(count, 1) + 1 - len(found)
        found += (
            (entry.cookie, name, entry.node) for name, entry in node.names.after(cookie, wanted)
        )
        entries = [_entry(*each, known=bool(known)) for each in found[: max(count, 1)]]
        self._was_read(node)
        return Listing(entries, eof=len(found) == len(entries))

    def readlink(self, who: Identity, file: bytes) -> bytes:
        node = self._node(file)
        if node.kind is not ftype3.NF3LNK:
            raise refusal(errno.EINVAL)
        self._was_read(node)
        return node.target

    def read(self, who: Identity, file: bytes, offset: int, count: int) -> bytes:
        node = self._node(file)
        data = _data(node)
        rules.require_data(who, node, MAY_READ)
        self._was_read(node)
        return data.read(offset, count)

    def statfs(self, who: Identity, file: bytes) -> SpaceInfo:
        self._node(file)
        free, files = self._space.free, self._max_files - len(self._nodes)
        return SpaceInfo(self._space.total, free, free, self._max_files, files, files)

    # Changing a file

    def write(
        self, who: Identity, file: bytes, offset: int, data: bytes, *, stable: stable_how
    ) -> Written:
        node = self._node(file)
        stored = _data(node)
        rules.require_data(who, node, MAY_WRITE)
        most = self.features.max_file_size
        if data and offset >= most:
            raise refusal(errno.EFBIG)
        length = stored.write(offset, data[: most - offset])
        if length:
            node.mode = rules.mode_after_write(who, node)
            node.mtime = node.ctime = self._clock()
        return Written(length, stable_how.FILE_SYNC)

    def setattr(self, who: Identity, file: bytes, new: NewAttributes) -> None:
        node = self._node(file)
        self._require_change(who, node, new)
        self._change(who, node, new)

    def _require_change(self, who: Identity, node: FileNode, new: NewAttributes) -> None:
        rules.require_change(who, node, new)
        if new.size is not None and new.size > self.features.max_file_size:
            raise refusal(errno.EFBIG)

    def _change(self, who: Identity, node: FileNode, new: NewAttributes) -> None:
        """Set attributes that may be set: the size first, for it clears bits of the mode."""
        now = self._clock()
        if new.size is not None:
            _data(node).truncate(new.size)
            node.mode = rules.mode_after_write(who, node)
            node.mtime = now
        if (new.uid, new.gid) != (None, None):
            if not node.is_directory:
                node.mode = rules.mode_without_privilege(who, node)
            node.uid = node.uid if new.uid is None else new.uid
            node.gid = node.gid if new.gid is None else new.gid
        if new.mode is not None and node.kind is not ftype3.NF3LNK:
            node.mode = rules.mode_to_set(who, node, new.mode)
        if new.atime is not None:
            node.atime = now if isinstance(new.atime, Now) else new.atime
        if new.mtime is not None:
            node.mtime = now if isinstance(new.mtime, Now) else new.mtime
        if new != NewAttributes():
            node.ctime = now

    # Creating

    def create(self, who: Identity, directory: bytes, name: bytes, new: NewAttributes) -> bytes:
        node = self._made(who, directory, name, ftype3.NF3REG, new=new)
        return node.id

    def mkdir(self, who: Identity, directory: bytes, name: bytes, new: NewAttributes) -> bytes:
        above = self._directory(directory)
        mode = DEFAULT_DIRECTORY_MODE if new.mode is None else new.mode
        inherited = above.mode & stat.S_ISGID
        new = new._replace(mode=mode & 0o1777 | inherited)
        node = self._made(who, directory, name, ftype3.NF3DIR, new=new)
        node.mode |= inherited  # also of a group of others
        node.nlink, node.parent = 2, above
        above.nlink += 1
        return node.id

    def symlink(
        self, who: Identity, directory: bytes, name: bytes, target: bytes, new: NewAttributes
    ) -> bytes:
        if not target:
            raise refusal(errno.ENOENT)
        if len(target) > MAX_TARGET:
            raise refusal(errno.ENAMETOOLONG)
        node = self._made(who, directory, name, ftype3.NF3LNK, new=new, target=target)
        return node.id

    def mknod(
        self,
        who: Identity,
        directory: bytes,
        name: bytes,
        kind: ftype3,
        *,
        device: tuple[int, int],
        new: NewAttributes,
    ) -> bytes:
        if kind not in DEVICES:
            device = 0, 0
        node = self._made(who, directory, name, kind, new=new, device=device)
        return node.id

    def link(self, who: Identity, file: bytes, directory: bytes, name: bytes) -> None:
        node, above = self._node(file), self._directory(directory)
        self._require_new(who, above, name)
        if node.is_directory:
            raise refusal(errno.EPERM)
        if node.nlink >= self.features.link_max:
            raise refusal(errno.EMLINK)
        self._space.take(COST + len(name))
        above.names.put(name, node)
        node.nlink += 1
        node.ctime = self._changed(above)

    def _made(
        self,
        who: Identity,
        directory: bytes,
        name: bytes,
        kind: ftype3,
        *,
        new: NewAttributes,
        target: bytes = b"",
        device: tuple[int, int] = (0, 0),
    ) -> FileNode:
        """A new file with one name; nothing is changed if anything is refused."""
        above = self._directory(directory)
        self._require_new(who, above, name)
        if kind in DEVICES and who.uid != SUPER_USER.uid:
            raise refusal(errno.EPERM)
        gid = above.gid if above.mode & stat.S_ISGID else who.gid
        mode = 0o777 if kind is ftype3.NF3LNK else DEFAULT_MODE
        node = self._new(kind, mode, uid=who.uid, gid=gid)
        node.target, node.device = target, device
        self._require_change(who, node, new)
        if len(self._nodes) >= self._max_files:
            raise refusal(errno.ENOSPC)
        self._space.take(_cost(node) + COST + len(name))
        self._nodes[node.id] = node
        above.names.put(name, node)
        self._change(who, node, new)
        self._changed(above)
        return node

    def _new(self, kind: ftype3, mode: int, *, uid: int, gid: int) -> FileNode:
        number, now = self._count, self._clock()
        self._count += 1
        data = SparseData(self._space) if kind is ftype3.NF3REG else None
        file = self._life + number.to_bytes(8, "big")
        return FileNode(number, file, kind, mode, uid, gid, now, now, now, data=data)

    # Removing and renaming

    def remove(self, who: Identity, directory: bytes, name: bytes) -> None:
        above = self._directory(directory)
        node = self._existing(who, above, name)
        rules.require_removable(who, above, node, as_directory=False)
        self._drop_name(above, name)
        self._drop(node, self._changed(above))

    def rmdir(self, who: Identity, directory: bytes, name: bytes) -> None:
        above = self._directory(directory)
        node = self._existing(who, above, name)
        rules.require_removable(who, above, node, as_directory=True)
        if node.names:
            raise refusal(errno.ENOTEMPTY)
        self._drop_name(above, name)
        self._drop(node, self._changed(above))

    def rename(
        self, who: Identity, directory: bytes, name: bytes, to_directory: bytes, to_name: bytes
    ) -> None:
        above, to_above = self._directory(directory), self._directory(to_directory)
        rules.require(who, above, MAY_EXECUTE)
        rules.require(who, to_above, MAY_EXECUTE)
        node = self._existing(who, above, name)
        replaced = self._found(to_above, to_name)
        if replaced is node:
            return
        rules.require_rename(who, above, node, to_above=to_above, replaced=replaced)
        self._space.take(len(to_name) - len(name) if replaced is None else -COST - len(name))
        to_above.names.put(to_name, node)
        above.names.remove(name)
        node.ctime = self._changed(above, to_above)
        if node.is_directory:
            above.nlink -= 1
            to_above.nlink += 1
            node.parent = to_above
        if replaced:
            self._drop(replaced, node.ctime)

    def _drop_name(self, directory: FileNode, name: bytes) -> None:
        directory.names.remove(name)
        self._space.give(COST + len(name))

    def _drop(self, node: FileNode, now: int) -> None:
        """A file has lost a name: the file goes with the last one."""
        node.ctime = now
        node.nlink -= 1
        if node.is_directory:
            _above(node).nlink -= 1
            node.nlink = 0
        if node.nlink == 0:
            if node.data is not None:
                node.data.truncate(0)
            self._space.give(_cost(node))
            del self._nodes[node.id]

    # Files and names

    def _node(self, file: bytes) -> FileNode:
        node = self._nodes.get(file)
        if node is None:
            raise refusal(errno.ESTALE)
        return node

    def _directory(self, file: bytes) -> FileNode:
        node = self._node(file)
        if not node.is_directory:
            raise refusal(errno.ENOTDIR)
        return node

    def _found(self, directory: FileNode, name: bytes) -> FileNode | None:
        if len(name) > self.features.name_max:
            raise refusal(errno.ENAMETOOLONG)
        return directory.names.get(name)

    def _existing(self, who: Identity, directory: FileNode, name: bytes) -> FileNode:
        rules.require(who, directory, MAY_EXECUTE)
        node = self._found(directory, name)
        if node is None:
            raise refusal(errno.ENOENT)
        return node

    def _require_new(self, who: Identity, directory: FileNode, name: bytes) -> None:
        rules.require(who, directory, MAY_EXECUTE)
        if self._found(directory, name):
            raise refusal(errno.EEXIST)
        rules.require(who, directory, MAY_WRITE)

    def _changed(self, *directories: FileNode) -> int:
        """Entries of these directories have changed; returns the time."""
        now = self._clock()
        for directory in directories:
            directory.mtime = directory.ctime = now
        return now

    def _was_read(self, node: FileNode) -> None:
        """Set the time of access only if it is older than the last change, as ``relatime`` does."""
        if node.atime <= max(node.mtime, node.ctime):
            node.atime = self._clock()


def _data(node: FileNode) -> SparseData:
    rules.require_regular(node)
    assert node.data is not None
    return node.data


def _above(directory: FileNode) -> FileNode:
    assert directory.parent is not None
    return directory.parent


def _cost(node: FileNode) -> int:
    """Bytes charged for a file besides its data and its names."""
    return COST + len(node.target)


def _entry(cookie: int, name: bytes, node: FileNode, *, known: bool) -> DirEntry:
    if not known:
        return DirEntry(name, node.number, cookie)
    return DirEntry(name, node.number, cookie, node.id, node.attributes())
