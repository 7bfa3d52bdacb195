"""What cannot be served, and how that is told."""

from __future__ import annotations

import errno
import socket
from pathlib import Path
from typing import Any

import pytest

from oncrpc.addr import transport
from oncrpc.aio.client import connect
from oncrpc.aio.limits import Limits
from oncrpc.aio.serve import serve
from oncrpc.errors import AddressError
from oncrpc.net.sockets import listen
from oncrpc.rpc import Service
from support.echo import ECHO_V1, Echo
from support.loopback_peers import LOCALHOST, NETIDS
from support.loops import run

HOST = ("udp", "tcp", "udp6", "tcp6", "rawip", "local")


async def served(*services: Service, **options: Any) -> None:
    async with serve(*services, **options):
        pass


def test_without_services_there_is_nothing_to_serve() -> None:
    with pytest.raises(ValueError, match="serve needs at least one service"):
        run(served())


@pytest.mark.parametrize("port", [-1, 70000])
@pytest.mark.parametrize("options", [{}, {"transports": ["tcp"]}])
def test_invalid_port_is_refused(port: int, options: dict[str, Any]) -> None:
    with pytest.raises(AddressError, match=f"invalid port {port}"):
        run(served(Echo(), port=port, **options))


@pytest.mark.parametrize("netid", NETIDS)
def test_a_taken_address_is_reported_with_transport(netid: str) -> None:
    async def scenario() -> None:
        with listen(transport(netid), NETIDS[netid], 0) as taken:
            port = taken.getsockname()[1]
            with pytest.raises(OSError, match="Address already in use") as raised:
                await served(Echo(), transports=[netid], host=NETIDS[netid], port=port)
        assert raised.value.errno == errno.EADDRINUSE
        assert raised.value.strerror == (
            f"cannot serve {netid} on {NETIDS[netid]} port {port}: Address already in use"
        )

    run(scenario())


def test_a_foreign_address_is_reported_with_transport() -> None:
    with pytest.raises(OSError, match=r"cannot serve tcp on 192\.0\.2\.1 port 0: Cannot assign"):
        run(served(Echo(), transports=["tcp"], host="192.0.2.1"))


def test_an_unknown_name_is_reported_with_transport() -> None:
    with pytest.raises(socket.gaierror, match=r"cannot serve tcp on nosuchhost\.invalid port 0"):
        run(served(Echo(), transports=["tcp"], host="nosuchhost.invalid"))


@pytest.mark.parametrize(
    ("name", "kind", "why"),
    [
        ("none/socket", FileNotFoundError, "No such file or directory"),
        ("x" * 200, OSError, "AF_UNIX path too long"),
    ],
)
def test_unservable_path_is_reported(
    name: str, kind: type[OSError], why: str, tmp_path: Path
) -> None:
    path = str(tmp_path / name)

    with pytest.raises(kind, match=why) as raised:
        run(served(Echo(), transports=["local"], path=path))

    assert raised.value.errno
    assert raised.value.strerror == f"cannot serve local on {path}: {why}"


def test_an_address_of_an_interface_is_served(monkeypatch: pytest.MonkeyPatch) -> None:
    """Which interfaces have one differs: the loopback address stands for it."""
    asked: list[tuple[str, str]] = []

    def instead(entry: Any, host: str, port: int) -> socket.socket:
        asked.append((entry.netid, host))
        return listen(entry, "::1", port)

    monkeypatch.setattr("oncrpc.aio.serve.listen", instead)

    run(served(Echo(), host="fe80::1%lo"))

    assert asked == [("udp6", "fe80::1%lo"), ("tcp6", "fe80::1%lo")]


def test_a_scoped_address_binds_its_interface() -> None:
    """Nobody has the address; without its interface it would be invalid."""
    with pytest.raises(OSError, match=r"fe80::9:9%lo port 0: Cannot assign") as raised:
        run(served(Echo(), transports=["tcp6"], host="fe80::9:9%lo"))

    assert raised.value.errno == errno.EADDRNOTAVAIL


@pytest.mark.parametrize("host", [LOCALHOST, "::1"])
def test_a_served_host_is_reached_by_its_text(host: str) -> None:
    async def scenario() -> None:
        async with serve(Echo(), host=host) as server:
            [(_, uaddr)] = [item for item in server.addresses.items() if item[0][:3] == "tcp"]
            high, low = uaddr.split(".")[-2:]
            port = int(high) * 256 + int(low)
            async with connect(host, ECHO_V1.Client, port=port) as echo:
                assert await echo.ECHO(b"hello") == b"hello"

    run(scenario())


def test_a_local_socket_needs_a_path() -> None:
    with pytest.raises(ValueError, match="netid local needs a path"):
        run(served(Echo(), transports=["local"]))


def test_single_netid_is_not_a_list() -> None:
    with pytest.raises(TypeError, match=r"transports are netids, such as \('tcp',\)"):
        run(served(Echo(), transports="tcp"))


@pytest.mark.parametrize(
    ("options", "kind", "why"),
    [
        ({"limits": 5}, TypeError, "limits is of type Limits or Mapping, not 5"),
        ({"limits": {"tcp": 5}}, TypeError, "limits is of type Limits, not 5"),
        ({"limits": Limits(datagram=0)}, ValueError,
         "invalid datagram limit 0: must be 1 to 65507"),
        ({"host": 5}, TypeError, "host is of type str, not 5"),
        ({"path": b"sock"}, TypeError, "path is of type str, not b'sock'"),
        ({"port": "111"}, TypeError, "port is of type int, not '111'"),
        ({"auth": "sys"}, TypeError, "auth is of type Judge, not 'sys'"),
        ({"register": 7}, TypeError, "register is of type bool or str or MapperClient, not 7"),
        ({"hooks": len}, TypeError, "hooks is of type Sequence, not <built-in function len>"),
        ({"hooks": [7]}, TypeError, "hooks are callables that stand around a call, not 7"),
        ({"drain": None}, TypeError, "drain is a number of seconds, not None"),
        ({"drain": float("nan")}, ValueError, "drain is a number of seconds, not nan"),
        ({"transports": 7}, TypeError, "transports is of type Sequence, not 7"),
        ({"transports": ["tcp", 7]}, TypeError, "transports is of type str, not 7"),
        ({"transports": ["tcp", "pigeon"]}, AddressError,
         "transports: unknown netid 'pigeon'; this host has udp, tcp, udp6, tcp6, rawip, local"),
    ],
)  # fmt: skip
def test_an_invalid_argument_is_refused_before_binding(
    options: dict[str, Any], kind: type[Exception], why: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("oncrpc.aio.serve.listen", None)
    monkeypatch.setattr("oncrpc.net.targets.transports", lambda: HOST)

    with pytest.raises(kind) as raised:
        run(served(Echo(), **options))

    assert str(raised.value) == why


def test_a_relative_path_has_an_absolute_address(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def scenario() -> None:
        async with serve(Echo(), transports=["local"], path="sock") as server:
            assert server.addresses == {"local": str(tmp_path / "sock")}
            async with connect("sock", ECHO_V1.Client, transport="local") as echo:
                assert await echo.ECHO(b"hello") == b"hello"

    monkeypatch.chdir(tmp_path)
    run(scenario())


@pytest.mark.parametrize("service", [Echo, ECHO_V1, ECHO_V1.Service, None])
def test_invalid_service_is_refused(service: Any) -> None:
    with pytest.raises(TypeError, match="is not an instance of a Service"):
        run(served(service, transports=["tcp"], host=LOCALHOST))
