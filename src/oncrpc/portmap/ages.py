"""When each registration was made; the registry itself does not know."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence

from oncrpc.daemon.state.records import TableOperation
from oncrpc.portmap.registry import Key, key_of
from oncrpc.programs.rpcb import rpcb


class Ages:
    """Observes a registry; the times are monotonic, also over a restart in place.

    The age of a restored registration counts from its restoration, since no file has its time.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.clock = clock
        self._since: dict[Key, float] = {}

    def __len__(self) -> int:
        return len(self._since)

    def changing(self, operation: TableOperation, entries: Iterable[rpcb]) -> None:
        """Note the time of a registration, or forget it (``RegistryObserver``)."""
        if operation is TableOperation.SET:
            now = self.clock()
            self._since.update((key_of(entry), now) for entry in entries)
        else:
            for entry in entries:
                self._since.pop(key_of(entry), None)

    def age(self, entry: rpcb) -> float:
        """Seconds since a registration was made."""
        now = self.clock()
        return now - self._since.get(key_of(entry), now)

    def since(self, entries: Iterable[rpcb]) -> list[float]:
        """The times of these, in order."""
        now = self.clock()
        return [self._since.get(key_of(entry), now) for entry in entries]

    def restore(self, entries: Iterable[rpcb], since: Sequence[float]) -> None:
        """Set the times of registrations that an earlier image of the daemon made."""
        known = {key_of(entry): at for entry, at in zip(entries, since, strict=False)}
        self._since.update((key, at) for key, at in known.items() if key in self._since)
