"""Our NFS client with nfsd, with ganesha and with the server of the Linux kernel."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from oncrpc.nfs import sync_connect
from support.client_claims import CLAIMS, VERSION_3
from support.client_servers import SERVERS, ClientServers

pytestmark = [pytest.mark.interop, pytest.mark.slow]

PIECE = 1 << 20
COPIED = int(os.environ.get("ONCRPC_COPY_MIB", "48"))
"""MiB of the file that is copied while its server restarts."""

RESTART_TIME = 300.0
"""Seconds for a server to come back."""


@pytest.fixture(scope="module")
def servers(guest_image: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ClientServers]:
    folder = tmp_path_factory.mktemp("servers")
    with ClientServers(guest_image, folder, disk=f"{COPIED + 200}M") as servers:
        yield servers


CASES = [(name, 3, claim) for name in SERVERS for claim in CLAIMS]
CASES += [("nfsd", 2, claim) for claim in CLAIMS if claim not in VERSION_3]


@pytest.mark.parametrize(("name", "version", "claim"), CASES)
def test_claim_holds_with_server(
    servers: ClientServers, name: str, version: int, claim: str
) -> None:
    server = servers[name]
    with server.host.network(), sync_connect(f"{server.url}?version={version}") as fs:
        fs.mkdir(f"{claim}-{version}")
        CLAIMS[claim](fs, f"{claim}-{version}")


def piece(number: int) -> bytes:
    """A MiB that no other piece has."""
    return hashlib.shake_128(number.to_bytes(4)).digest(PIECE)


@pytest.mark.parametrize("name", SERVERS)
def test_restart_loses_no_written_data(servers: ClientServers, name: str) -> None:
    server = servers[name]
    with (
        server.host.network(),
        sync_connect(server.url, timeout=RESTART_TIME) as fs,
        ThreadPoolExecutor(1) as pool,
    ):
        with fs.open("copy", "wb") as file:
            for number in range(COPIED):
                if number == COPIED // 2:  # WRITEs are in progress, and data not committed
                    server.kill()
                    restarted = pool.submit(server.serve)
                file.write(piece(number))
        restarted.result()

        with fs.open("copy") as file:
            same = [file.read(PIECE) == piece(number) for number in range(COPIED)]
            assert all(same), same.index(False)
            assert not file.read(1)
        fs.unlink("copy")
