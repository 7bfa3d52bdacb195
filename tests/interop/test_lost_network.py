"""A client that lost the network is no longer connected, though its connection looks open."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest

from oncrpc.net.peers import is_connected
from support.hosts import Host, until

pytestmark = pytest.mark.interop


@pytest.fixture
def host() -> Iterator[Host]:
    with Host() as host:
        yield host


@pytest.mark.parametrize("address", ["127.0.0.1", "10.9.0.1"])
def test_unacknowledged_reply_ends_the_connection(host: Host, address: str) -> None:
    with host.network():
        server = socket.create_server((address, 0))
        client = socket.create_connection(server.getsockname())
    accepted, _ = server.accept()
    with server, client, accepted:
        accepted.send(b"a reply that arrives")
        assert is_connected(accepted)

        host.sh("ip link set lo down")
        assert is_connected(accepted)
        accepted.send(b"a reply that does not")

        until(lambda: not is_connected(accepted), "the reply is sent again")
        host.sh("ip link set lo up")
        until(lambda: is_connected(accepted), "the reply is acknowledged")
