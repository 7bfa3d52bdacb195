"""Standard output of the commands of ``nfs``, and their lines of errors."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from oncrpc.cli.command import complain
from oncrpc.cli.nfs.names import plain
from oncrpc.cli.nfs.progress import ProgressLine
from oncrpc.errors import CallTimeout, OncRpcError, PortMapperUnreachable, TransportError

MANY = 10
"""Errors from which on their number is printed at the end."""

WITHOUT_MAPPER = "the port mapper; if there is none, add ?nfsport=PORT&mountport=PORT to the URL"
SERVER_ERRORS = (OSError, OncRpcError)
"""What the client raises for a file, or if the server cannot be reached or used."""

LOST = (TransportError, CallTimeout)
"""Errors after which further calls would fail, too."""


class OutputError(Exception):
    """Standard output cannot be written. It is not an OSError, as those of the server are."""

    def __init__(self, error: OSError) -> None:
        super().__init__(str(error))
        self.error = error


class Output:
    """Writes lines and bytes to standard output."""

    def __init__(self, progress: ProgressLine | None = None) -> None:
        self.terminal = sys.stdout.isatty()
        self.progress = progress if self.terminal else None

    def line(self, text: str, end: str = "\n") -> None:
        """Write a line; characters that the encoding lacks are escaped."""
        encoding = sys.stdout.encoding or "utf-8"
        shown = text.encode(encoding, "backslashreplace").decode(encoding)
        with self._writing():
            sys.stdout.write(shown + end)

    def zero(self, name: str) -> None:
        """Write the bytes of a name, and a NUL."""
        self.data(os.fsencode(name) + b"\0")

    def json(self, value: object) -> None:
        """Write a value as JSON on a line; what cannot be printed is escaped."""
        text = json.dumps(value, ensure_ascii=False)
        if not text.isprintable():
            text = "".join(char if char.isprintable() else json.dumps(char)[1:-1] for char in text)
        self.line(text)

    def data(self, data: bytes) -> None:
        """Write bytes."""
        with self._writing():
            sys.stdout.flush()
            sys.stdout.buffer.write(data)

    @contextmanager
    def _writing(self) -> Iterator[None]:
        if self.progress is not None:
            self.progress.erase()
        try:
            yield
        except OSError as error:
            raise OutputError(error) from None


class ErrorReport:
    """Prints a line for each error, and counts them."""

    def __init__(self, program: str, progress: ProgressLine | None = None) -> None:
        self.program, self.progress = program, progress
        self.count = 0

    def add(self, path: str, error: Exception) -> None:
        """Print the line of an error. ``path`` is the file if the error does not name one."""
        self.line(error_text(path, error))

    def line(self, text: str) -> None:
        """Print a line, and count it as an error."""
        self.count += 1
        if self.progress is not None:
            self.progress.erase()
        complain(f"{self.program}: {text}")

    @contextmanager
    def catching(self, path: str) -> Iterator[None]:
        """Report an error of a file. If the server is lost, the error is raised instead."""
        try:
            yield
        except LOST:
            raise
        except SERVER_ERRORS as error:
            self.add(path, error)

    def finish(self) -> int:
        """Print the number of errors if they were many; returns the exit status."""
        if self.count >= MANY:
            complain(f"{self.program}: {self.count} errors")
        return 1 if self.count else 0


def error_text(path: str, error: Exception) -> str:
    """The line of an error, without control characters."""
    if isinstance(error, PortMapperUnreachable):
        reason = f"{error.place}: {error.strerror} ({WITHOUT_MAPPER})"
    elif isinstance(error, OncRpcError) or not isinstance(error, OSError):
        reason = str(error)
    else:
        reason = error.strerror or str(error)
    lines = reason.splitlines() or [type(error).__name__]
    return f"{plain(path)}: {plain(lines[0])}"
