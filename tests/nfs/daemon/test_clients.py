"""Counting the calls of clients."""

from __future__ import annotations

from oncrpc.nfs.daemon.clients import MAX_CLIENTS, Clients
from oncrpc.nfs.daemon.status import ClientCalls
from oncrpc.testing import ManualClock


def test_clients_with_most_calls_come_first() -> None:
    clock = ManualClock()
    clients = Clients(clock=clock)
    for host in ("192.0.2.1", "192.0.2.2", "192.0.2.2"):
        clients.count(host)
    clock.advance(5.0)

    assert clients.report({"192.0.2.1": 3}, most=9) == [
        ClientCalls("192.0.2.2", 2, 0, 5.0),
        ClientCalls("192.0.2.1", 1, 3, 5.0),
    ]
    assert len(clients.report({}, most=1)) == 1


def test_flood_of_addresses_is_bounded() -> None:
    clients = Clients(clock=ManualClock())
    for number in range(MAX_CLIENTS + 5):
        clients.count(f"host{number}")

    found = clients.report({}, most=MAX_CLIENTS * 2)
    assert len(found) == MAX_CLIENTS
    assert "host0" not in {each.host for each in found}
