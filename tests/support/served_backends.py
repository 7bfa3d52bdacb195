"""Serves one directory tree of each back end over NFS, in a process of its own.

``python -m support.served_backends HOST FOLDER`` prints a line of JSON when all are served: for
each back end the port of NFS and MOUNT, and its features. Each is exported as ``/`` to all clients,
and root of a client is root. Files are below FOLDER. It serves until SIGTERM.
"""

from __future__ import annotations

import asyncio
import io
import json
import os
import sys
import tarfile
from collections.abc import Callable
from contextlib import AsyncExitStack
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from oncrpc import nfs
from oncrpc.nfs.backends.archive import ArchiveFileSystem
from oncrpc.nfs.backends.fsspec import FsspecFileSystem
from oncrpc.nfs.backends.fuse import PathOperationsFileSystem
from oncrpc.nfs.backends.local.chosen import table_objects
from oncrpc.nfs.backends.local.kernel_handles import NoKernelHandles
from oncrpc.nfs.backends.local.local import LocalFileSystem
from oncrpc.nfs.backends.memory import MemoryFileSystem
from oncrpc.nfs.backends.overlay import OverlayFileSystem
from oncrpc.nfs.filesystem import FileSystem
from support.fuse_examples import example_class
from support.memory_operations import MemoryOperations

OVERLAY = "overlay on an archive"
LOWER = {"old/file": b"packed\n", "old/below/file": b"below\n", "old/gone": b"gone\n"}
"""The files of the archive below the overlay."""

PACKAGED = {"below/hello": b"hello\n", "large": bytes(range(256)) * 8192}
"""The files of the object that is in an installed package."""

STORE_LIMIT = 1 << 30
"""Bytes of a file in a store: it is uploaded as a whole."""


def memory(_: Path) -> FileSystem:
    """Files in memory."""
    return MemoryFileSystem(max_bytes=1 << 30)


def table(folder: Path) -> FileSystem:
    """A directory of this host, with handles of a table."""
    top = folder / "top"
    top.mkdir(mode=0o755)
    why = NoKernelHandles(None, "not tried")
    objects = table_objects(str(top), str(folder / "handles"), why=why).objects
    return LocalFileSystem(str(top), objects=objects, sync=False)


def store(folder: Path) -> FileSystem:
    """A store of fsspec in memory."""
    return FsspecFileSystem("memory://served", table=folder / "rows", max_file_size=STORE_LIMIT)


def fuse_inodes(_: Path) -> FileSystem:
    """The object of pyfuse3, with inodes."""
    from oncrpc.nfs.backends.fuse import InodeOperationsFileSystem
    from support.memory_inodes import MemoryInodes

    return InodeOperationsFileSystem(MemoryInodes, max_references=50)


def fuse_paths(_: Path) -> FileSystem:
    """The object of a FUSE module with paths."""
    return PathOperationsFileSystem(MemoryOperations)


def overlay(folder: Path) -> FileSystem:
    """Directories with handles of a table, over an archive of the files ``LOWER``."""
    archive = folder / "lower.tar"
    with tarfile.open(archive, "w") as packed:
        for name, text in LOWER.items():
            member = tarfile.TarInfo(name)
            member.size = len(text)
            packed.addfile(member, io.BytesIO(text))
    upper = folder / "upper"
    upper.mkdir(mode=0o700)
    return OverlayFileSystem(ArchiveFileSystem(archive), table(upper), table=folder / "rows")


def passthrough(folder: Path) -> FileSystem:
    """The example of pyfuse3 that shows a directory of this host."""
    source = folder / "source"
    source.mkdir(mode=0o755)
    return of_inodes(example_class("passthroughfs", source=str(source)))


def example_tmpfs(_: Path) -> FileSystem:
    """The example of pyfuse3 that keeps files in SQLite."""
    return of_inodes(example_class("tmpfs"), max_file_size=64 << 20)


def installed_paths(folder: Path) -> FileSystem:
    """The object for fusepy in the package fsspec, over ``PACKAGED`` in a directory of this host.

    It runs on mfusepy, which has the names of fusepy.
    """
    sys.modules["fuse"] = pytest.importorskip("mfusepy", reason="not installed: mfusepy")
    from fsspec.fuse import FUSEr
    from fsspec.implementations.local import LocalFileSystem as LocalStore

    for name, content in PACKAGED.items():
        place = folder / name
        place.parent.mkdir(exist_ok=True)
        place.write_bytes(content)
    return PathOperationsFileSystem(FUSEr(LocalStore(), str(folder)))


def of_inodes(operations: partial[Any], **options: Any) -> FileSystem:
    """The back end for objects of pyfuse3."""
    pytest.importorskip("pyfuse3", reason="not installed: pyfuse3")
    from oncrpc.nfs.backends.fuse import InodeOperationsFileSystem

    return InodeOperationsFileSystem(operations, **options)


BACKENDS: dict[str, Callable[[Path], FileSystem]] = {
    "memory": memory,
    "local with a table": table,
    "fsspec memory://": store,
    "fuse paths": fuse_paths,
    "pyfuse3 inodes": fuse_inodes,
    OVERLAY: overlay,
    "pyfuse3 passthroughfs": passthrough,
    "pyfuse3 tmpfs": example_tmpfs,
}

INSTALLED = "fsspec.fuse"
SERVED = {**BACKENDS, INSTALLED: installed_paths}
"""All that are served. ``INSTALLED`` cannot write in the middle of a file."""


async def main(host: str, folder: str) -> None:
    """Serve all back ends until SIGTERM."""
    os.umask(0)
    served = {}
    async with AsyncExitStack() as stack:
        for number, (name, make) in enumerate(SERVED.items()):
            place = Path(folder, str(number))
            place.mkdir(mode=0o700)
            try:
                files = make(place)
            except pytest.skip.Exception:  # something is not installed
                continue
            server = await stack.enter_async_context(
                nfs.serve(files, host=host, clients=["*"], root_squash=False)
            )
            served[name] = {"port": server.port, "features": list(files.features)}
        print(json.dumps(served), flush=True)
        await server.wait()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
