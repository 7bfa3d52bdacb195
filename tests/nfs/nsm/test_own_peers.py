"""``oncrpc.nfs.nsm.own_peers``: the clients of our own lock manager."""

from __future__ import annotations

import asyncio

import pytest

from oncrpc.nfs.locks.peers import Peer
from oncrpc.nfs.locks.terms import LockClient
from oncrpc.nfs.nsm import own_peers
from oncrpc.nfs.nsm.entries import WatchedPeer
from oncrpc.nfs.nsm.kept import KeptList
from oncrpc.nfs.nsm.own_peers import IDLE, OwnPeers
from oncrpc.testing import ManualClock

ONE = LockClient("192.0.2.1", b"one.example")
OTHER = LockClient("192.0.2.1", b"other.example")
AWAY = LockClient("192.0.2.7", b"away")


class Watching:
    """Peers in memory, and what the lock manager was told."""

    def __init__(self, *clients: LockClient) -> None:
        self.clock, self.told = ManualClock(), list[tuple[LockClient, int]]()
        self.kept = KeptList(None)
        self.peers = OwnPeers(self.kept, clock=self.clock, has_room=lambda: len(self.kept) < 3)
        self.peers.restarted = lambda client, state: self.told.append((client, state))
        for client in clients:
            assert self.watch(client, 7)

    def watch(self, client: LockClient, state: int, own_host: str = "192.0.2.9") -> bool:
        return asyncio.run(self.peers.watch(Peer(client, own_host), state))

    @property
    def watched(self) -> list[WatchedPeer]:
        return [*self.kept.peers.values()]


def test_watched_client_is_kept() -> None:
    assert Watching(ONE).watched == [WatchedPeer(ONE, "192.0.2.9", 7)]


def test_signed_state_is_kept_unsigned() -> None:
    watching = Watching()

    watching.watch(ONE, -1)

    assert watching.watched[0].state == 0xFFFFFFFF


def test_client_beyond_the_bound_is_refused() -> None:
    watching = Watching(ONE, OTHER, AWAY)

    assert not watching.watch(LockClient("192.0.2.8", b"more"), 1)
    assert watching.watch(ONE, 7)


def test_idle_client_makes_room() -> None:
    watching = Watching(ONE, OTHER, AWAY)
    watching.peers.unwatch(OTHER)

    assert watching.watch(LockClient("192.0.2.8", b"more"), 1)

    assert OTHER not in watching.kept.peers
    assert len(watching.watched) == 3


def test_restarted_client_that_locks_stays_watched() -> None:
    watching = Watching(ONE)
    watching.peers.restarted = lambda client, _: watching.peers.unwatch(client)

    watching.watch(ONE, 9)
    watching.peers.forget_all_idle()

    assert [peer.client for peer in watching.watched] == [ONE]


def test_names_at_one_address_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(own_peers, "MAX_NAMES", 2)
    watching = Watching(ONE, OTHER)

    assert not watching.watch(LockClient("192.0.2.1", b"third"), 1)
    assert watching.watch(AWAY, 1)


def test_newer_state_with_a_lock_is_restart() -> None:
    watching = Watching(ONE)

    watching.watch(ONE, 9)

    assert watching.told == [(ONE, 9)]
    assert watching.watched[0].state == 9


@pytest.mark.parametrize("state", [0, 5, 7, 8])
def test_other_state_with_a_lock_changes_nothing(state: int) -> None:
    watching = Watching(ONE)

    watching.watch(ONE, state)

    assert watching.told == []
    assert watching.watched[0].state == 7


def test_idle_client_begins_with_its_state() -> None:
    watching = Watching(ONE)
    watching.peers.restart(watching.watched[0], 7 + 0x7FFFFFFE)  # a forged notice
    watching.peers.unwatch(ONE)
    watching.told.clear()

    watching.watch(ONE, 7, "192.0.2.10")

    assert watching.watched == [WatchedPeer(ONE, "192.0.2.10", 7)]
    assert watching.told == []
    watching.watch(ONE, 9)
    assert watching.told == [(ONE, 9)]


def test_state_learnt_later_is_no_restart() -> None:
    watching = Watching()
    watching.watch(ONE, 0)

    watching.watch(ONE, 9)

    assert watching.told == []
    assert watching.watched[0].state == 9


def test_unwatched_client_is_forgotten_after_a_while() -> None:
    watching = Watching(ONE, AWAY)
    watching.peers.unwatch(ONE)
    watching.clock.advance(IDLE - 1)
    watching.peers.unwatch(AWAY)
    assert len(watching.watched) == 2

    watching.clock.advance(1)
    watching.peers.unwatch(AWAY)

    assert [peer.client for peer in watching.watched] == [AWAY]


def test_client_that_locks_again_stays_watched() -> None:
    watching = Watching(ONE, AWAY)
    watching.peers.unwatch(ONE)
    watching.watch(ONE, 7, own_host="192.0.2.10")

    watching.clock.advance(IDLE)
    watching.peers.unwatch(AWAY)
    watching.peers.forget_all_idle()

    assert watching.watched == [WatchedPeer(ONE, "192.0.2.10", 7)]


def test_notice_finds_the_client_by_name() -> None:
    peers = Watching(ONE, OTHER, AWAY).peers

    assert peers.find("192.0.2.1", b"OTHER") == WatchedPeer(OTHER, "192.0.2.9", 7)
    assert peers.find("192.0.2.1", b"third") is None
    assert peers.find("192.0.2.7", b"any") == WatchedPeer(AWAY, "192.0.2.9", 7)
    assert peers.find("192.0.2.8", b"away") is None


def test_forgotten_client_is_not_found() -> None:
    watching = Watching(ONE, OTHER)
    watching.peers.unwatch(ONE)
    watching.peers.forget_all_idle()

    found = watching.peers.find("192.0.2.1", b"one.example")

    assert found == WatchedPeer(OTHER, "192.0.2.9", 7)


def test_unknown_client_is_not_unwatched() -> None:
    watching = Watching(ONE)

    watching.peers.unwatch(AWAY)
    watching.peers.forget_all_idle()

    assert [peer.client for peer in watching.watched] == [ONE]
