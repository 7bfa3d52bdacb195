"""Passed sockets (socket activation): their netids, and which are refused."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from oncrpc.addr import transport
from oncrpc.daemon.activation import Passed, given, passed_by_manager, stored_name
from oncrpc.daemon.config.values import StartError
from oncrpc.daemon.listeners import Listeners, open_listeners
from oncrpc.net.sockets import listen, listen_local
from support.daemons import LOCALHOST, local, setup

LOOPBACK = setup(port=0, local=False, bind=(LOCALHOST, "::1")).wanted()


@pytest.fixture
def opened() -> Iterator[list[Listeners]]:
    """Listeners to close after the test."""
    made: list[Listeners] = []
    yield made
    for listeners in made:
        listeners.close()


def free_port() -> int:
    """A port that is free on all transports."""
    listeners = open_listeners(LOOPBACK)
    port: int = listeners.sockets[0][0].getsockname()[1]
    listeners.close()
    return port


def passed(sock: socket.socket, **known: Any) -> Passed:
    """A socket as the service manager passes it."""
    return Passed(sock.detach(), **known)


def environ(**variables: object) -> dict[str, str]:
    return {"HOME": "/", **{name: str(value) for name, value in variables.items()}}


def test_environment_counts_and_names_passed_descriptors() -> None:
    said = environ(
        LISTEN_PID=os.getpid(), LISTEN_FDS=3, LISTEN_FDNAMES="rpcbind.socket:portmap-udp"
    )

    found = passed_by_manager("portmap", said)

    assert found == [Passed(3, foreign=True), Passed(4, stored=True), Passed(5, foreign=True)]
    assert said == {"HOME": "/"}


def test_stored_socket_of_extra_port_has_its_role() -> None:
    names = f"{stored_name('nfsd', 'tcp6', 'mapper')}:{stored_name('nfsd', 'tcp6')}"
    said = environ(LISTEN_PID=os.getpid(), LISTEN_FDS=2, LISTEN_FDNAMES=names)

    found = passed_by_manager("nfsd", said)

    assert found == [Passed(3, stored=True, role="mapper"), Passed(4, stored=True)]


@pytest.mark.parametrize(
    "said",
    [
        environ(),
        environ(LISTEN_FDS=1),
        environ(LISTEN_PID=1, LISTEN_FDS=1),
        environ(LISTEN_PID=os.getpid(), LISTEN_FDS="many"),
        environ(LISTEN_PID=os.getpid(), LISTEN_FDS="1" + "0" * 11),
    ],
    ids=["nothing", "to nobody", "to another process", "no number", "too many"],
)
def test_descriptors_of_another_process_are_left_alone(said: dict[str, str]) -> None:
    assert passed_by_manager("portmap", said) == []
    assert said == {"HOME": "/"}


@pytest.mark.parametrize("netid", ["udp", "tcp", "udp6", "tcp6"])
def test_netid_follows_from_family_and_type(netid: str) -> None:
    host = "::1" if netid.endswith("6") else LOCALHOST

    (found,) = given([passed(listen(transport(netid), host, 0))])

    with found.sock as sock:
        assert found.netid == netid
        assert not sock.getblocking()
        assert not sock.get_inheritable()


def test_passed_socket_replaces_ours_and_keeps_port(
    opened: list[Listeners],
) -> None:
    port = free_port()
    theirs = listen(transport("tcp"), LOCALHOST, port)

    opened.append(open_listeners(LOOPBACK, [passed(theirs, foreign=True)]))

    places = [(netid, sock.getsockname()[1]) for sock, netid in opened[0].sockets]
    assert sorted(places) == [("tcp", port), ("tcp6", port), ("udp", port), ("udp6", port)]


def test_passed_datagram_socket_reports_destination_address(
    opened: list[Listeners],
) -> None:
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.bind((LOCALHOST, free_port()))

    opened.append(open_listeners(LOOPBACK, [passed(sock, foreign=True)]))

    (found,) = (sock for sock, netid in opened[0].sockets if netid == "udp")
    assert found.getsockopt(socket.IPPROTO_IP, getattr(socket, "IP_PKTINFO", 8)) == 1


def test_local_sockets_are_told_apart_by_their_paths(
    tmp_path: Path, opened: list[Listeners]
) -> None:
    config = local(tmp_path)
    other = str(tmp_path / "other")
    theirs = [passed(listen_local(path), foreign=True) for path in (other, config.sockets[0])]

    opened.append(open_listeners(config.wanted(), theirs))

    paths = [sock.getsockname() for sock, netid in opened[0].sockets if netid == "local"]
    assert paths == [config.sockets[0], f"\0{config.sockets[1][1:]}".encode(), other]
    assert opened[0].own_paths() == []


def test_stored_socket_with_missing_file_is_reopened(
    tmp_path: Path, opened: list[Listeners]
) -> None:
    config = local(tmp_path)
    stale = listen_local(config.sockets[0])
    os.unlink(config.sockets[0])

    opened.append(open_listeners(config.wanted(), [passed(stale, stored=True)]))

    with socket.socket(socket.AF_UNIX) as client:
        client.connect(config.sockets[0])
    assert opened[0].own_paths() == [config.sockets[0]]


def test_unwanted_passed_sockets_are_closed(opened: list[Listeners]) -> None:
    theirs = listen(transport("tcp6"), "::1", 0)
    config = setup(port=0, local=False, bind=(LOCALHOST,), families=("ipv4",)).wanted()

    opened.append(open_listeners(config, [passed(theirs, foreign=True)]))

    assert [netid for _, netid in opened[0].sockets] == ["udp", "tcp"]


def test_unbindable_addresses_beside_passed_ones_are_skipped(
    opened: list[Listeners], caplog: pytest.LogCaptureFixture
) -> None:
    with listen(transport("udp"), LOCALHOST, 0) as taken:
        port = taken.getsockname()[1]
        theirs = listen(transport("tcp"), LOCALHOST, 0)
        config = setup(port=port, local=False, bind=(LOCALHOST,), families=("ipv4",)).wanted()
        opened.append(open_listeners(config, [passed(theirs)], lenient=True))

    assert [netid for _, netid in opened[0].sockets] == ["tcp"]
    assert "is not served until the next start" in caplog.text


def connected() -> socket.socket:
    ours, theirs = socket.socketpair()
    theirs.close()
    return ours


def unnamed(family: int, kind: int) -> socket.socket:
    return socket.socket(family, kind)


def dual_stack() -> socket.socket:
    sock = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
    sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
    sock.bind(("::", 0))
    return sock


@pytest.mark.parametrize(
    ("sock", "line"),
    [
        (
            connected,
            r"^the stream socket , which was passed to us, does not listen; set Accept=no$",
        ),
        (dual_stack, r"^the datagram socket ::\.\d+\.\d+, .* serves IPv4 too; set BindIPv6Only="),
        (
            lambda: unnamed(socket.AF_UNIX, socket.SOCK_DGRAM),
            r"has a type that is not served$",
        ),
        (
            lambda: unnamed(socket.AF_NETLINK, socket.SOCK_DGRAM),
            r"^the datagram socket of descriptor \d+, which was passed to us, has a type",
        ),
    ],
    ids=["connected", "dual stack", "local datagrams", "netlink"],
)
def test_a_socket_that_cannot_be_served_is_refused(sock: object, line: str) -> None:
    with pytest.raises(StartError, match=line):
        list(given([passed(sock())]))  # type: ignore[operator]  # each of them makes one


def test_passed_file_is_refused() -> None:
    line = r"^descriptor \d+, which was passed to us, is not a socket$"
    with open(os.devnull, "rb") as file, pytest.raises(StartError, match=line):
        list(given([Passed(file.fileno())]))


def test_closed_descriptor_is_refused() -> None:
    with pytest.raises(StartError, match=r"^descriptor 987654 was not passed to us: Bad file"):
        list(given([Passed(987654)]))


def test_stored_sockets_are_named_after_their_netids() -> None:
    assert stored_name("portmap", "udp6") == "portmap-udp6"
