"""Building blocks of caches: mappings with a bound, and epochs."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable
from math import inf
from typing import Protocol, TypeVar

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class Bounded(OrderedDict[K, V]):
    """A mapping of at most ``most`` entries; the oldest one is evicted for a new one.

    Read it as a dictionary, write with ``keep`` only. To evict the least recently used entry
    instead, keep an entry again each time it is used.
    """

    __slots__ = ("most",)

    def __init__(self, most: int) -> None:
        super().__init__()
        self.most = most

    def keep(self, key: K, value: V) -> bool:
        """Add or replace an entry as the newest one. Returns whether another one was evicted."""
        self[key] = value
        self.move_to_end(key)
        if len(self) <= self.most:
            return False
        self.popitem(last=False)
        return True


class Subject(Protocol):
    """The source of cached values, such as a registry."""

    @property
    def generation(self) -> Hashable:
        """Differs after every change."""


class Epoch:
    """The period in which values derived from a subject are valid.

    It ends when the ``generation`` of the subject changes, and after ``lifetime`` seconds.
    """

    __slots__ = ("_generation", "_subject", "_until", "lifetime")

    def __init__(self, subject: Subject, *, lifetime: float = inf) -> None:
        self._subject, self.lifetime = subject, lifetime
        self._generation: Hashable = None
        self._until = -inf

    def has_ended(self, now: float) -> bool:
        """Whether the epoch has ended. If so the next one begins: this returns True only once."""
        generation = self._subject.generation
        if generation == self._generation and now < self._until:
            return False
        self._generation, self._until = generation, now + self.lifetime
        return True

    def end(self) -> None:
        """End the epoch: something else has changed."""
        self._until = -inf
