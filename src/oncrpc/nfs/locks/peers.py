"""What the lock manager asks of a status monitor."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import NamedTuple, Protocol

from oncrpc.nfs.locks.terms import LockClient


class Peer(NamedTuple):
    """A client to be watched: who it is, and the address of this host at which it called."""

    client: LockClient
    own_host: str


Restarted = Callable[[LockClient, int], None]
"""Called with a client that has restarted, and the new state of its monitor: its locks are gone."""


class PeerMonitor(Protocol):
    """A status monitor in this process. ``restarted`` is set by the lock manager."""

    restarted: Restarted

    @property
    def state(self) -> int:
        """The state number of this host: it grows when locks were lost."""

    async def watch(self, peer: Peer, state: int) -> bool:
        """Watch a client until ``unwatch``. It is kept on disk when this returns.

        ``state`` is the state number that the client gave with its lock, 0 if it is not known. A
        newer one than the last says that the client has restarted: ``restarted`` is called first.
        Returns False if the client cannot be watched: the disk is full, or there are too many. A
        client that is watched already costs nothing.
        """
        ...

    def unwatch(self, client: LockClient) -> None:
        """Stop watching a client: it has no locks, and does not wait for one."""
        ...

    def lost(self) -> Collection[LockClient]:
        """The clients that the former process watched, if it ended without handing over.

        They get a notice that this host has restarted, and claim their locks again. They are
        watched until ``unwatch``: call it for those that have claimed nothing in time.
        """
        ...

    def lose(self) -> None:
        """Begin a new state: the locks of the earlier image are lost."""
        ...
