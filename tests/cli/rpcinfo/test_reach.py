from __future__ import annotations

import errno
from pathlib import Path

import pytest

from oncrpc import sync
from oncrpc.cli.command import Failure
from oncrpc.cli.rpcinfo import reach as module
from oncrpc.cli.rpcinfo.options import RpcinfoRequest
from oncrpc.cli.rpcinfo.reach import Reach, split_address
from oncrpc.cli.rpcinfo.trouble import HostTrouble, Trouble
from oncrpc.errors import AddressError, TransportError
from oncrpc.sync import SocketLink
from support.fake_mapper import port_mapper
from support.scripted_server import Server


class Asked:
    """Dials nothing, and remembers what was to be dialled; ``answer`` says what fails."""

    def __init__(self) -> None:
        self.dialled: list[tuple[str, str, int]] = []
        self.unreachable: set[str] = set()

    async def dial(self, netid: str, host: str, port: int) -> SocketLink:
        self.dialled.append((netid, host, port))
        if netid in self.unreachable:
            raise TransportError.number(errno.ECONNREFUSED)
        raise Trouble("reached")


@pytest.fixture
def asked() -> Asked:
    return Asked()


@pytest.fixture
def reach(asked: Asked, monkeypatch: pytest.MonkeyPatch) -> Reach:
    made = Reach(RpcinfoRequest(), timeout=1.0)
    monkeypatch.setattr(made, "dial", asked.dial)
    return made


def test_port_mapper_is_asked_over_tcp_then_udp(reach: Reach, asked: Asked) -> None:
    asked.unreachable = {"tcp"}

    with pytest.raises(Trouble, match="reached"):
        sync.run(reach.port_mapper("127.0.0.1"))

    assert asked.dialled == [("tcp", "127.0.0.1", 111), ("udp", "127.0.0.1", 111)]


def test_last_error_is_reported(reach: Reach, asked: Asked) -> None:
    asked.unreachable = {"tcp", "udp"}

    with pytest.raises(Trouble, match="Remote system error - Connection refused"):
        sync.run(reach.port_mapper("127.0.0.1"))


def test_a_host_is_asked_over_its_own_family(reach: Reach, asked: Asked) -> None:
    with pytest.raises(Trouble, match="reached"):
        sync.run(reach.port_mapper("::1"))

    assert asked.dialled[0] == ("tcp6", "::1", 111)
    assert {netid for netid, _, _ in asked.dialled} == {"tcp6", "udp6"}


def test_unknown_host_has_the_c_librarys_text(reach: Reach) -> None:
    with pytest.raises(HostTrouble, match=r"^RPC: \(unknown error code\)$"):
        sync.run(reach.port_mapper("127.0.0.1..x"))


def test_abstract_socket_is_tried_before_the_path(reach: Reach, asked: Asked) -> None:
    asked.unreachable = {"local"}

    with pytest.raises(Trouble, match="Connection refused"):
        sync.run(reach.local())

    assert [host for _, host, _ in asked.dialled] == ["@/run/rpcbind.sock", "/run/rpcbind.sock"]


def test_link_local_address_keeps_its_scope(reach: Reach, asked: Asked) -> None:
    with pytest.raises(Trouble, match="reached"):
        sync.run(reach.at("tcp6", "fe80::1.8.1", scope="lan0"))

    assert asked.dialled == [("tcp6", "fe80::1%lan0", 2049)]


def test_an_address_of_another_family_is_none(reach: Reach) -> None:
    with pytest.raises(Trouble, match="unknown error code"):
        sync.run(reach.at("tcp", "::1.8.1"))


def test_a_protocol_without_a_transport_is_unknown(
    reach: Reach, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "transports", dict)

    with pytest.raises(Trouble, match="RPC: Unknown protocol"):
        sync.run(reach.port_by("tcp", "127.0.0.1", 1))


def test_family_that_the_host_lacks_is_skipped() -> None:
    server = Server(port_mapper())
    port = server.tcp("::1")

    with server, sync.run(Reach(RpcinfoRequest(), timeout=5.0).port_by("tcp", "::1", port)) as link:
        assert link.peer == f"::1.{port >> 8}.{port & 255}"


def test_local_program_is_looked_up_locally(tmp_path: Path) -> None:
    request = RpcinfoRequest()
    request.socket = str(tmp_path / "none")

    with pytest.raises(Failure, match=r"mapper at .*/none: No such file or directory$"):
        sync.run(Reach(request, timeout=1.0).program("local", "ignored", 100003, 3))


@pytest.mark.parametrize(
    ("netid", "uaddr", "place"),
    [
        ("tcp", "127.0.0.1.8.1", ("127.0.0.1", 2049)),
        ("udp6", "::1.0.111", ("::1", 111)),
        ("local", "/run/rpcbind.sock", ("/run/rpcbind.sock", 0)),
        ("local", "@abstract", ("@abstract", 0)),
    ],
)
def test_a_universal_address_is_a_place(netid: str, uaddr: str, place: tuple[str, int]) -> None:
    assert split_address(netid, uaddr) == place


@pytest.mark.parametrize(
    ("netid", "uaddr"), [("tcp", "::1.8.1"), ("tcp6", "127.0.0.1.8.1"), ("local", "name")]
)
def test_an_address_of_another_transport_is_no_place(netid: str, uaddr: str) -> None:
    with pytest.raises(AddressError):
        split_address(netid, uaddr)
