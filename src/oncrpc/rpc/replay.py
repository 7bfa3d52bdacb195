"""The duplicate-request cache: a retransmitted call gets its first answer again.

Over UDP a client that got no reply sends the same bytes again. If the call is not idempotent,
doing it twice gives the wrong answer: the second SET finds the entry of the first and is FALSE.
A call is the same if its source, xid and all its bytes are. A client that uses one xid for every
call is safe too: a call with other bytes takes the place of the one before.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable
from dataclasses import dataclass

LIFETIME = 60.0
MAX_CALLS = 1024


@dataclass(slots=True)
class Remembered:
    """A call that was begun: its bytes, and its reply once there is one."""

    message: bytes
    at: float
    reply: bytes | None = None


class ReplayCache:
    """At most ``max_calls`` calls, each for ``lifetime`` seconds."""

    def __init__(self, *, max_calls: int = MAX_CALLS, lifetime: float = LIFETIME) -> None:
        self.max_calls, self.lifetime = max_calls, lifetime
        self._calls: OrderedDict[tuple[Hashable, bytes], Remembered] = OrderedDict()

    def __len__(self) -> int:
        return len(self._calls)

    def seen(self, source: Hashable, message: bytes, now: float) -> Remembered | None:
        """The same call from the same source, if it was begun lately."""
        found = self._calls.get((source, message[:4]))
        if found is None or found.message != message or now - found.at > self.lifetime:
            return None
        return found

    def begin(self, source: Hashable, message: bytes, now: float) -> Remembered:
        """Remember a call that is about to run; set ``reply`` on what is returned."""
        call = Remembered(message, now)
        key = (source, message[:4])
        self._calls[key] = call
        self._calls.move_to_end(key)
        while len(self._calls) > self.max_calls:
            self._calls.popitem(last=False)
        return call
