"""Runs the console blocks of a page in order and compares their output with the page.

A block of ``console`` has commands, each after ``$`` or ``#``, and below each what it prints.
A block after a paragraph that ends with a file's name, as in "The service, `server.py`:", is that
file. A port mapper or a server is started and left running until the page ends.
"""

from __future__ import annotations

import doctest
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple, Self

FENCED = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
FILE = re.compile(r"`([\w.]+\.(?:py|x|toml))`[^`\n]*:\s*\Z")
SERVES = re.compile(r"portmap( -|$)|python server\.py")
NOT_RUN = re.compile(r"\. \.venv/bin/activate|python3 -m venv|git clone|make |pip ")
VOLATILE = (
    (re.compile(r"\bprocess \d+"), "process N"),
    (re.compile(r"\b[\d.]+ (?:s|min|h)\b"), "N s"),
    (re.compile(r"\b[\d.]+ a second"), "N a second"),
    (re.compile(r"\bjournal \d+"), "journal N"),
    (re.compile(r"^(\w+ v\d +\d+) .*$", re.MULTILINE), r"\1 N"),
    (re.compile(r"^calls .*$", re.MULTILINE), "calls N"),
    (re.compile(r"^liveness .*$", re.MULTILINE), "liveness N"),
    (re.compile(r"^state .*$", re.MULTILINE), "state N"),
    (re.compile(r"(?<=0\.0\.0\.0\.)(?!39\.127\b|0\.111\b)\d+\.\d+"), "P.P"),
    (re.compile(r"/run/user/\d+|/tmp/\S+?/run(?=/)"), "/run"),
)
"""Parts that differ from run to run: process ids, times, rates and folders."""

PORT = 10111
DEADLINE = 20.0


class Block(NamedTuple):
    """A fenced block, and the text above it."""

    language: str
    text: str
    above: str

    @property
    def file(self) -> str:
        """The file that it is, if it is one."""
        named = FILE.search(self.above)
        return named[1] if named and self.language != "console" else ""


def blocks_of(page: Path) -> Iterator[Block]:
    """The fenced blocks of a page."""
    text = page.read_text()
    end = 0
    for found in FENCED.finditer(text):
        yield Block(found[1], found[2], text[end : found.start()])
        end = found.end()


def commands_of(text: str) -> Iterator[tuple[str, str]]:
    """The commands of a block, and what each prints."""
    for part in re.split(r"^(?=[$#] )", text, flags=re.MULTILINE):
        lines = part.splitlines(keepends=True)
        if lines:
            length = 1
            while lines[length - 1].endswith("\\\n"):
                length += 1
            yield "".join(lines[:length])[2:].rstrip("\n"), "".join(lines[length:])


class Console:
    """A terminal in a folder; ``enter`` makes a command one that runs in a namespace.

    Without one, the port of the pages is replaced by a free port of the host.
    """

    def __init__(
        self, folder: Path, enter: Callable[[Sequence[str]], list[str]] | None = None
    ) -> None:
        self.folder = folder
        self.place = folder
        self._enter = enter or list
        self._port = PORT if enter else free_port()
        self._exported = dict[str, str]()
        self._serving: list[subprocess.Popen[str]] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for process in reversed(self._serving):
            stop(process)
        shutil.rmtree(f"/run/portmap-{self._port}", ignore_errors=True)  # the state, as root

    def play(self, page: Path) -> None:
        """Write the files of a page and run its commands."""
        for block in blocks_of(page):
            if block.file:
                (self.place / block.file).write_text(self._ported(block.text))
            elif block.language == "console":
                for command, expected in commands_of(block.text):
                    self.run(command, expected)

    def run(self, command: str, expected: str) -> None:
        """Run one command, and compare what it prints."""
        if NOT_RUN.match(command):
            return
        words = command.split()
        if words[0] == "export":
            name, _, value = words[1].partition("=")
            self._exported[name] = self._ported(value)
        elif words[0] == "cd":
            self.place = (self.place / words[1].replace("~", str(self.folder))).resolve()
        else:
            serves = SERVES.match(command)
            printed = self._serve(command, expected) if serves else self._run(command)
            self._compare(command, expected, printed)

    def _run(self, command: str) -> str:
        done = subprocess.run(
            self._command(command),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            cwd=self.place,
            env=self._environment(),
            text=True,
            timeout=DEADLINE,
            check=False,
        )
        return done.stdout

    def _serve(self, command: str, expected: str) -> str:
        """Start a command and read as many lines as the page shows."""
        process = subprocess.Popen(
            self._command(f"exec {command}"),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            cwd=self.place,
            env=self._environment(),
            text=True,
        )
        self._serving.append(process)
        assert process.stdout is not None
        return "".join(process.stdout.readline() for _ in expected.splitlines())

    def _command(self, command: str) -> list[str]:
        variables = [f"{name}={value}" for name, value in self._environment().items()]
        return self._enter(
            ["env", "-C", str(self.place), *variables, "bash", "-c", self._ported(command)]
        )

    def _environment(self) -> dict[str, str]:
        path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
        kept = {name: value for name, value in os.environ.items() if name.startswith("COV")}
        (self.folder / "run").mkdir(exist_ok=True)
        return {
            **kept, **self._exported, "PATH": path, "LC_ALL": "C", "PYTHONUNBUFFERED": "1",
            "COLUMNS": "80", "XDG_RUNTIME_DIR": str(self.folder / "run"), "NO_COLOR": "1",
            "HOME": str(self.folder),
        }  # fmt: skip

    def _compare(self, command: str, expected: str, printed: str) -> None:
        shown, found = settled(expected), settled(self._unported(printed))
        flags = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
        if not doctest.OutputChecker().check_output(shown, found, flags):
            raise AssertionError(f"$ {command}\n--- the page\n{expected}--- printed\n{printed}")

    def _ported(self, text: str) -> str:
        return text.replace(str(PORT), str(self._port))

    def _unported(self, text: str) -> str:
        """The output as it would be with the port of the pages."""
        text = text.replace(str(self._port), str(PORT))
        here, there = (f".{port >> 8}.{port & 255}" for port in (self._port, PORT))
        return re.sub(re.escape(here) + r"\b", there, text)


def settled(text: str) -> str:
    """The text without what differs from run to run."""
    for pattern, replacement in VOLATILE:
        text = pattern.sub(replacement, text)
    return text


def stop(process: subprocess.Popen[str]) -> None:
    """Press Ctrl-C, and wait."""
    process.send_signal(signal.SIGINT)
    try:
        process.wait(DEADLINE)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    if process.stdout is not None:
        process.stdout.close()


def free_port() -> int:
    """A port that is free for UDP and TCP, with as many digits as that of the pages."""
    while True:
        with socket.socket() as stream, socket.socket(type=socket.SOCK_DGRAM) as datagrams:
            stream.bind(("", 0))
            port = int(stream.getsockname()[1])
            if port & 255 < 100:
                continue
            try:
                datagrams.bind(("", port))
            except OSError:
                continue
            return port
