"""Commands of ``nfs``, run in this process for a server in a thread."""

from __future__ import annotations

import io
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stderr
from typing import NamedTuple

from oncrpc import nfs
from oncrpc.cli.nfs import main
from oncrpc.nfs.filesystem import FileSystem
from support.remote_files import served_in_thread

Fill = Callable[[nfs.SyncRemoteFileSystem], None]


class CommandOutcome(NamedTuple):
    """The exit status of a command, and what it wrote."""

    status: int
    data: bytes
    err: str

    @property
    def out(self) -> str:
        """Standard output as text."""
        return self.data.decode()

    @property
    def lines(self) -> list[str]:
        """The lines of standard output."""
        return self.out.splitlines()


class FakeTerminal(io.TextIOWrapper):
    """A standard output or error that may be a terminal."""

    def __init__(self, *, terminal: bool) -> None:
        super().__init__(io.BytesIO(), encoding="utf-8", errors="surrogateescape", newline="\n")
        self.terminal = terminal

    def isatty(self) -> bool:
        return self.terminal

    def written(self) -> bytes:
        """All bytes."""
        self.flush()
        buffer = self.buffer
        assert isinstance(buffer, io.BytesIO)
        return buffer.getvalue()


def run_nfs(*words: str, terminal: bool = False) -> CommandOutcome:
    """Run ``nfs`` with these words; standard output is a terminal or not."""
    out, err = FakeTerminal(terminal=terminal), FakeTerminal(terminal=False)
    real = sys.stdout
    sys.stdout = out
    try:
        with redirect_stderr(err):
            status = main(words)
    finally:
        sys.stdout = real
    return CommandOutcome(status, out.written(), err.written().decode())


class ServedTree:
    """A served file system: the URLs of its files, and commands that take paths for URLs."""

    def __init__(self, url: str) -> None:
        self.base, _, query = url.partition("?")
        self.base, self.query = self.base.rstrip("/"), f"?{query}"

    def url(self, path: str = "/") -> str:
        """The URL of a file; ``path`` is escaped already."""
        return self.base + path + self.query

    def run(self, line: str, *paths: str, terminal: bool = False) -> CommandOutcome:
        """Run a command with options, for these paths."""
        return run_nfs(*line.split(), *map(self.url, paths), terminal=terminal)


@contextmanager
def served_tree(
    fill: Fill | None = None, backend: FileSystem | None = None
) -> Iterator[ServedTree]:
    """Serve a file system, by default in memory, that ``fill`` has filled as a client."""
    with served_in_thread(backend) as url:
        if fill is not None:
            with nfs.sync_connect(url) as fs:
                fill(fs)
        yield ServedTree(url)
