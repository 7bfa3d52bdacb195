"""``oncrpc.nfs.nsm.rpc_monitors``: hosts that are watched for programs of this host."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Mapping

import pytest

from oncrpc.nfs.background import NotNow
from oncrpc.nfs.nsm.entries import RpcMonitor
from oncrpc.nfs.nsm.kept import KeptList
from oncrpc.nfs.nsm.rpc_monitors import RpcMonitors, addresses_of
from oncrpc.testing import ManualClock


def monitor(name: bytes, vers: int = 3, **fields: int) -> RpcMonitor:
    return RpcMonitor(name, b"host", 100021, vers, 16, bytes(16), **fields)


def monitors(*names: bytes, addresses: Mapping[bytes, frozenset[str]] | None = None) -> RpcMonitors:
    known = addresses or {}
    made = RpcMonitors(
        KeptList(None),
        look_up=lambda name: known.get(name, frozenset()),
        clock=ManualClock(),
    )
    for name in names:
        made.add(monitor(name))
    return made


async def settled(found: RpcMonitors, host: str, name: bytes) -> list[bytes]:
    """The names of the monitors that a notice is about, when all names are looked up."""
    while not found.find(host, name)[1]:
        await asyncio.sleep(0)
    return [each.mon_name for each in found.find(host, name)[0]]


def names_at(found: RpcMonitors, host: str, name: bytes) -> list[bytes]:
    return asyncio.run(settled(found, host, name))


def test_notice_matches_by_address() -> None:
    found = monitors(b"192.0.2.1", b"192.0.2.2")

    assert names_at(found, "192.0.2.1", b"whatever") == [b"192.0.2.1"]
    assert names_at(found, "192.0.2.3", b"192.0.2.1") == []


def test_mapped_address_is_that_of_ipv4() -> None:
    found = monitors(b"::ffff:192.0.2.1")

    assert names_at(found, "192.0.2.1", b"client") == [b"::ffff:192.0.2.1"]


def test_notice_matches_by_name_and_its_address() -> None:
    found = monitors(b"Client.example", addresses={b"client.example": frozenset({"192.0.2.1"})})

    assert names_at(found, "192.0.2.1", b"client") == [b"Client.example"]
    assert names_at(found, "192.0.2.1", b"client.other") == []
    assert names_at(found, "192.0.2.9", b"client.example") == []


def test_alias_matches_by_its_address() -> None:
    async def scenario() -> list[bytes]:
        found = monitors(b"alias", addresses={b"alias": frozenset({"192.0.2.1"})})
        found.start()
        while not found.find("192.0.2.1", b"real")[0]:
            await asyncio.sleep(0)
        names = await settled(found, "192.0.2.1", b"real")
        found.remove(monitor(b"alias").key)
        assert await settled(found, "192.0.2.1", b"real") == []
        return names

    assert asyncio.run(scenario()) == [b"alias"]


def test_removed_monitor_is_not_found() -> None:
    found = monitors(b"192.0.2.1", b"client", addresses={b"client": frozenset({"192.0.2.1"})})

    found.remove(monitor(b"192.0.2.1").key)
    found.remove(monitor(b"CLIENT").key)

    assert names_at(found, "192.0.2.1", b"client") == []
    assert found.remove(monitor(b"client").key) is None


def test_programs_watch_a_host_apart() -> None:
    found = monitors(b"192.0.2.1")
    found.add(monitor(b"192.0.2.1", vers=4))

    found.remove_all(b"HOST", 100021, 3, 16)

    assert [each.vers for each in found.find("192.0.2.1", b"x")[0]] == [4]


def test_new_private_data_replaces_the_old() -> None:
    found = monitors(b"192.0.2.1")
    known = found.restart(found.find("192.0.2.1", b"")[0][0], 7)
    assert known is not None

    found.add(monitor(b"192.0.2.1")._replace(priv=b"\1" * 16))

    assert found.find("192.0.2.1", b"")[0] == [known._replace(priv=b"\1" * 16)]


def test_state_that_is_not_newer_is_ignored() -> None:
    found = monitors(b"192.0.2.1")

    assert found.restart(monitor(b"192.0.2.1", state=7), 7) is None
    assert found.restart(monitor(b"192.0.2.1", state=7), 9) is not None


def test_system_looks_up_addresses() -> None:
    assert addresses_of(b"127.0.0.1") == {"127.0.0.1"}


@pytest.mark.parametrize("name", [b"\xff", b"x" * 64 + b".invalid"])
def test_name_without_address_has_none(name: bytes) -> None:
    assert addresses_of(name) == frozenset()


def test_name_service_may_fail_for_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")

    monkeypatch.setattr(socket, "getaddrinfo", fail)

    with pytest.raises(NotNow):
        addresses_of(b"client")
