"""A store of fsspec, called in threads, with a short cache of attributes and listings."""

from __future__ import annotations

import asyncio
import errno
import logging
import os
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import datetime
from functools import partial
from glob import has_magic
from typing import IO, Any, TypeVar

from fsspec.implementations.local import LocalFileSystem
from fsspec.spec import AbstractFileSystem

from oncrpc.daemon.config.values import without_passwords
from oncrpc.nfs.posix import refusal

log = logging.getLogger("oncrpc.nfs")

R = TypeVar("R")
THREADS = 8
KEEP = 1.0
"""Seconds for which attributes and listings are cached. Own changes empty the cache."""

MAX_KEPT_PATHS = 10_000
"""Paths in each cache of a store (attributes, listings); then the cache is emptied."""

TIMES = ("mtime", "LastModified", "last_modified", "modified", "updated", "created")
"""The keys for the time of the last change, in different kinds of stores."""

COPIED = 1 << 20
"""Bytes that are copied at a time."""

CLASSES = (
    FileNotFoundError,
    FileExistsError,
    PermissionError,
    IsADirectoryError,
    NotADirectoryError,
)
"""Classes of ``OSError`` that say what is wrong when there is no number."""

SECOND = 1_000_000_000
Info = dict[str, Any]


class RemoteStore:
    """The files below ``root``, a path in the store. Paths are bytes, relative to the root.

    Symbolic links of a store are not followed, since they could lead out of it. They are not
    listed. Special files are not listed either: reading one could block for ever.

    ``_infos`` and ``_listings`` cache the answers of the store by path, for ``KEEP`` seconds. A
    change by this server removes the paths that it affects (``forget``). ``_fails``: the last call
    has failed, and the log says so.
    """

    def __init__(
        self, files: AbstractFileSystem, root: str, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._files, self._root, self._clock = files, root.rstrip("/"), clock
        self._threads = ThreadPoolExecutor(THREADS, "nfs-fsspec")
        self._name = without_passwords(self._root) or type(files).__name__
        self._fails = False
        self._infos: dict[bytes, tuple[float, Info | None]] = {}
        self._listings: dict[bytes, tuple[float, dict[bytes, Info]]] = {}

    async def run(self, job: Callable[..., R], *arguments: Any, **options: Any) -> R:
        """Run a method of fsspec in a thread.

        Raises:
            OSError: the call failed. An error without an ``errno`` becomes EIO.
        """
        wanted = partial(job, *arguments, **options)
        running = asyncio.get_running_loop().run_in_executor(self._threads, wanted)
        await asyncio.wait([running])
        failed = running.exception()
        if failed is None or has_errno(failed):
            self._tell(None)
            return running.result()
        if not is_of_store(failed):
            raise failed
        self._tell(failed)
        raise refusal(errno.EIO) from failed

    def _tell(self, failed: BaseException | None) -> None:
        """Log when the store begins to fail, and when it works again."""
        if failed is not None and not self._fails:
            reason = without_passwords(str(failed) or type(failed).__name__).splitlines()[0]
            log.warning("%s: the store fails: %s", self._name, reason)
        elif failed is None and self._fails:
            log.warning("%s: the store works again", self._name)
        self._fails = failed is not None

    def place(self, path: bytes) -> str:
        """The path in the store."""
        return f"{self._root}/{os.fsdecode(path)}" if path else self._root or "/"

    async def info(self, path: bytes) -> Info | None:
        """The attributes of a file in the store; None if it does not exist.

        Raises:
            OSError: EACCES: it is neither a file nor a directory.
        """
        kept = self._infos.get(path)
        if kept is not None and self._clock() - kept[0] < KEEP:
            return kept[1]
        found = await self.run(_info_of, self._files, self.place(path))
        self._keep(self._infos, path, found)
        return found

    async def list(self, path: bytes) -> dict[bytes, Info]:
        """The attributes of each file of a directory, by name."""
        kept = self._listings.get(path)
        if kept is not None and self._clock() - kept[0] < KEEP:
            return kept[1]
        try:
            listed = await self.run(self._files.ls, self.place(path), detail=True, refresh=True)
        except FileNotFoundError:
            listed = []
        found = dict[bytes, Info]()
        for info in listed:
            name = os.fsencode(str(info["name"]).rstrip("/").rpartition("/")[2])
            if name and name not in (b".", b"..") and b"\0" not in name and _is_served(info):
                found[name] = info
        self._keep(self._listings, path, found)
        for name, info in found.items():
            self._keep(self._infos, path + b"/" + name if path else name, info)
        return found

    def forget(self, *paths: bytes) -> None:
        """Remove these files, and the directories above them, from the caches."""
        for path in paths:
            self._infos.pop(path, None)
            self._listings.pop(path, None)
            self._listings.pop(path.rpartition(b"/")[0], None)
        self._files.invalidate_cache()

    def forget_all(self) -> None:
        """Empty the caches."""
        self._infos.clear()
        self._listings.clear()
        self._files.invalidate_cache()

    async def read(self, path: bytes, offset: int, count: int) -> bytes:
        """Read a range of a file."""
        place = self.place(path)
        return await self.run(self._files.cat_file, place, start=offset, end=offset + count)

    async def download(self, path: bytes, target: IO[bytes]) -> None:
        """Copy a file of the store into a local one."""

        def copied() -> None:
            with self._files.open(self.place(path), "rb") as source:
                while data := source.read(COPIED):
                    target.write(data)
            target.flush()

        await self.run(copied)

    async def upload(self, path: bytes, descriptor: int) -> None:
        """Copy a local file into the store, in place of what it has there."""

        def copied() -> None:
            at = 0
            with self._files.open(self.place(path), "wb") as target:
                while data := os.pread(descriptor, COPIED, at):
                    target.write(data)
                    at += len(data)

        await self.run(copied)
        self.forget(path)

    async def make_directory(self, path: bytes) -> None:
        """Create a directory. An object store may ignore it until it has an entry."""
        await self.run(self._files.mkdir, self.place(path), create_parents=False)
        self.forget(path)

    async def remove(self, path: bytes) -> None:
        """Remove a file."""
        await self.run(self._files.rm_file, self.place(path))
        self.forget(path)

    async def remove_directory(self, path: bytes) -> None:
        """Remove an empty directory, if it exists."""
        with suppress(FileNotFoundError):
            await self.run(self._files.rmdir, self.place(path))
        self.forget(path)

    async def move(self, path: bytes, to: bytes, *, directory: bool) -> None:
        """Rename a file or directory; the new name must not exist."""
        source, target = self.place(path), self.place(to)
        # ``mv`` of the base class fails for a directory that is not itself an object.
        copies = directory and type(self._files).mv is AbstractFileSystem.mv
        if (copies or has_magic(source)) and not isinstance(self._files, LocalFileSystem):
            await self.run(_move_literally, self._files, source, target, directory=directory)
        else:
            await self.run(self._files.mv, source, target, recursive=directory)
        self.forget_all()

    def close(self) -> None:
        """End the threads."""
        self._threads.shutdown()

    def _keep(self, kept: dict[bytes, tuple[float, Any]], path: bytes, found: object) -> None:
        if len(kept) >= MAX_KEPT_PATHS:
            kept.clear()
        kept[path] = (self._clock(), found)


def is_directory(info: Info) -> bool:
    """Whether this is a directory."""
    return bool(info["type"] == "directory")


def changed_at(info: Info) -> int | None:
    """The time of the last change in nanoseconds since 1970, if the store knows it."""
    for name in TIMES:
        found = info.get(name)
        if isinstance(found, datetime):
            return int(found.timestamp() * SECOND)
        if isinstance(found, int | float):
            return int(found * SECOND)
    return None


def _is_served(info: Info) -> bool:
    """True for a file and a directory, False for a symbolic link and a special file."""
    return info["type"] in ("file", "directory") and not info.get("islink")


def _info_of(files: AbstractFileSystem, place: str) -> Info | None:
    files.invalidate_cache(place)  # else listings that fsspec keeps hide the changes of others
    try:
        found: Info = files.info(place)
    except FileNotFoundError:
        if isinstance(files, LocalFileSystem) and os.path.islink(place):  # it leads nowhere
            raise refusal(errno.EACCES) from None
        return None
    if not _is_served(found):
        raise refusal(errno.EACCES)
    return found


def _move_literally(
    files: AbstractFileSystem, source: str, target: str, *, directory: bool
) -> None:
    """Move a file or directory, file by file, also with ``*``, ``?`` or ``[`` in its path.

    ``mv`` of most stores takes such a path for a pattern, and moves all files that match.
    """
    found: dict[str, Info] = {source: {"type": "file"}}
    if directory:
        found |= files.find(source, withdirs=True, detail=True)
        found[source] = {"type": "directory"}
    for path, info in sorted(found.items()):
        to = target + path[len(source) :]
        if is_directory(info):
            files.makedirs(to, exist_ok=True)
        else:
            files.cp_file(path, to)
    for path, info in sorted(found.items(), reverse=True):
        if is_directory(info):
            with suppress(OSError):  # a store of objects has none
                files.rmdir(path)
        else:
            files.rm_file(path)


def has_errno(failed: BaseException) -> bool:
    """Whether an error has an errno, or is of a subclass of ``OSError`` that has one."""
    return isinstance(failed, OSError) and (failed.errno is not None or type(failed) in CLASSES)


def is_of_store(failed: BaseException) -> bool:
    """Whether an error comes from the store, and is not a mistake in this program.

    Each store has exceptions of its own, often outside of ``OSError``: those of botocore are.
    """
    if not isinstance(failed, Exception):
        return False
    known = isinstance(failed, OSError | ValueError | RuntimeError)
    return known or type(failed).__module__ != "builtins"
