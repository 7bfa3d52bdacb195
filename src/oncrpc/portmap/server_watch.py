"""Watches the processes that registered over the local socket, and reports when one ends.

The end of a process is only a reason to check its registrations: it may have started the server and
left. So it does no harm that a pid may belong to another process by the time it is watched.
"""

from __future__ import annotations

import logging
from collections.abc import Callable

from msgspec import Struct, field

from oncrpc.host.process_watch import ProcessWatch
from oncrpc.portmap.registry import Registry
from oncrpc.programs.rpcb import rpcb
from oncrpc.rpc import Caller

log = logging.getLogger("oncrpc.portmap.liveness")

MAX_WATCHED = 256
"""Processes that are watched; later ones are not."""

FEW = 16
"""Registrations that are kept for a process before those that are gone are removed."""


class Registrant(Struct):
    """The registrations of a running process.

    ``entries`` may have registrations that are gone; when there are more than ``room`` of them,
    they are removed, so that their number stays in proportion to those that are there.
    """

    entries: list[rpcb] = field(default_factory=list)
    room: int = FEW

    def add(self, entry: rpcb, registry: Registry) -> None:
        """Add a registration."""
        if not any(entry is known for known in self.entries[-FEW:]):
            self.entries.append(entry)
        if len(self.entries) > self.room:
            self.entries = [each for each in self.entries if is_present(registry, each)]
            self.room = FEW + 2 * len(self.entries)


class RegistrantWatch:
    """Calls ``ended`` when a process ends; ``take`` then returns what it had registered."""

    def __init__(self, registry: Registry, ended: Callable[[], None]) -> None:
        self.registry, self.ended = registry, ended
        self._registrants: dict[int, Registrant] = {}
        self._watch = ProcessWatch(self._end)
        self._left: list[rpcb] = []

    def __len__(self) -> int:
        return len(self._watch)

    @property
    def kept(self) -> int:
        """Registrations that are kept for all processes."""
        return sum(len(each.entries) for each in self._registrants.values())

    def add(self, caller: Caller, entry: rpcb) -> None:
        """Watch the process that registered this, if possible."""
        if not caller.pid:
            return
        registrant = self._registrants.get(caller.pid) or self._begin(caller, entry)
        if registrant is not None:
            registrant.add(entry, self.registry)

    def _begin(self, caller: Caller, entry: rpcb) -> Registrant | None:
        if len(self) >= MAX_WATCHED or caller.pid is None or caller.pidfd is None:
            return None
        try:
            self._watch.add(caller.pid, caller.pidfd())
        except ProcessLookupError:
            self._leave([entry])
            return None
        except OSError as error:
            log.debug("process %d is not watched: %s", caller.pid, error.strerror)
            return None
        registrant = self._registrants[caller.pid] = Registrant()
        return registrant

    def _end(self, pid: int) -> None:
        self._leave(self._registrants.pop(pid).entries)

    def _leave(self, entries: list[rpcb]) -> None:
        self._left += entries
        self.ended()

    def take(self) -> list[rpcb]:
        """The registrations of processes that have ended since the last call."""
        left, self._left = self._left, []
        return [entry for entry in left if is_present(self.registry, entry)]

    def close(self) -> None:
        """Stop watching."""
        self._watch.close()
        self._registrants.clear()
        self._left.clear()


def is_present(registry: Registry, entry: rpcb) -> bool:
    """Whether this very registration is in the table, not one that was made again since."""
    return registry.find_exactly(entry.r_prog, entry.r_vers, entry.r_netid) is entry
