"""The duplicate-request cache: a retransmitted call gets its first answer again.

Over UDP a client that got no reply sends the same bytes again. If the call is not idempotent,
doing it twice gives the wrong answer: the second SET finds the entry of the first and is FALSE.
A call is the same if its source, xid and all its bytes are; of the bytes a digest is kept, so that
large calls cost no memory. A client that uses one xid for every call is safe too: a call with other
bytes takes the place of the one before.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable
from hashlib import blake2b

LIFETIME = 60.0
"""Seconds for which the reply to a call is kept for its retransmissions."""

MAX_CALLS = 1024
"""Calls whose reply is kept for retransmissions."""


class Remembered:
    """A call that was begun: its digest, and its reply once there is one."""

    __slots__ = ("at", "digest", "reply")

    def __init__(self, digest: bytes, at: float) -> None:
        self.digest, self.at = digest, at
        self.reply: bytes | None = None


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
        if found is None or now - found.at > self.lifetime or found.digest != _digest(message):
            return None
        return found

    def begin(self, source: Hashable, message: bytes, now: float) -> Remembered:
        """Remember a call that is about to run; set ``reply`` on what is returned."""
        call = Remembered(_digest(message), now)
        key = (source, message[:4])
        self._calls[key] = call
        self._calls.move_to_end(key)
        while len(self._calls) > self.max_calls or self._oldest().at < now - self.lifetime:
            self._calls.popitem(last=False)
        return call

    def _oldest(self) -> Remembered:
        return next(iter(self._calls.values()))


def _digest(message: bytes) -> bytes:
    return blake2b(message, digest_size=16).digest()
