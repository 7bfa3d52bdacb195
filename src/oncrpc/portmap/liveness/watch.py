"""The processes that registered over the local socket, watched by pidfds.

That a process has ended is only a reason to look: it may have started the server and gone. So it
does no harm that a pid is sometimes another process's by the time that it is watched.
"""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Callable

from msgspec import Struct, field

from oncrpc.portmap.registry import Registry
from oncrpc.programs.rpcb import rpcb
from oncrpc.rpc import Caller

log = logging.getLogger("oncrpc.portmap.liveness")

MAX_WATCHED = 256
"""Processes that are watched; those that come later are not."""

FEW = 16
"""Registrations of a process that are kept before it is asked which are still there."""


class Process(Struct):
    """A process that is alive, and what it registered."""

    pidfd: int
    entries: list[rpcb] = field(default_factory=list)
    room: int = FEW

    def add(self, entry: rpcb, registry: Registry) -> None:
        """One more; those that are gone are forgotten when there are many."""
        if not any(entry is known for known in self.entries[-FEW:]):
            self.entries.append(entry)
        if len(self.entries) > self.room:
            self.entries = [each for each in self.entries if is_there(registry, each)]
            self.room = FEW + 2 * len(self.entries)


class Watch:
    """Processes by pid; ``ended`` is called when one ends, and ``take`` tells what it had."""

    def __init__(self, registry: Registry, ended: Callable[[], None]) -> None:
        self.registry, self.ended = registry, ended
        self._processes: dict[int, Process] = {}
        self._left: list[rpcb] = []

    def __len__(self) -> int:
        return len(self._processes)

    def add(self, caller: Caller, entry: rpcb) -> None:
        """Watch the process that registered this, if it can be."""
        if not caller.pid:
            return
        process = self._processes.get(caller.pid) or self._begin(caller, entry)
        if process is not None:
            process.add(entry, self.registry)

    def _begin(self, caller: Caller, entry: rpcb) -> Process | None:
        if len(self._processes) >= MAX_WATCHED or caller.pid is None or caller.pidfd is None:
            return None
        try:
            process = Process(caller.pidfd())
        except ProcessLookupError:
            self._leave([entry])
            return None
        except OSError as error:
            log.debug("process %d is not watched: %s", caller.pid, error.strerror)
            return None
        loop = asyncio.get_running_loop()
        loop.add_reader(process.pidfd, self._end, caller.pid)
        self._processes[caller.pid] = process
        return process

    def _end(self, pid: int) -> None:
        process = self._processes.pop(pid)
        self._close(process)
        self._leave(process.entries)

    def _leave(self, entries: list[rpcb]) -> None:
        self._left += entries
        self.ended()

    def take(self) -> list[rpcb]:
        """What processes had registered that have ended since this was last asked."""
        left, self._left = self._left, []
        return [entry for entry in left if is_there(self.registry, entry)]

    def close(self) -> None:
        """Watch nothing any more."""
        for process in self._processes.values():
            self._close(process)
        self._processes.clear()
        self._left.clear()

    def _close(self, process: Process) -> None:
        asyncio.get_running_loop().remove_reader(process.pidfd)
        os.close(process.pidfd)


def is_there(registry: Registry, entry: rpcb) -> bool:
    """Whether this very registration is in the table, and was not taken back and made again."""
    return registry.find_exactly(entry.r_prog, entry.r_vers, entry.r_netid) is entry
