"""Fixtures shared by several modules; they need a compiler and take a second to build."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import product
from pathlib import Path

import pytest

from support.debian_host import Packages, build_packages
from support.hosts import Host, portmap
from support.peer_callers import SERVERS, SUCCESS, Attempt, Peer, built, outcomes, peers
from support.refusing_server import NETIDS


@pytest.fixture(scope="session")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mapping[str, Peer]]:
    """A C server and ours of ``refuse/refuse.x``, registered with our port mapper on one host."""
    folder = built(tmp_path_factory.mktemp("refuse"))
    with Host() as host:
        host.start(portmap())
        found = peers(host, folder)
        for (name, server), netid in product(found.items(), NETIDS):
            # Fail here if a server is silent, not in each of a thousand tests at its deadline.
            assert outcomes("blocking client", server, netid, Attempt())[0] == SUCCESS, name
        yield found


@pytest.fixture(params=SERVERS)
def peer(request: pytest.FixtureRequest, served: Mapping[str, Peer]) -> Peer:
    """Each of the two servers."""
    return served[request.param]


@pytest.fixture(scope="session")
def packages(tmp_path_factory: pytest.TempPathFactory) -> Packages:
    """The Debian packages."""
    return build_packages(tmp_path_factory.mktemp("deb"))


@pytest.fixture(scope="session")
def guest_image(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the first test with a Linux guest builds its image."""
    return tmp_path_factory.mktemp("guest")
