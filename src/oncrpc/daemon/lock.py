"""The lock's file says who holds it: the process, and how what was asked of it last went.

Its first line is the process id. The second one is for ``portmap reload``: when the process was
started, as the kernel counts, so that nobody else is taken for it; the number of its image; how
many signals it has obeyed; and what came of the last one. Only its holder writes it, over the
descriptor that it was locked with, since the daemon's user may not open it.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable
from contextlib import suppress
from typing import NamedTuple

from oncrpc.host.processes import started_at

SERVING = "serving"
LONGEST = 1000
LOCKS = "/proc/locks"


class Holder(NamedTuple):
    """What the file says."""

    pid: int
    started: int
    image: int
    events: int
    said: str

    @property
    def alive(self) -> bool:
        """The process is there, and the same."""
        return started_at(self.pid) == self.started


def write(descriptors: Iterable[int], holder: Holder) -> None:
    """Put it into the files, where they are files."""
    pid, *numbers, said = holder
    line = " ".join((*map(str, numbers), " ".join(said.split())))
    data = f"{pid}\n{line}".encode(errors="replace")[:LONGEST] + b"\n"
    for descriptor in descriptors:
        with suppress(OSError):  # it is for convenience
            if stat.S_ISREG(os.fstat(descriptor).st_mode):
                os.pwrite(descriptor, data, 0)
                os.ftruncate(descriptor, len(data))


def clear(descriptors: Iterable[int]) -> None:
    """Nobody holds them any more."""
    for descriptor in descriptors:
        with suppress(OSError):
            os.ftruncate(descriptor, 0)


def read(path: str) -> Holder | None:
    """Who is in the file; None if nobody is.

    Raises:
        OSError: it cannot be read.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY)
    with open(descriptor, "rb") as file:
        lines = file.read(LONGEST + 1).decode(errors="replace").splitlines()
    try:
        started, image, events, said = lines[1].split(" ", 3)
        return Holder(int(lines[0]), int(started), int(image), int(events), said)
    except (IndexError, ValueError):
        return None


def is_locked_by(path: str, pid: int) -> bool:
    """Whether the process holds the lock of the file, as far as the kernel tells.

    What the file says could be somebody else's words: then a signal would be meant for another
    process.
    """
    inode = os.stat(path).st_ino
    try:
        with open(LOCKS, "rb") as file:
            locks = [line.split() for line in file]
    except OSError:
        return True
    held = ((int(line[4]), line[5]) for line in locks if len(line) > 5 and line[1] == b"FLOCK")
    return any(who == pid and where.endswith(b":%d" % inode) for who, where in held)
