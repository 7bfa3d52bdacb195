"""What a program prints, line by line, while it runs.

program = begun(host, ["locks", "/srv/file", "wait:w:0:0"])
program.line("wait ok")
"""

from __future__ import annotations

import re
import subprocess
import threading
from collections.abc import Sequence

from support.namespace import Namespace

LINE_TIME = 30.0
"""Seconds to wait for a line."""


class PrintedLines:
    """Lines that a reader feeds, and for which a test waits; after the last comes ``exit N``."""

    def __init__(self) -> None:
        self._lines: list[str] = []
        self._seen = 0
        self._ended = False
        self._changed = threading.Condition()

    def feed(self, line: str) -> None:
        """Take a line."""
        with self._changed:
            self._lines.append(line)
            self._changed.notify_all()

    def stop(self) -> None:
        """There are no more lines."""
        with self._changed:
            self._ended = True
            self._changed.notify_all()

    @property
    def text(self) -> str:
        """The lines until now."""
        return "".join(f"{line}\n" for line in self._lines)

    def line(self, pattern: str, *, timeout: float = LINE_TIME) -> re.Match[str]:
        """Wait for the next line with a match of the pattern; those before it are skipped."""
        with self._changed:
            self._changed.wait_for(lambda: self._ended or self._next(pattern), timeout)
            found = self._next(pattern)
            assert found is not None, f"no line with {pattern!r}:\n{self.text}"
            number, match = found
            self._seen = number + 1
            return match

    def has(self, pattern: str) -> bool:
        """Whether a line that is not skipped yet has a match."""
        with self._changed:
            return self._next(pattern) is not None

    def status(self) -> int:
        """Wait for the end; returns the exit status."""
        return int(self.line(r"^exit (\d+)$")[1])

    def _next(self, pattern: str) -> tuple[int, re.Match[str]] | None:
        for number in range(self._seen, len(self._lines)):
            if match := re.search(pattern, self._lines[number]):
                return number, match
        return None


def begun(host: Namespace, argv: Sequence[str]) -> PrintedLines:
    """Start a program on a host and read what it prints."""
    program, printed = host.popen(argv), PrintedLines()
    threading.Thread(target=_read, args=(program, printed)).start()
    return printed


def _read(program: subprocess.Popen[str], printed: PrintedLines) -> None:
    assert program.stdout is not None, "it is a pipe"
    for line in program.stdout:
        printed.feed(line.rstrip("\n"))
    printed.feed(f"exit {program.wait()}")
    printed.stop()
