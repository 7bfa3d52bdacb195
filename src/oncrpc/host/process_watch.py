"""Noticing the end of processes."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable


class ProcessWatch:
    """Calls ``ended`` with the pid when a process ends, on the running event loop.

    A pidfd becomes readable when its process ends. It is closed then, or by ``close``.
    """

    def __init__(self, ended: Callable[[int], None]) -> None:
        self.ended = ended
        self._pidfds: dict[int, int] = {}

    def __len__(self) -> int:
        return len(self._pidfds)

    def add(self, pid: int, pidfd: int) -> None:
        """Watch a process that is not watched yet; the descriptor belongs to the watch."""
        asyncio.get_running_loop().add_reader(pidfd, self._end, pid)
        self._pidfds[pid] = pidfd

    def _end(self, pid: int) -> None:
        self._close(self._pidfds.pop(pid))
        self.ended(pid)

    def close(self) -> None:
        """Stop watching."""
        while self._pidfds:
            self._close(self._pidfds.popitem()[1])

    def _close(self, pidfd: int) -> None:
        asyncio.get_running_loop().remove_reader(pidfd)
        os.close(pidfd)
