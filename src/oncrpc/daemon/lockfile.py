"""The lock file: one daemon at a time, and the reports of its holder.

Its first line is the process id. The second is for ``reload``: the start time of the process in
clock ticks, so that another process with the same id is not mistaken for it; the number of its
image; the number of signals handled; and the result of the last one. The holder writes through the
locked descriptor, since the daemon's user may not open the file.
"""

from __future__ import annotations

import errno
import fcntl
import os
import stat
from collections.abc import Iterable
from contextlib import suppress
from typing import NamedTuple

from oncrpc.daemon.config.values import StartError
from oncrpc.host.processes import started_at

LOCK_FLAGS = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK
ADVICE = {
    errno.EACCES: "run as root, or",
    errno.EPERM: "run as root, or",
    errno.ENOENT: "make that directory, or run",
}
"""Advice for a lock that cannot be opened; the remedy follows it."""

SERVING = "serving"
LONGEST = 1000
LOCKS = "/proc/locks"


class Holder(NamedTuple):
    """The content of the file."""

    pid: int
    started: int
    image: int
    events: int
    said: str

    @property
    def alive(self) -> bool:
        """Whether the process still exists, and is the same."""
        return started_at(self.pid) == self.started


def write(descriptors: Iterable[int], holder: Holder) -> None:
    """Write it into the files; a lock that is not a regular file is skipped."""
    pid, *numbers, said = holder
    line = " ".join((*map(str, numbers), " ".join(said.split())))
    data = f"{pid}\n{line}".encode(errors="replace")[:LONGEST] + b"\n"
    for descriptor in descriptors:
        with suppress(OSError):  # reload does without
            if stat.S_ISREG(os.fstat(descriptor).st_mode):
                os.pwrite(descriptor, data, 0)
                os.ftruncate(descriptor, len(data))


def clear(descriptors: Iterable[int]) -> None:
    """Empty the files, before the locks are released."""
    for descriptor in descriptors:
        with suppress(OSError):
            os.ftruncate(descriptor, 0)


def remove(path: str, descriptors: Iterable[int]) -> None:
    """Remove a file that one of the descriptors has locked, if the user of the daemon may."""
    with suppress(OSError):
        if any(_is_at(path, descriptor) for descriptor in descriptors):
            os.unlink(path)


def read(path: str) -> Holder | None:
    """The holder; None if the file names none.

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
    """Whether the process holds the lock of the file, by the kernel's list of locks.

    Others may have written the file: without this check a signal could go to another process.
    """
    inode = os.stat(path).st_ino
    try:
        with open(LOCKS, "rb") as file:
            locks = [line.split() for line in file]
    except OSError:
        return True
    held = ((int(line[4]), line[5]) for line in locks if len(line) > 5 and line[1] == b"FLOCK")
    return any(who == pid and where.endswith(b":%d" % inode) for who, where in held)


def take(path: str, title: str, remedy: str) -> int:
    """Lock a file; the descriptor holds the lock. ``title`` and ``remedy`` are for the messages.

    Raises:
        StartError: another daemon holds it, or it cannot be opened.
    """
    while True:
        try:
            descriptor = _open_lock(path)
        except OSError as error:
            advice = ADVICE.get(error.errno or 0, "remove what is there, or run")
            raise StartError(
                f"cannot open {path}: {(error.strerror or '').lower()}; {advice} {remedy}"
            ) from None
        with suppress(OSError):
            os.fchmod(descriptor, 0o600)  # others must not be able to hold it
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(descriptor)
            raise StartError(
                f"another {title} is already running (it holds {path}); stop it first"
            ) from None
        if _is_at(path, descriptor):
            return descriptor
        os.close(descriptor)  # a daemon that ended has removed the file since it was opened


def _is_at(path: str, descriptor: int) -> bool:
    """Whether the descriptor is of the file that the path names now."""
    try:
        return os.path.samestat(os.stat(path), os.fstat(descriptor))
    except FileNotFoundError:
        return False


def _open_lock(path: str) -> int:
    """Open the file for writing.

    The C daemon leaves a lock that its owner may only read. Root could write to it, but not without
    CAP_DAC_OVERRIDE, as in a systemd unit; so the mode is changed first.
    """
    try:
        return os.open(path, LOCK_FLAGS, 0o600)
    except PermissionError:
        if not os.path.lexists(path):
            raise
        descriptor = os.open(path, os.O_RDONLY | LOCK_FLAGS & ~(os.O_RDWR | os.O_CREAT))
        try:
            os.fchmod(descriptor, 0o600)
        finally:
            os.close(descriptor)
        return os.open(path, LOCK_FLAGS, 0o600)
