"""Requests on their way."""

from __future__ import annotations

from oncrpc.nfs.locks.entering import EnteringRequests
from support.locking import CLIENTS, FILE, OTHER_FILE, asks, lock


def test_request_is_known_while_on_its_way() -> None:
    entering = EnteringRequests()

    with entering.enter(asks(lock(0)), 1) as first, entering.enter(asks(lock(3)), 1) as second:
        assert list(entering.of_client(CLIENTS[0])) == [first, second]
        assert entering.has_file(FILE)
        assert not entering.has_file(OTHER_FILE)

    assert list(entering.of_client(CLIENTS[0])) == []
    assert not entering.has_file(FILE)


def test_only_requests_of_the_client_are_dropped() -> None:
    entering = EnteringRequests()

    with entering.enter(asks(lock(0)), 1) as first, entering.enter(asks(lock(1)), 1) as other:
        assert entering.drop(CLIENTS[0], lambda each: each.lock == lock(0))
        assert not entering.drop(CLIENTS[0], lambda each: each.lock == lock(1))
        assert first.dropped
        assert not other.dropped
