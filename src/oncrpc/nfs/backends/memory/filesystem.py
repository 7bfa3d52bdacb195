"""``MemoryFileSystem``: a file system with all types of POSIX, in the memory of the server.

An id begins with random bytes of this object. So a handle from an earlier run of the server is
stale, and never leads to another file.
"""

from __future__ import annotations

import errno
import secrets
import time
from collections.abc import Callable

from oncrpc.nfs.acls import Acls, Entries
from oncrpc.nfs.backends.memory.nodes import FileNode, above_of, listing
from oncrpc.nfs.backends.memory.renaming import require_rename
from oncrpc.nfs.backends.memory.sparse import BLOCK, Space, SparseData
from oncrpc.nfs.filesystem import (
    MAY_EXECUTE,
    MAY_READ,
    MAY_WRITE,
    Attributes,
    Features,
    FileSystem,
    Identity,
    Listing,
    NewAttributes,
    SpaceInfo,
    Written,
    permissions,
)
from oncrpc.nfs.posix import (
    after_read,
    after_write,
    changed,
    new_file,
    refusal,
    require,
    require_change,
    require_data,
    require_directory,
    require_linkable,
    require_new_acl,
    require_removable,
    with_access_list,
)
from oncrpc.programs.nfs3 import ftype3, stable_how

MAX_TARGET = 4095
"""Bytes of a symbolic link, as in Linux."""

COST = 1024
"""Bytes charged for a file, and for a name besides its own bytes."""

ENTRY_COST = 128
"""Bytes charged for an entry of an access control list."""

LIMITS = Features(
    hard_links=True, symlinks=True, special_files=True, link_max=65000,
    max_file_size=(1 << 63) - 1,
)  # fmt: skip


