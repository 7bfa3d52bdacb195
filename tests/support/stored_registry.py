"""A registry stored in files, on a fake disk that can be full; checks of the files."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from oncrpc.daemon.state.journal import JOURNAL, SNAPSHOT, Store
from oncrpc.daemon.state.records import TableOperation
from oncrpc.portmap.registry import Registry, key_of
from oncrpc.portmap.store import FORM, StoreWriter
from oncrpc.programs.rpcb import rpcb
from oncrpc.testing import ManualClock
from support.callers import registered

BOOT, LAST_BOOT = b"this boot", b"the last boot"
FIRST = registered(400001, 1)
SECOND = registered(400002, 1, "udp", "0.0.0.0.8.2", "103")
THIRD = registered(400003, 1, "local", "/run/three", "unknown")
HISTORY: list[tuple[TableOperation, list[rpcb]]] = [
    (TableOperation.SET, [FIRST]),
    (TableOperation.SET, [SECOND]),
    (TableOperation.UNSET, [FIRST]),
    (TableOperation.SET, [THIRD]),
    (TableOperation.SET, [FIRST]),
    (TableOperation.UNSET, [SECOND]),
]


class Disk:
    """A fake write(2): a disk with limited room."""

    def __init__(self, room: int | None = None) -> None:
        self.room = room

    def write(self, descriptor: int, data: bytes) -> int:
        if self.room is None:
            return os.write(descriptor, data)
        if self.room == 0:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        taken = data[: self.room]
        self.room -= len(taken)
        return os.write(descriptor, taken)


class Kept:
    """A registry that is kept in a directory, and the disk below."""

    def __init__(self, path: str, boot: bytes = BOOT) -> None:
        self.writer = StoreWriter()
        self.registry, self.disk, self.clock = Registry([self.writer]), Disk(), ManualClock()
        self.store = Store(
            path,
            lambda: iter(self.registry),
            form=FORM,
            key=key_of,
            boot=boot,
            write=self.disk.write,
            clock=self.clock,
        )

    def start(self) -> list[rpcb] | None:
        """Load and start the store as the daemon does."""
        found = self.store.load()
        for entry in found or ():
            assert self.registry.set(entry)
        self.store.begin()
        self.writer.begin(self.store)
        return found


@contextmanager
def kept(path: Path, boot: bytes = BOOT) -> Iterator[Kept]:
    """A registry restored from the directory; it ends like a killed daemon's."""
    path.chmod(0o700)
    made = Kept(str(path), boot)
    made.start()
    try:
        yield made
    finally:
        made.store.close()


def found(path: Path, boot: bytes = BOOT) -> list[rpcb] | None:
    """The registrations that a start would restore."""
    path.chmod(0o700)
    made = Kept(str(path), boot)
    try:
        return made.store.load()
    finally:
        made.store.close()


def after(count: int) -> list[rpcb]:
    """The registrations after that many changes of the history."""
    table: dict[int, rpcb] = {}
    for operation, entries in HISTORY[:count]:
        for entry in entries:
            table.pop(entry.r_prog, None)
            if operation is TableOperation.SET:
                table[entry.r_prog] = entry
    return list(table.values())


def make_history(registry: Registry) -> None:
    """Make the changes of the history."""
    for operation, entries in HISTORY:
        for entry in entries:
            if operation is TableOperation.SET:
                assert registry.set(entry)
            else:
                assert registry.drop(entry)


PREFIXES = [after(count) for count in range(len(HISTORY) + 1)]


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> tuple[bytes, bytes]:
    """A snapshot of the third change, and a journal of the others."""
    path = tmp_path_factory.mktemp("written")
    with kept(path) as made:
        for _, entries in HISTORY[:2]:
            assert made.registry.set(entries[0])
        assert made.registry.drop(FIRST)
        made.store.begin()
        for operation, entries in HISTORY[3:]:
            if operation is TableOperation.SET:
                assert made.registry.set(entries[0])
            else:
                assert made.registry.drop(entries[0])
    return (path / SNAPSHOT).read_bytes(), (path / JOURNAL).read_bytes()


def put(path: Path, snapshot: bytes | None, journal: bytes | None) -> None:
    """Write the files that a daemon finds at its start."""
    for name, data in ((SNAPSHOT, snapshot), (JOURNAL, journal)):
        (path / name).unlink(missing_ok=True)
        (path / (name + ".corrupt")).unlink(missing_ok=True)
        if data is not None:
            (path / name).write_bytes(data)
            (path / name).chmod(0o600)
