"""The ways back to clients whose requests wait for a lock."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

from oncrpc.nfs.locks.terms import Lock, LockClient, LockedFile, LockOwner
from oncrpc.nfs.nlm.client_links import ClientPlace

MAX_WAYS = 16_384
"""Requests for locks of which the way back is remembered: twice as many as can wait."""


class WayBack(NamedTuple):
    """How to call a client back: where, its handle of the file, and whether it sent LOCK_MSG."""

    place: ClientPlace
    handle: bytes
    by_message: bool


class WaysBack:
    """The ways back by file and lock, at most ``MAX_WAYS``; further ones are not remembered.

    An entry is removed when its request is granted or refused, or is cancelled. It never makes room
    for another client's.
    """

    def __init__(self) -> None:
        self._files: dict[LockedFile, dict[Lock, WayBack]] = {}
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def __iter__(self) -> Iterator[tuple[LockedFile, Lock, WayBack]]:
        for file, ways in self._files.items():
            for lock, way in ways.items():
                yield file, lock, way

    def keep(self, file: LockedFile, lock: Lock, way: WayBack) -> bool:
        """Remember a way, in place of a former one. Returns whether there was none."""
        is_new = lock not in self._files.get(file, ())
        if is_new and self._count >= MAX_WAYS:
            return False
        self._files.setdefault(file, {})[lock] = way
        self._count += is_new
        return is_new

    def pop(self, file: LockedFile, lock: Lock) -> WayBack | None:
        """Forget a way and return it; None if there is none."""
        ways = self._files.get(file, {})
        way = ways.pop(lock, None)
        if way is not None:
            self._count -= 1
            if not ways:
                del self._files[file]
        return way

    def forget_unless(
        self, file: LockedFile, owner: LockOwner, waits: Callable[[Lock], bool]
    ) -> None:
        """Forget the ways of an owner whose requests do not wait any more."""
        for lock in list(self._files.get(file, ())):
            if lock.owner == owner and not waits(lock):
                self.pop(file, lock)

    def forget_client(self, client: LockClient) -> None:
        """Forget all ways to a client."""
        for file, lock, _ in list(self):
            if lock.owner.client == client:
                self.pop(file, lock)

    def clear(self) -> None:
        """Forget all."""
        self._files.clear()
        self._count = 0
