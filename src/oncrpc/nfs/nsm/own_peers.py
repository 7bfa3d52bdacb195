"""The clients of our own lock manager that are watched.

A client that has no more locks stays on disk for ``IDLE`` seconds: most clients lock again soon,
and then nothing has to be written.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from sys import intern

from oncrpc.nfs.locks.peers import Peer, Restarted
from oncrpc.nfs.locks.terms import LockClient
from oncrpc.nfs.nsm.entries import WatchedPeer
from oncrpc.nfs.nsm.kept import KeptList
from oncrpc.nfs.nsm.matching import position_of
from oncrpc.nfs.nsm.states import is_newer, is_up, unsigned

IDLE = 300.0
"""Seconds for which a client is still watched when it has no locks any more."""

MAX_NAMES = 1024
"""Clients at one address that are watched: hosts behind an address translation, or forged names."""


def ignore_restart(client: LockClient, state: int) -> None:
    """Ignore the restart of a client: there is no lock manager."""


class OwnPeers:
    """Watches clients for our own lock manager, which sets ``restarted``.

    Every client is in ``kept.peers``, in ``_by_host`` under its address, and in ``_unsynced`` until
    the disk has it. ``_idle`` has those without locks, the longest idle one first, and when they
    are removed.
    """

    def __init__(
        self,
        kept: KeptList,
        *,
        has_room: Callable[[], bool] = lambda: True,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.kept, self._has_room, self._clock = kept, has_room, clock
        self.restarted: Restarted = ignore_restart
        self._by_host: dict[str, list[LockClient]] = {}
        self._unsynced: set[LockClient] = set()
        self._idle: dict[LockClient, float] = {}

    def load(self) -> None:
        """Take over those that are kept."""
        for client in (peer.client for peer in self.kept.peers.values()):
            self._by_host.setdefault(client.host, []).append(client)

    async def watch(self, peer: Peer, state: int) -> bool:
        """Watch a client; False if it cannot be kept on disk. ``state`` may be signed."""
        client, known, state = peer.client, self.kept.peers.get(peer.client), unsigned(state)
        was_idle = self._idle.pop(client, None) is not None
        if known is not None:
            if was_idle:
                self._begin_again(known, state, own_host=peer.own_host)
            else:
                self._seen(known, state)
            self._idle.pop(client, None)  # of a restart that was just found
        elif self._has_place(client.host):
            self._by_host.setdefault(client.host, []).append(client)
            self._unsynced.add(client)
            self.kept.put(WatchedPeer(client, intern(peer.own_host), state))
        else:
            return False
        return client not in self._unsynced or await self._synced(client)

    def _has_place(self, host: str) -> bool:
        """Whether one more client at an address can be watched; idle ones make room for it."""
        if not self._is_within_bounds(host):
            self.forget_all_idle()
        return self._is_within_bounds(host)

    def _is_within_bounds(self, host: str) -> bool:
        return self._has_room() and len(self._by_host.get(host, ())) < MAX_NAMES

    def _begin_again(self, known: WatchedPeer, state: int, *, own_host: str) -> None:
        """An idle client locks again. It has no locks that could be lost, so its state counts.

        A notice with a forged address may have said a state that the client reaches never.
        """
        state = state if is_up(state) else known.state
        if (own_host, state) != known[1:]:
            self.kept.put(known._replace(own_host=own_host, state=state))

    def _seen(self, known: WatchedPeer, state: int) -> None:
        """A watched client locks again. A newer state means that it has restarted meanwhile.

        The state of a host that is up is odd. Clients without a monitor send other numbers.
        """
        newer = is_up(state) and is_newer(state, known.state)
        if newer:
            self.kept.put(known._replace(state=state))
        if newer and known.state != 0:
            self.restarted(known.client, state)

    async def _synced(self, client: LockClient) -> bool:
        try:
            await self.kept.synced()
        except OSError:
            self._forget(client)
            return False
        self._unsynced.discard(client)
        return client in self.kept.peers

    def unwatch(self, client: LockClient) -> None:
        """Stop watching a client after ``IDLE`` seconds."""
        if client in self.kept.peers:
            now = self._clock()
            self._idle.setdefault(client, now + IDLE)
            self._forget_idle(now)

    def forget_all_idle(self) -> None:
        """Forget the clients that have no locks."""
        for client in [*self._idle]:
            self._forget(client)

    def _forget_idle(self, now: float) -> None:
        while self._idle:
            client, at = next(iter(self._idle.items()))
            if now < at:
                return
            self._forget(client)

    def _forget(self, client: LockClient) -> None:
        self._idle.pop(client, None)
        self._unsynced.discard(client)
        known = self.kept.peers.get(client)
        if known is None:
            return
        self.kept.remove(known)
        others = self._by_host[client.host]
        others.remove(client)
        if not others:
            del self._by_host[client.host]

    def find(self, host: str, mon_name: bytes) -> WatchedPeer | None:
        """The client that a notice from this address with this name is about."""
        clients = self._by_host.get(host, ())
        position = position_of(mon_name, [client.name for client in clients]) if clients else None
        return None if position is None else self.kept.peers[clients[position]]

    def restart(self, peer: WatchedPeer, state: int) -> None:
        """A client has restarted: its locks are gone."""
        self.kept.put(peer._replace(state=state))
        self.restarted(peer.client, state)