class MemoryFileSystem(FileSystem):
    """A file system in memory.

    ``max_bytes`` bounds all memory that clients can make it use, ``max_files`` the number of files;
    beyond them is ENOSPC. ``clock`` returns nanoseconds since 1970. ``uid``, ``gid`` and ``mode``
    are those of the root directory. ``protected_hardlinks`` applies the Linux rule of that name.

    ``_nodes`` has every file that has a name, and the root. ``_space`` is charged for every file,
    name and block in use. ``_count`` is the last file number that was given; none is used again.
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
        protected_hardlinks: bool = False,
    ) -> None:
        self.features = features
        self._space, self._max_files, self._clock = Space(max_bytes), max_files, clock
        self._protected_hardlinks = protected_hardlinks
        self._life, self._count = secrets.token_bytes(8), 1
        now = clock()
        attributes = Attributes(
            ftype3.NF3DIR, mode, 2, uid, gid, atime=now, mtime=now, ctime=now, fileid=self._count
        )
        root = self._node_of(attributes)
        root.parent = root
        self._nodes = {root.id: root}
        self.root = root.id

    # Reading

    def getattr(self, who: Identity, file: bytes) -> Attributes:
        return self._node(file).attributes

    def lookup(self, who: Identity, directory: bytes, name: bytes) -> bytes:
        return self._existing(self._directory(who, directory), name).id

    def parent(self, who: Identity, directory: bytes) -> bytes:
        return above_of(self._directory(who, directory)).id

    def readdir(
        self, who: Identity, directory: bytes, cookie: int, count: int, *, plus: bool
    ) -> Listing:
        node = self._directory(who, directory, MAY_READ)
        known = plus and permissions(who, node.attributes) & MAY_EXECUTE
        found = listing(node, cookie, max(count, 1), known=bool(known))
        node.attributes = after_read(node.attributes, now=self._clock())
        return found

    def readlink(self, who: Identity, file: bytes) -> bytes:
        node = self._node(file)
        if node.attributes.kind is not ftype3.NF3LNK:
            raise refusal(errno.EINVAL)
        node.attributes = after_read(node.attributes, now=self._clock())
        return node.target

    def read(self, who: Identity, file: bytes, offset: int, count: int) -> bytes:
        node = self._node(file)
        require_data(who, node.attributes, MAY_READ)
        node.attributes = after_read(node.attributes, now=self._clock())
        return _data(node).read(offset, count)

    def statfs(self, who: Identity, file: bytes) -> SpaceInfo:
        self._node(file)
        free, files = self._space.free, self._max_files - len(self._nodes)
        return SpaceInfo(self._space.total, free, free, self._max_files, files, files)

    # Changing a file

    def write(
        self, who: Identity, file: bytes, offset: int, data: bytes, *, stable: stable_how
    ) -> Written:
        node = self._node(file)
        require_data(who, node.attributes, MAY_WRITE)
        most, stored = self.features.max_file_size, _data(node)
        if data and offset >= most:
            raise refusal(errno.EFBIG)
        length = stored.write(offset, data[: most - offset])
        if length:
            new = after_write(who, node.attributes, now=self._clock(), size=stored.size)
            node.attributes = new._replace(used=stored.used)
        return Written(length, stable_how.FILE_SYNC)

    def setattr(self, who: Identity, file: bytes, new: NewAttributes) -> None:
        node = self._node(file)
        require_change(who, node.attributes, new)
        self._require_size(new)
        node.attributes = changed(who, node.attributes, new, now=self._clock())
        self._resize(node, new)

    def get_acl(self, who: Identity, file: bytes) -> Acls:
        node = self._node(file)
        return Acls(node.attributes.acl or None, node.default or None)

    def set_acl(self, who: Identity, file: bytes, new: Acls) -> None:
        node = self._node(file)
        require_new_acl(who, node.attributes, new)
        attributes, default = node.attributes, node.default
        if new.access is not None:
            attributes = with_access_list(who, attributes, tuple(new.access))
        if new.default is not None:
            default = tuple(new.default)
        before = _acl_cost(node.attributes.acl, node.default)
        self._space.take(_acl_cost(attributes.acl, default) - before)
        node.attributes = attributes._replace(ctime=self._clock())
        node.default = default

    def _require_size(self, new: NewAttributes) -> None:
        if new.size is not None and new.size > self.features.max_file_size:
            raise refusal(errno.EFBIG)

    def _resize(self, node: FileNode, new: NewAttributes) -> None:
        if new.size is not None:
            _data(node).truncate(new.size)
            node.attributes = node.attributes._replace(used=_data(node).used)

    # Creating

    def create(self, who: Identity, directory: bytes, name: bytes, new: NewAttributes) -> bytes:
        return self._made(who, directory, name, ftype3.NF3REG, new=new).id

    def mkdir(self, who: Identity, directory: bytes, name: bytes, new: NewAttributes) -> bytes:
        node = self._made(who, directory, name, ftype3.NF3DIR, new=new)
        node.parent = self._nodes[directory]
        node.parent.add_links(1, now=self._clock())
        return node.id

    def symlink(
        self, who: Identity, directory: bytes, name: bytes, target: bytes, new: NewAttributes
    ) -> bytes:
        self._node(directory)
        if not target:
            raise refusal(errno.ENOENT)
        if len(target) > MAX_TARGET:
            raise refusal(errno.ENAMETOOLONG)
        return self._made(who, directory, name, ftype3.NF3LNK, new=new, target=target).id

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
        return self._made(who, directory, name, kind, new=new, device=device).id

    def link(self, who: Identity, file: bytes, directory: bytes, name: bytes) -> None:
        node, above = self._node(file), self._directory(who, directory)
        self._require_new(above, name)
        if self._protected_hardlinks:
            require_linkable(who, node.attributes)
        require(who, above.attributes, MAY_WRITE)
        if node.is_directory:
            raise refusal(errno.EPERM)
        if node.attributes.nlink >= self.features.link_max:
            raise refusal(errno.EMLINK)
        self._space.take(COST + len(name))
        above.names.put(name, node)
        node.add_links(1, now=self._touched(above))

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
        above = self._directory(who, directory)
        self._require_new(above, name)
        self._require_size(new)
        attributes = new_file(
            who, above.attributes, kind, new,
            now=self._clock(), fileid=self._count + 1, device=device, default=above.default,
        )  # fmt: skip
        if len(self._nodes) >= self._max_files:
            raise refusal(errno.ENOSPC)
        node = self._node_of(attributes, target)
        node.default = above.default if node.is_directory else ()
        self._space.take(_cost(node) + COST + len(name))
        self._count += 1
        self._resize(node, new)
        self._nodes[node.id] = node
        above.names.put(name, node)
        self._touched(above)
        return node

    def _node_of(self, attributes: Attributes, target: bytes = b"") -> FileNode:
        file = self._life + attributes.fileid.to_bytes(8, "big")
        if attributes.kind is not ftype3.NF3REG:
            size = BLOCK if attributes.kind is ftype3.NF3DIR else len(target)
            return FileNode(file, attributes._replace(size=size, used=size), target=target)
        return FileNode(file, attributes, data=SparseData(self._space))

    # Removing and renaming

    def remove(self, who: Identity, directory: bytes, name: bytes) -> None:
        self._remove(who, directory, name, as_directory=False)

    def rmdir(self, who: Identity, directory: bytes, name: bytes) -> None:
        self._remove(who, directory, name, as_directory=True)

    def _remove(self, who: Identity, directory: bytes, name: bytes, *, as_directory: bool) -> None:
        above = self._directory(who, directory)
        node = self._existing(above, name)
        require_removable(who, above.attributes, node.attributes, as_directory=as_directory)
        if node.names:
            raise refusal(errno.ENOTEMPTY)
        above.names.remove(name)
        self._space.give(COST + len(name))
        self._drop(node, self._touched(above))

    def rename(
        self, who: Identity, directory: bytes, name: bytes, to_directory: bytes, to_name: bytes
    ) -> None:
        self._node(to_directory)  # ESTALE comes before EACCES
        above, to_above = self._directory(who, directory), self._directory(who, to_directory)
        node, replaced = self._existing(above, name), self._found(to_above, to_name)
        if replaced is node:
            return
        require_rename(who, above, node, to_above=to_above, replaced=replaced)
        self._space.take(len(to_name) - len(name) if replaced is None else -COST - len(name))
        to_above.names.put(to_name, node)
        above.names.remove(name)
        now = self._touched(above, to_above)
        node.add_links(0, now=now)
        if node.is_directory:
            above.add_links(-1, now=now)
            to_above.add_links(1, now=now)
            node.parent = to_above
        if replaced:
            self._drop(replaced, now)

    def _drop(self, node: FileNode, now: int) -> None:
        """Remove one link of a file, and the file with its last link."""
        node.add_links(-1, now=now)
        if node.is_directory:
            above_of(node).add_links(-1, now=now)
        elif node.attributes.nlink:
            return
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

    def _directory(self, who: Identity, file: bytes, wanted: int = MAY_EXECUTE) -> FileNode:
        node = self._node(file)
        require_directory(who, node.attributes, wanted)
        return node

    def _found(self, directory: FileNode, name: bytes) -> FileNode | None:
        if len(name) > self.features.name_max:
            raise refusal(errno.ENAMETOOLONG)
        return directory.names.get(name)

    def _existing(self, directory: FileNode, name: bytes) -> FileNode:
        node = self._found(directory, name)
        if node is None:
            raise refusal(errno.ENOENT)
        return node

    def _require_new(self, directory: FileNode, name: bytes) -> None:
        if self._found(directory, name):
            raise refusal(errno.EEXIST)

    def _touched(self, *directories: FileNode) -> int:
        """Entries of these directories have changed; returns the time."""
        now = self._clock()
        for directory in directories:
            directory.attributes = directory.attributes._replace(mtime=now, ctime=now)
        return now


def _data(node: FileNode) -> SparseData:
    assert node.data is not None, "a regular file has data"
    return node.data


def _cost(node: FileNode) -> int:
    """Bytes charged for a file besides its data and its names."""
    return COST + len(node.target) + _acl_cost(node.attributes.acl, node.default)


def _acl_cost(*lists: Entries) -> int:
    return ENTRY_COST * sum(map(len, lists))
