"""Layers for tests of overlays: a lower one with files, and an upper one that can be killed."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from oncrpc.nfs.backends.memory import MemoryFileSystem
from oncrpc.nfs.backends.memory.filesystem import LIMITS
from oncrpc.nfs.backends.overlay import OverlayFileSystem
from oncrpc.nfs.filesystem import FileSystem, Identity, NewAttributes
from oncrpc.programs.nfs3 import ftype3
from support.file_user import FileUser

SUPER_USER = Identity(0, 0)
CHANGES = frozenset({
    "create", "link", "mkdir", "mknod", "remove", "rename", "rmdir", "setattr", "symlink", "write",
})  # fmt: skip
TIME = 1_600_000_000_000_000_000


class Killed(BaseException):
    """The server is killed."""


class MortalMemory(MemoryFileSystem):
    """A file system in memory that outlives its server, which can be killed at any change.

    ``left`` is the number of changes until then; it is killed before the last one, or ``after`` it.
    """

    left, after = 1 << 30, False

    def __init__(self) -> None:
        super().__init__(features=LIMITS._replace(stable_ids=True))

    def __getattribute__(self, name: str) -> Any:
        found = super().__getattribute__(name)
        return self._mortal(found) if name in CHANGES else found

    def _mortal(self, change: Callable[..., object]) -> Callable[..., object]:
        def changed(*arguments: object, **options: object) -> object:
            self.left -= 1
            if self.left == 0 and not self.after:
                raise Killed
            found = change(*arguments, **options)
            if self.left == 0:
                raise Killed
            return found

        return changed


class Seen(NamedTuple):
    """A file as a client sees it; ``mtime`` is 0 if it is that of the test, or of a directory."""

    kind: ftype3
    mode: int
    uid: int
    content: bytes
    mtime: int


class LayersInTest:
    """An overlay over a tree in memory, with a table on disk; it can be opened again.

    The lower layer has ``deep/dir/a``, ``deep/dir/b``, ``deep/link``, an empty directory ``empty``,
    and a pipe.
    """

    def __init__(self, folder: Path, runner: asyncio.Runner) -> None:
        folder.mkdir(exist_ok=True)
        self.runner, self._table = runner, folder / "table"
        self.lower, self.upper = MemoryFileSystem(), MortalMemory()
        below = self.user(self.lower)
        _fill(below)
        self.before = seen(below)
        self.me = self.open()

    def open(self) -> FileUser:
        """Start a server with the same layers."""
        files = OverlayFileSystem(self.lower, self.upper, table=self._table)
        self.me = self.user(files)
        return self.me

    def restart(self) -> FileUser:
        """Start another server after the former one."""
        self.close()
        self.upper.left = 1 << 30
        return self.open()

    def user(self, files: FileSystem) -> FileUser:
        """The super-user of a layer."""
        return FileUser(files, SUPER_USER, runner=self.runner)

    def find(self, path: str) -> bytes:
        """The id of a file in the overlay by its path."""
        return find(self.me, path)

    def seen(self) -> dict[str, Seen]:
        """All files of the overlay by path."""
        return seen(self.me)

    def close(self) -> None:
        """End the server."""
        self.me.files.close()


def find(me: FileUser, path: str) -> bytes:
    """The id of a file by its path."""
    file = me.files.root
    for name in path.split("/"):
        file = me.lookup(file, name.encode())
    return file


def seen(me: FileUser, directory: bytes = b"", path: str = "") -> dict[str, Seen]:
    """All files below a directory by path."""
    found, directory = dict[str, Seen](), directory or me.files.root
    for name in me.names(directory, count=3):
        file, below = me.lookup(directory, name), path + name.decode()
        attributes = me.getattr(file)
        content, mtime = b"", attributes.mtime if attributes.mtime <= TIME else 0
        if attributes.kind is ftype3.NF3REG:
            content = me.read(file)
        elif attributes.kind is ftype3.NF3LNK:
            content = me.readlink(file)
        elif attributes.kind is ftype3.NF3DIR:
            mtime = 0
            found |= seen(me, file, below + "/")
        found[below] = Seen(attributes.kind, attributes.mode, attributes.uid, content, mtime)
    return found


def _fill(me: FileUser) -> None:
    root = me.files.root
    deep = me.mkdir(root, b"deep", NewAttributes(mode=0o750, uid=7))
    directory = me.mkdir(deep, b"dir")
    for name in (b"a", b"b"):
        me.write(me.create(directory, name, NewAttributes(mode=0o640, uid=7)), b"text of " + name)
    me.symlink(deep, b"link", b"dir/a")
    me.mkdir(root, b"empty")
    me.mknod(root, b"pipe", ftype3.NF3FIFO, device=(0, 0))
    for path in ("deep/dir/a", "deep/dir/b", "deep/link", "pipe"):
        me.setattr(find(me, path), NewAttributes(mtime=TIME, atime=TIME))
