"""Run another program with limits on its time, memory and output."""

from __future__ import annotations

import os
import selectors
import signal
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from math import ceil
from subprocess import PIPE, Popen, TimeoutExpired
from typing import NamedTuple

SHELL = "/bin/sh"
SCRIPT = '{ ulimit -v "$1"; ulimit -t "$2"; } 2>/dev/null; shift 2; exec "$@"'
"""Limits set by the shell hold before the program starts, and for its children.

A limit that cannot be set, for instance because it is already lower, stays as it is.
"""

CHUNK = 1 << 16
WRITTEN = 512
"""Bytes that a pipe ready for writing takes without blocking: PIPE_BUF of POSIX, at least."""


@dataclass(frozen=True, slots=True)
class ProcessLimits:
    """``memory`` is address space of each process in bytes, ``output`` bytes of either stream."""

    seconds: float
    memory: int
    output: int

    @property
    def cpu_seconds(self) -> int:
        """Processor time: above ``seconds``, for children that are left if this process dies."""
        return ceil(self.seconds) + 1


class Finished(NamedTuple):
    """How a process ended; ``exceeded`` says which limit stopped it, "" if it ended by itself.

    A process that lacks memory ends by itself, with a message of its own.
    """

    status: int
    output: bytes
    errors: bytes
    exceeded: str


def run_bounded(command: Sequence[str], text: bytes, limits: ProcessLimits) -> Finished:
    """Run a command with ``text`` as its input; no process of it is left on return."""
    bounds = (str(limits.memory >> 10), str(limits.cpu_seconds))
    with Popen(
        [SHELL, "-c", SCRIPT, SHELL, *bounds, *command],
        stdin=PIPE,
        stdout=PIPE,
        stderr=PIPE,
        bufsize=0,
        process_group=0,
    ) as child:
        exchange = _Exchange(child, text, limits)
        try:
            exceeded = exchange.run()
        finally:
            if child.returncode is None:  # not yet waited for: the process group is still its own
                with suppress(ProcessLookupError, PermissionError):
                    os.killpg(child.pid, signal.SIGKILL)
    return Finished(child.returncode, bytes(exchange.output), bytes(exchange.errors), exceeded)


class _Exchange:
    """Writes the input of a process and reads its output until the end or a limit."""

    def __init__(self, child: Popen[bytes], text: bytes, limits: ProcessLimits) -> None:
        self.child, self.limits = child, limits
        self.waiting = memoryview(text)
        self.output, self.errors = bytearray(), bytearray()

    def run(self) -> str:
        """Returns the limit that was exceeded, or "" after the process ended."""
        child, deadline = self.child, time.monotonic() + self.limits.seconds
        assert child.stdin
        assert child.stdout
        assert child.stderr
        with selectors.DefaultSelector() as selector:
            selector.register(child.stdin, selectors.EVENT_WRITE)
            selector.register(child.stdout, selectors.EVENT_READ, self.output)
            selector.register(child.stderr, selectors.EVENT_READ, self.errors)
            while selector.get_map():
                left = deadline - time.monotonic()
                if left <= 0:
                    return f"{self.limits.seconds:g} seconds"
                for key, _ in selector.select(left):
                    more = self._write(key.fd) if key.data is None else _read(key.fd, key.data)
                    if not more:
                        selector.unregister(key.fileobj)
                        if key.data is None:
                            child.stdin.close()
                if max(len(self.output), len(self.errors)) > self.limits.output:
                    return f"{self.limits.output >> 20} MiB of output"
        try:
            child.wait(max(0.0, deadline - time.monotonic()))
        except TimeoutExpired:
            return f"{self.limits.seconds:g} seconds"
        return ""

    def _write(self, fd: int) -> bool:
        """Write some of the input; returns whether there is more."""
        with suppress(BrokenPipeError):
            self.waiting = self.waiting[os.write(fd, self.waiting[:WRITTEN]) :]
            return bool(self.waiting)
        return False


def _read(fd: int, buffer: bytearray) -> bool:
    """Read what is there; returns whether there may be more."""
    chunk = os.read(fd, CHUNK)
    buffer += chunk
    return bool(chunk)
