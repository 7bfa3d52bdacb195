"""Processes of this host: when they started, and descriptors of them."""

from __future__ import annotations

import errno
import os

_STARTTIME = 19
"""The field of /proc/PID/stat, counted from the one after the name (proc(5) numbers it 22)."""


def started_at(pid: int) -> int | None:
    """When a process was started, in clock ticks since boot; None if it does not exist.

    A process that has ended does not exist, even if its parent has not waited for it yet.
    """
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            fields = file.read().rpartition(b")")[2].split()
        return None if fields[0] == b"Z" else int(fields[_STARTTIME])
    except (OSError, IndexError, ValueError):
        return None


def pidfd_of(pid: int, *, known_at: float) -> int:
    """A descriptor of the process that had this number at a time of ``CLOCK_BOOTTIME``.

    The number may have been reused since: a process that was started later is not the one.

    Raises:
        ProcessLookupError: the process has ended. OSError: the kernel refuses.
    """
    pidfd = os.pidfd_open(pid)
    if started_seconds(pid) > known_at:
        os.close(pidfd)
        raise ProcessLookupError(errno.ESRCH, os.strerror(errno.ESRCH))
    return pidfd


def started_seconds(pid: int) -> float:
    """When a process was started, by ``CLOCK_BOOTTIME``; 0 if /proc does not show it."""
    return (started_at(pid) or 0) / os.sysconf("SC_CLK_TCK")
