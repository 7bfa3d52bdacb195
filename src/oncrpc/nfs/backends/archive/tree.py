"""The directory tree of an archive, as unpacking it would create it.

A later member with the same path replaces an earlier one. Missing directories are added. Members
that cannot be unpacked safely are left out, and counted: a path with ``..``, a name that is too
long, a hard link to a missing member, a path below a file.
"""

from __future__ import annotations

from collections.abc import Iterable

from oncrpc.nfs.backends.archive.members import ArchiveError, ArchiveMember, MemberContent
from oncrpc.nfs.filesystem import Attributes
from oncrpc.programs.nfs3 import ftype3

MAX_FILES = 1_000_000
"""Files of one archive, including directories."""

MAX_PATH = 4096
"""Bytes of a member's path; a longer one is left out."""

MAX_NAME = 255
"""Bytes of a name in an archive, as on disks of Linux; a member with a longer one is left out."""

DIRECTORY_MODE = 0o755
LONGEST = (1 << 63) - 1
LAST_TIME = ((1 << 32) - 1) * 1_000_000_000
"""Nanoseconds: NFS has 32 bits for seconds."""


class ArchiveNode:
    """A file or directory. ``names`` are the entries of a directory, ``order`` their names."""

    __slots__ = ("above", "attributes", "content", "names", "number", "order", "target")

    def __init__(self, number: int, attributes: Attributes, above: ArchiveNode | None) -> None:
        self.number, self.attributes = number, attributes
        self.above: ArchiveNode = above or self
        self.names: dict[bytes, ArchiveNode] = {}
        self.order: list[bytes] = []
        self.content: MemberContent | None = None
        self.target = b""

    @property
    def is_directory(self) -> bool:
        """Whether this is a directory."""
        return self.attributes.kind is ftype3.NF3DIR


class ArchiveTree:
    """The tree. ``nodes`` has each file at its number, ``left_out`` is a number of members."""

    def __init__(
        self, members: Iterable[ArchiveMember], *, mtime: int, max_files: int = MAX_FILES
    ) -> None:
        self.nodes: list[ArchiveNode] = []
        self.left_out = 0
        self._max_files, self._mtime = max_files, mtime
        self.root = self._new(self._directory_attributes(), None)
        for member in members:
            if not self._add(member):
                self.left_out += 1
        for node in self.nodes:
            self._finish(node)

    def _new(self, attributes: Attributes, above: ArchiveNode | None) -> ArchiveNode:
        number = len(self.nodes)
        if number >= self._max_files:
            raise ArchiveError(f"the archive has more than {self._max_files} files")
        node = ArchiveNode(number, attributes._replace(fileid=number + 1), above)
        self.nodes.append(node)
        return node

    def _directory_attributes(self) -> Attributes:
        time = self._mtime
        return Attributes(ftype3.NF3DIR, DIRECTORY_MODE, 2, atime=time, mtime=time, ctime=time)

    def _add(self, member: ArchiveMember) -> bool:
        """Add a member; False if it is left out."""
        parts = parts_of(member.path)
        if parts is None:
            return False
        if not parts:  # the root itself
            return self._describe(self.root, member)
        directory = self._directory(parts[:-1])
        if directory is None:
            return False
        if member.same_as is not None:
            return self._link(directory, parts[-1], member.same_as)
        known = directory.names.get(parts[-1])
        if member.kind is ftype3.NF3DIR and known is not None:
            return self._describe(known, member)
        if known is not None and known.is_directory:
            return False
        self._replace(directory, parts[-1], self._new(_attributes(member), directory), member)
        return True

    def _replace(
        self, directory: ArchiveNode, name: bytes, node: ArchiveNode, member: ArchiveMember
    ) -> None:
        node.content, node.target = member.content, member.target
        self._unname(directory, name)
        directory.names[name] = node

    def _unname(self, directory: ArchiveNode, name: bytes) -> None:
        """Decrement the link count of the file with this name, if there is one."""
        old = directory.names.get(name)
        if old is not None:
            old.attributes = old.attributes._replace(nlink=old.attributes.nlink - 1)

    def _describe(self, node: ArchiveNode, member: ArchiveMember) -> bool:
        """Set the attributes of a known directory from its member; False if one is no directory."""
        if not node.is_directory or member.kind is not ftype3.NF3DIR:
            return False
        node.attributes = _attributes(member)._replace(fileid=node.attributes.fileid)
        return True

    def _link(self, directory: ArchiveNode, name: bytes, path: bytes) -> bool:
        """Add a hard link to an earlier member; False if it is left out."""
        parts, node = parts_of(path), self.root
        for part in parts or ():
            found = node.names.get(part)
            if found is None:
                return False
            node = found
        known = directory.names.get(name)
        if node.is_directory or (known is not None and known.is_directory):
            return False
        if known is not node:
            self._unname(directory, name)
            node.attributes = node.attributes._replace(nlink=node.attributes.nlink + 1)
            directory.names[name] = node
        return True

    def _directory(self, parts: list[bytes]) -> ArchiveNode | None:
        """The directory of a path, created if it is missing; None if a part is a file."""
        node = self.root
        for part in parts:
            found = node.names.get(part)
            if found is None:
                found = node.names[part] = self._new(self._directory_attributes(), node)
            if not found.is_directory:
                return None
            node = found
        return node

    def _finish(self, node: ArchiveNode) -> None:
        if node.is_directory:
            below = sum(child.is_directory for child in node.names.values())
            node.attributes = node.attributes._replace(nlink=2 + below)
            node.order = list(node.names)


def parts_of(path: bytes) -> list[bytes] | None:
    """The names of a path below the root; None if it leads out of the root, or is invalid."""
    parts = [part for part in path.split(b"/") if part not in (b"", b".")]
    if len(path) > MAX_PATH or b"\0" in path or b".." in parts:
        return None
    return None if any(len(part) > MAX_NAME for part in parts) else parts


def _attributes(member: ArchiveMember) -> Attributes:
    """The attributes; numbers of the archive that NFS cannot hold are replaced."""
    used = member.content.used if member.content is not None else 0
    time = min(max(0, member.mtime), LAST_TIME)
    return Attributes(
        member.kind, member.mode, uid=_number(member.uid), gid=_number(member.gid),
        size=min(member.size, LONGEST), used=min(used, LONGEST),
        device=(_number(member.device[0]), _number(member.device[1])),
        atime=time, mtime=time, ctime=time,
    )  # fmt: skip


def _number(value: int) -> int:
    return value if 0 <= value < 1 << 32 else 0
