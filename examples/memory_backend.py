"""A back end to copy: files in memory, served over NFS. Run: python examples/memory_backend.py"""

import asyncio
import errno
import time
from dataclasses import dataclass, field
from itertools import count as numbers

from oncrpc import nfs
from oncrpc.nfs import MAY_EXECUTE, MAY_READ, MAY_WRITE, Attributes, Identity, NewAttributes, posix
from oncrpc.programs.nfs3 import ftype3, stable_how

CHANGE, REG, DIR = MAY_WRITE | MAY_EXECUTE, ftype3.NF3REG, ftype3.NF3DIR
SPACE, OF_FILE = 64 << 20, 1024  # bytes in all, and what a file costs besides its data


@dataclass
class Node:
    """A file with its data, or a directory: each name has a cookie and an id."""

    attributes: Attributes
    parent: bytes
    data: bytearray = field(default_factory=bytearray)
    names: dict[bytes, tuple[int, bytes]] = field(default_factory=dict)


class MemoryBackend(nfs.FileSystem):
    """Files and directories. No id and no cookie is used twice."""

    def __init__(self) -> None:
        self.root, self.fileids, self.cookies, self.used = b"1", numbers(2), numbers(1), 0
        self.nodes = {b"1": Node(Attributes(DIR, 0o1777, mtime=time.time_ns()), b"1")}

    def node(self, file: bytes) -> Node:
        if file not in self.nodes:
            raise posix.refusal(errno.ESTALE)
        return self.nodes[file]

    def directory(self, who: Identity, file: bytes, wanted: int = MAY_EXECUTE) -> Node:
        posix.require_directory(who, self.node(file).attributes, wanted)
        return self.nodes[file]

    def take(self, more: int) -> None:
        if self.used + more > SPACE:
            raise posix.refusal(errno.ENOSPC)
        self.used += more

    def resize(self, node: Node, size: int) -> None:
        self.take(size - len(node.data))
        node.data[size:] = bytes(max(size - len(node.data), 0))

    def put(self, directory: bytes, name: bytes, entry: tuple[int, bytes] | None) -> None:
        node, now = self.nodes[directory], time.time_ns()
        node.names.pop(name, None) if entry is None else node.names.update({name: entry})
        node.attributes = node.attributes._replace(mtime=now, ctime=now)

    def getattr(self, who: Identity, file: bytes) -> Attributes:
        return self.node(file).attributes

    def lookup(self, who: Identity, directory: bytes, name: bytes) -> bytes:
        if name not in self.directory(who, directory).names:
            raise posix.refusal(errno.ENOENT)
        return self.nodes[directory].names[name][1]

    def parent(self, who: Identity, directory: bytes) -> bytes:
        return self.directory(who, directory).parent

    def readdir(
        self, who: Identity, directory: bytes, cookie: int, count: int, *, plus: bool
    ) -> nfs.Listing:
        names = self.directory(who, directory, MAY_READ).names
        left = sorted((at, name, file) for name, (at, file) in names.items() if at > cookie)
        entries = [nfs.DirEntry(name, int(file), at, file) for at, name, file in left[:count]]
        return nfs.Listing(entries, eof=len(left) <= count)

    def read(self, who: Identity, file: bytes, offset: int, count: int) -> bytes:
        posix.require_data(who, self.node(file).attributes, MAY_READ)
        return bytes(self.nodes[file].data[offset : offset + count])

    def write(
        self, who: Identity, file: bytes, offset: int, data: bytes, *, stable: stable_how
    ) -> nfs.Written:
        node, now, end = self.node(file), time.time_ns(), offset + len(data)
        posix.require_data(who, node.attributes, MAY_WRITE)
        self.resize(node, max(len(node.data), end))
        node.data[offset:end] = data
        node.attributes = posix.after_write(who, node.attributes, now=now, size=len(node.data))
        return nfs.Written(len(data), stable_how.FILE_SYNC)

    def setattr(self, who: Identity, file: bytes, new: NewAttributes) -> None:
        node = self.node(file)
        posix.require_change(who, node.attributes, new)
        self.resize(node, len(node.data) if new.size is None else new.size)
        node.attributes = posix.changed(who, node.attributes, new, now=time.time_ns())

    def create(
        self, who: Identity, directory: bytes, name: bytes, new: NewAttributes, kind: ftype3 = REG
    ) -> bytes:
        into, file = self.directory(who, directory), b"%d" % next(self.fileids)
        if name in into.names:
            raise posix.refusal(errno.EEXIST)
        made = posix.new_file(who, into.attributes, kind, new, now=time.time_ns(), fileid=int(file))
        self.take(OF_FILE + made.size)
        # A count of 1 says that the directories below are not counted.
        self.nodes[file] = Node(made._replace(nlink=1), directory, bytearray(made.size))
        self.put(directory, name, (next(self.cookies), file))
        return file

    def mkdir(self, who: Identity, directory: bytes, name: bytes, new: NewAttributes) -> bytes:
        return self.create(who, directory, name, new, DIR)

    def remove(self, who: Identity, directory: bytes, name: bytes, kind: ftype3 = REG) -> None:
        file, above = self.lookup(who, directory, name), self.nodes[directory].attributes
        node = self.nodes[file]
        posix.require_removable(who, above, node.attributes, as_directory=kind is DIR)
        if node.names:
            raise posix.refusal(errno.ENOTEMPTY)
        self.put(directory, name, None)
        self.take(-OF_FILE - len(self.nodes.pop(file).data))

    def rmdir(self, who: Identity, directory: bytes, name: bytes) -> None:
        self.remove(who, directory, name, DIR)

    def rename(
        self, who: Identity, directory: bytes, name: bytes, to_directory: bytes, to_name: bytes
    ) -> None:
        to, file = self.directory(who, to_directory, CHANGE), self.lookup(who, directory, name)
        above, moved = self.nodes[directory].attributes, self.nodes[file].attributes
        posix.require_removable(who, above, moved, as_directory=moved.kind is DIR)
        inner = to_directory
        while inner not in (file, self.root):
            inner = self.nodes[inner].parent
        if inner == file:  # a directory does not go below itself
            raise posix.refusal(errno.EINVAL)
        cookie, replaced = to.names.get(to_name) or (next(self.cookies), file)
        if replaced != file:
            self.remove(who, to_directory, to_name, moved.kind)
        self.put(directory, name, None)
        self.put(to_directory, to_name, (cookie, file))
        self.nodes[file].parent = to_directory

    def statfs(self, who: Identity, file: bytes) -> nfs.SpaceInfo:
        free, files = SPACE - self.used, (SPACE - self.used) // OF_FILE
        return nfs.SpaceInfo(SPACE, free, free, SPACE // OF_FILE, files, files)


async def main() -> None:
    """Serve until Ctrl-C or SIGTERM."""
    async with nfs.serve(MemoryBackend()) as server:
        print(server.mount_command, server.url, sep="\n", flush=True)
        await server.wait()


if __name__ == "__main__":
    asyncio.run(main())
