"""The measurements of ``nfs bench``, in a directory of their own."""

from __future__ import annotations

import os
import time
from array import array
from collections.abc import Callable, Iterator
from random import Random
from typing import NamedTuple

from oncrpc.nfs.client.blocking import SyncRemoteFileSystem
from oncrpc.nfs.client.results import FileHandle

BLOCK, SMALL = 1 << 20, 4096
"""Bytes of a sequential and of a random access."""

LISTED = 1000
"""Files in the directory that is listed."""

DATA_NAME, NEW_NAME = "data", "new"


class BenchResult(NamedTuple):
    """The result of one test.

    ``unit`` is what ``amount`` counts: bytes, calls, files or entries. ``times`` are the seconds of
    each call, empty for sequential tests. ``note`` says what the time includes.
    """

    name: str
    unit: str
    amount: int
    seconds: float
    times: array[float]
    note: str

    @property
    def rate(self) -> float:
        """The amount in a second."""
        return self.amount / self.seconds if self.seconds else 0.0

    def quantile(self, share: float) -> float | None:
        """The time within which this share of the calls ended."""
        if not self.times:
            return None
        ordered = sorted(self.times)
        return ordered[min(int(share * len(ordered)), len(ordered) - 1)]


class ScratchDirectory:
    """The directory with the files of a benchmark: ``open`` makes it, ``remove`` removes it."""

    def __init__(self, fs: SyncRemoteFileSystem, above: FileHandle) -> None:
        self.fs, self.above = fs, above
        self.name = f".nfs-bench-{os.urandom(4).hex()}"
        self.handle: FileHandle | None = None

    def open(self) -> FileHandle:
        """Create it; returns its handle."""
        self.fs.mkdir(self.above / self.name, 0o700)
        self.handle = self.fs.handle(self.above / self.name)
        return self.handle

    def remove(self) -> None:
        """Remove it and the files in it."""
        if self.handle is not None:
            for name in self.fs.listdir(self.handle):
                self.fs.unlink(self.handle / name)
            self.fs.rmdir(self.above / self.name)
            self.handle = None


class Benchmark:
    """Runs the tests in a directory.

    ``size`` is the bytes of the file for sequential tests, ``seconds`` the limit of each test.
    ``stopped`` returns True when the tests are to end, such as after Ctrl-C.
    """

    def __init__(
        self,
        fs: SyncRemoteFileSystem,
        directory: FileHandle,
        *,
        size: int,
        seconds: float,
        stopped: Callable[[], bool],
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        self.fs, self.directory = fs, directory
        self.size, self.seconds = size, seconds
        self.stopped, self.clock = stopped, clock
        self._random = Random(0)
        self._written = 0

    def tests(self) -> Iterator[tuple[str, Callable[[], BenchResult]]]:
        """The names of the tests, and functions that run them; to run in this order."""
        yield "write 1 MiB blocks", self.write_blocks
        if self._written >= SMALL:
            yield "read 1 MiB blocks", self.read_blocks
            yield "read 4 KiB at random", self.read_at_random
            yield "write 4 KiB at random", self.write_at_random
        yield "GETATTR", self.get_attributes
        yield "create and remove", self.create_and_remove
        yield "list a directory", self.list_directory

    def write_blocks(self) -> BenchResult:
        """Write the file from start to end; the time includes the COMMIT at the end."""
        block = os.urandom(BLOCK)
        started = self.clock()
        with self.fs.open(self.directory / DATA_NAME, "wb") as file:
            for length in self._blocks():
                self._written += file.write(block[:length])
                if self._is_over(started):
                    break
        note = "includes the COMMIT that stores all data"
        return self._sequential("write 1 MiB blocks", self._written, started, note)

    def read_blocks(self) -> BenchResult:
        """Read the file from start to end."""
        done, started = 0, self.clock()
        with self.fs.open(self.directory / DATA_NAME) as file:
            while data := file.read(BLOCK):
                done += len(data)
                if self._is_over(started):
                    break
        return self._sequential("read 1 MiB blocks", done, started, CACHED)

    def read_at_random(self) -> BenchResult:
        """Read small pieces of the file."""
        buffer = bytearray(SMALL)
        with self.fs.open(self.directory / DATA_NAME) as file:
            return self._repeated(
                "read 4 KiB at random", lambda: file.preadinto(buffer, self._place()), CACHED
            )

    def write_at_random(self) -> BenchResult:
        """Write small pieces of the file; each is stored before the next."""
        piece = os.urandom(SMALL)
        with self.fs.open(self.directory / DATA_NAME, "r+b") as file:

            def write() -> None:
                file.pwrite(piece, self._place())
                file.flush()

            return self._repeated("write 4 KiB at random", write, "WRITE and COMMIT each")

    def get_attributes(self) -> BenchResult:
        """Ask for the attributes of the directory."""
        return self._repeated("GETATTR", lambda: self.fs.stat(self.directory), "")

    def create_and_remove(self) -> BenchResult:
        """Create an empty file and remove it."""

        def make() -> None:
            self.fs.open(self.directory / NEW_NAME, "wb").close()
            self.fs.unlink(self.directory / NEW_NAME)

        return self._repeated("create and remove", make, "LOOKUP, CREATE and REMOVE", unit="files")

    def list_directory(self) -> BenchResult:
        """List a directory with many files, with their attributes."""
        started = self.clock()
        for number in range(LISTED):
            self.fs.open(self.directory / f"{number:04}", "wb").close()
            if self._is_over(started):
                break
        done, started = 0, self.clock()
        while not done or not self._is_over(started):
            done += sum(1 for _ in self.fs.scandir(self.directory))
        note = f"READDIRPLUS, {len(self.fs.listdir(self.directory))} files"
        return BenchResult(
            "list a directory", "entries", done, self.clock() - started, array("d"), note
        )

    def _blocks(self) -> Iterator[int]:
        """The sizes of the blocks of the file."""
        yield from (BLOCK for _ in range(self.size // BLOCK))
        if self.size % BLOCK:
            yield self.size % BLOCK

    def _place(self) -> int:
        """The offset of a small piece of the file."""
        return self._random.randrange(self._written // SMALL) * SMALL

    def _is_over(self, started: float) -> bool:
        return self.stopped() or self.clock() - started >= self.seconds

    def _sequential(self, name: str, done: int, started: float, note: str) -> BenchResult:
        return BenchResult(name, "bytes", done, self.clock() - started, array("d"), note)

    def _repeated(
        self, name: str, call: Callable[[], object], note: str, *, unit: str = "calls"
    ) -> BenchResult:
        """Repeat a call for the seconds of a test, at least once."""
        times, started = array("d"), self.clock()
        at = started
        while not times or not self._is_over(started):
            call()
            now = self.clock()
            times.append(now - at)
            at = now
        return BenchResult(name, unit, len(times), at - started, times, note)


CACHED = "may come from the cache of the server"
