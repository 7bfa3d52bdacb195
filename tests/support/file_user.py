"""A user of a file system, for tests: its methods are those of ``FileSystem``, settled."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

import pytest

from oncrpc.nfs.acls import Acls
from oncrpc.nfs.answers import settled
from oncrpc.nfs.filesystem import (
    Answer,
    Attributes,
    FileSystem,
    Identity,
    Listing,
    NewAttributes,
    SpaceInfo,
    Written,
)
from oncrpc.nfs.status import status_of
from oncrpc.programs.nfs3 import ftype3, nfsstat3, stable_how

R = TypeVar("R")
FOR_FILES, FOR_DIRECTORIES = NewAttributes(mode=0o644), NewAttributes(mode=0o755)
NONE = NewAttributes()


class FileUser:
    """Calls a file system as one identity, and waits for each answer.

    Methods that create return the id; ``new`` are the attributes to set, by name.
    """

    def __init__(self, files: FileSystem, who: Identity, *, runner: asyncio.Runner) -> None:
        self.files, self.who, self._runner = files, who, runner

    def like(self, who: Identity) -> FileUser:
        """Another user of the same file system."""
        return FileUser(self.files, who, runner=self._runner)

    def _wait(self, call: Callable[[], Answer[R]]) -> R:
        async def answered() -> R:
            return await settled(call())

        return self._runner.run(answered())

    def getattr(self, file: bytes) -> Attributes:
        return self._wait(lambda: self.files.getattr(self.who, file))

    def lookup(self, directory: bytes, name: bytes) -> bytes:
        return self._wait(lambda: self.files.lookup(self.who, directory, name))

    def parent(self, directory: bytes) -> bytes:
        return self._wait(lambda: self.files.parent(self.who, directory))

    def access(self, file: bytes) -> int:
        found = self.getattr(file)
        return self._wait(lambda: self.files.access(self.who, file, found))

    def readdir(
        self, directory: bytes, cookie: int = 0, count: int = 1000, *, plus: bool = False
    ) -> Listing:
        return self._wait(lambda: self.files.readdir(self.who, directory, cookie, count, plus=plus))

    def names(self, directory: bytes, *, count: int = 1000) -> list[bytes]:
        """All names but ``.`` and ``..``, in the order of the directory."""
        return [
            name for name in self.raw_names(directory, count=count) if name not in (b".", b"..")
        ]

    def raw_names(self, directory: bytes, *, count: int = 1000) -> list[bytes]:
        """All names, read ``count`` at a time."""
        found, cookie, eof = list[bytes](), 0, False
        while not eof:
            listing = self.readdir(directory, cookie, count)
            assert listing.entries or listing.eof, "nothing was listed, and it is not the end"
            found += [entry.name for entry in listing.entries]
            cookie, eof = listing.entries[-1].cookie if listing.entries else cookie, listing.eof
        return found

    def readlink(self, file: bytes) -> bytes:
        return self._wait(lambda: self.files.readlink(self.who, file))

    def read(self, file: bytes, offset: int = 0, count: int = 1 << 16) -> bytes:
        return self._wait(lambda: self.files.read(self.who, file, offset, count))

    def write(
        self,
        file: bytes,
        data: bytes,
        offset: int = 0,
        *,
        stable: stable_how = stable_how.FILE_SYNC,
    ) -> Written:
        return self._wait(lambda: self.files.write(self.who, file, offset, data, stable=stable))

    def commit(self, file: bytes, offset: int = 0, count: int = 0) -> None:
        self._wait(lambda: self.files.commit(self.who, file, offset, count))

    def setattr(self, file: bytes, new: NewAttributes) -> None:
        self._wait(lambda: self.files.setattr(self.who, file, new))

    def create(self, directory: bytes, name: bytes, new: NewAttributes = FOR_FILES) -> bytes:
        return self._wait(lambda: self.files.create(self.who, directory, name, new))

    def mkdir(self, directory: bytes, name: bytes, new: NewAttributes = FOR_DIRECTORIES) -> bytes:
        return self._wait(lambda: self.files.mkdir(self.who, directory, name, new))

    def symlink(
        self, directory: bytes, name: bytes, target: bytes, new: NewAttributes = NONE
    ) -> bytes:
        return self._wait(lambda: self.files.symlink(self.who, directory, name, target, new))

    def mknod(
        self,
        directory: bytes,
        name: bytes,
        kind: ftype3,
        new: NewAttributes = FOR_FILES,
        *,
        device: tuple[int, int] = (1, 3),
    ) -> bytes:
        return self._wait(
            lambda: self.files.mknod(self.who, directory, name, kind, device=device, new=new)
        )

    def remove(self, directory: bytes, name: bytes) -> None:
        self._wait(lambda: self.files.remove(self.who, directory, name))

    def rmdir(self, directory: bytes, name: bytes) -> None:
        self._wait(lambda: self.files.rmdir(self.who, directory, name))

    def rename(self, directory: bytes, name: bytes, to_directory: bytes, to_name: bytes) -> None:
        self._wait(lambda: self.files.rename(self.who, directory, name, to_directory, to_name))

    def link(self, file: bytes, directory: bytes, name: bytes) -> None:
        self._wait(lambda: self.files.link(self.who, file, directory, name))

    def get_acl(self, file: bytes) -> Acls:
        return self._wait(lambda: self.files.get_acl(self.who, file))

    def set_acl(self, file: bytes, new: Acls) -> None:
        self._wait(lambda: self.files.set_acl(self.who, file, new))

    def statfs(self, file: bytes) -> SpaceInfo:
        return self._wait(lambda: self.files.statfs(self.who, file))


@contextmanager
def refused(*expected: nfsstat3) -> Iterator[None]:
    """The block is refused with one of these outcomes."""
    with pytest.raises(OSError) as raised:  # noqa: PT011
        yield
    found = status_of(raised.value)
    assert found in expected, f"refused with {found!r}: {raised.value}"
