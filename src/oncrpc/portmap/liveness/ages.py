"""Since when each registration is there, kept beside the registry."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence

from oncrpc.daemon.state.records import Operation
from oncrpc.portmap.registry import Key, key_of
from oncrpc.programs.rpcb import rpcb


class Ages:
    """Times by the monotonic clock, which goes on when the program is executed again.

    A registration that was restored counts from then: neither the files of the registry nor those
    of the C daemon say more.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.clock = clock
        self._since: dict[Key, float] = {}

    def note(self, operation: Operation, entries: Iterable[rpcb]) -> None:
        """These are about to be registered, or taken out."""
        if operation is Operation.SET:
            now = self.clock()
            self._since.update((key_of(entry), now) for entry in entries)
        else:
            for entry in entries:
                self._since.pop(key_of(entry), None)

    def age(self, entry: rpcb) -> float:
        """Seconds since a registration is there."""
        now = self.clock()
        return now - self._since.get(key_of(entry), now)

    def since(self, entries: Iterable[rpcb]) -> list[float]:
        """The times of these, in order."""
        now = self.clock()
        return [self._since.get(key_of(entry), now) for entry in entries]

    def restore(self, entries: Iterable[rpcb], since: Sequence[float]) -> None:
        """These are there since then; what was not told counts from now."""
        known = {key_of(entry): at for entry, at in zip(entries, since, strict=False)}
        self._since.update((key, at) for key, at in known.items() if key in self._since)
