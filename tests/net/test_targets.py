"""Sockets of a transport, and who is at the other end."""

from __future__ import annotations

import errno
import os
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from oncrpc import sync
from oncrpc.addr import NC_TPI_COTS, Transport, transport
from oncrpc.errors import AddressError, HostUnknown, TransportError
from oncrpc.net import targets as endpoint
from oncrpc.net.sockets import listen_local
from oncrpc.net.targets import (
    RESERVED_PORTS,
    LookUp,
    bind_reserved,
    first_of,
    is_name,
    local_address,
    look_up,
    netids_for,
    peer_of,
    peer_pid,
    peer_pidfd,
    peer_uid,
    place_of,
    socket_of,
    started_at,
)
from oncrpc.rpcbind import Binder
from support.fake_resolver import Asked

NOBODY = 65534


def test_a_family_without_sockets_is_refused() -> None:
    with pytest.raises(AddressError, match="no sockets of family 'x25'"):
        socket_of(Transport("x25", NC_TPI_COTS, True, "x25", "-"))


def test_an_at_sign_names_an_abstract_socket() -> None:
    assert local_address("@name") == "\0name"
    assert local_address("/run/rpcbind.sock") == "/run/rpcbind.sock"


def test_a_local_transport_needs_no_look_up() -> None:
    assert look_up(transport("local"), "@name", 0) == "\0name"


@pytest.mark.parametrize("host", ["nosuchhost.invalid", "a" * 70 + ".example", "::1"])
def test_a_name_without_an_address_of_the_family_is_unknown(host: str) -> None:
    with pytest.raises(HostUnknown):
        look_up(transport("tcp"), host, 111)


@pytest.mark.parametrize(
    ("netid", "host", "why"),
    [
        ("tcp", "nosuchhost.invalid", "unknown host 'nosuchhost.invalid'"),
        ("tcp", "::1", "'::1' is no IPv4 address; try tcp6"),
        ("udp6", "127.0.0.1", "'127.0.0.1' is no IPv6 address; try udp"),
        ("tcp6", "fe80::1%nosuch", "fe80::1 has no interface 'nosuch' on this host"),
    ],
)
def test_an_unknown_host_is_told_with_port_transport_and_a_way_on(
    netid: str, host: str, why: str
) -> None:
    with pytest.raises(HostUnknown) as raised:
        look_up(transport(netid), host, 111)

    assert str(raised.value) == f"port 111 over {netid}: {why}"


@pytest.mark.parametrize(
    ("number", "why"),
    [
        (socket.EAI_ADDRFAMILY, "'six.example' has no IPv4 address; try tcp6"),
        (socket.EAI_NODATA, "'six.example' has no IPv4 address; try tcp6"),
        (socket.EAI_AGAIN, "'six.example' cannot be looked up now: no name server answers"),
    ],
)
def test_what_the_resolver_says_is_told(
    number: int, why: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise socket.gaierror(number, "no")

    monkeypatch.setattr(socket, "getaddrinfo", fail)

    with pytest.raises(HostUnknown, match=why) as raised:
        look_up(transport("tcp"), "six.example", 111)

    assert raised.value.errno == number


@pytest.mark.parametrize("port", [-1, 65536, 70000])
def test_what_is_no_port_is_refused_before_anybody_is_asked(
    port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr(socket, "getaddrinfo")

    with pytest.raises(AddressError, match=f"^{port} is no port: 0 to 65535 are$"):
        look_up(transport("tcp"), "host.example", port)


@pytest.mark.parametrize(
    ("netid", "host", "asked"),
    [
        ("tcp", "files.example", True),
        ("tcp", "192.0.2.1", False),
        ("tcp", "fe80::1%eth0", False),
        ("local", "sock", False),
    ],
)
def test_somebody_is_asked_for_a_name_only(netid: str, host: str, asked: bool) -> None:
    assert is_name(transport(netid), host) is asked


def test_a_look_up_that_is_waited_for_gives_the_address() -> None:
    assert LookUp(transport("tcp"), "127.0.0.1", 111).wait(10.0) == ("127.0.0.1", 111)


def test_a_look_up_that_fails_raises_what_the_resolver_says(no_name_server: Asked) -> None:
    found = LookUp(transport("tcp"), "files.example", 111)
    no_name_server.wait()
    no_name_server.answers()

    with pytest.raises(HostUnknown, match="no name server answers"):
        found.wait(0.0)


@pytest.mark.parametrize("timeout", [0.0, -1.0, 0.01])
def test_a_look_up_that_takes_too_long_is_left_to_itself(
    timeout: float, no_name_server: Asked
) -> None:
    found = LookUp(transport("tcp"), "files.example", 111)

    with pytest.raises(TransportError, match="no name server answered in time") as raised:
        found.wait(timeout)

    assert raised.value.errno == errno.ETIMEDOUT
    assert no_name_server.wait()


def test_what_is_no_host_name_is_unknown() -> None:
    with pytest.raises(HostUnknown, match="unknown host"):
        look_up(transport("tcp"), "a\0b", 111)


def test_an_address_of_an_interface_keeps_it() -> None:
    index = socket.if_nametoindex("lo")

    assert look_up(transport("tcp6"), "fe80::1%lo", 111) == ("fe80::1", 111, 0, index)


def test_a_place_is_named_with_host_port_and_transport() -> None:
    assert place_of(transport("udp6"), "::1", 111) == "::1 port 111 over udp6"
    assert place_of(transport("local"), "/run/rpcbind.sock", 0) == "/run/rpcbind.sock over local"


@pytest.mark.parametrize(
    ("netid", "host", "netids"),
    [
        ("tcp", "127.0.0.1", ("tcp",)),
        ("tcp", "::1", ("tcp6",)),
        ("udp", "fe80::1%lo", ("udp6",)),
        ("udp", "host.example", ("udp", "udp6")),
        ("tcp6", "::1", ("tcp6",)),
        ("tcp6", "127.0.0.1", ("tcp6",)),
        ("local", "/run/rpcbind.sock", ("local",)),
        ("nosuch", "host.example", ("nosuch",)),
    ],
)
def test_an_ipv6_host_is_reached_over_the_transport_of_that_version(
    netid: str, host: str, netids: tuple[str, ...]
) -> None:
    assert netids_for(netid, host) == netids


class Reaching:
    """Reaches over some netids; over the others the host is unknown."""

    def __init__(self, *known: str) -> None:
        self.known = known
        self.tried: list[str] = []

    async def __call__(self, netid: str) -> str:
        self.tried.append(netid)
        if netid not in self.known:
            raise HostUnknown(socket.EAI_NODATA, f"not over {netid}")
        return netid


def test_the_first_transport_for_which_there_is_an_address_is_taken() -> None:
    reaching = Reaching("udp6", "tcp")

    assert sync.run(first_of(("udp", "udp6", "tcp"), reaching)) == "udp6"


def test_without_an_address_the_first_reason_is_raised() -> None:
    reaching = Reaching()

    with pytest.raises(HostUnknown, match=r"not over tcp$"):
        sync.run(first_of(("tcp", "tcp6"), reaching))

    assert reaching.tried == ["tcp", "tcp6"]


def test_the_peer_of_a_local_socket_is_known() -> None:
    one, two = socket.socketpair()
    with one, two:
        assert peer_uid(one) == os.geteuid()


def test_a_peer_that_has_gone_is_a_transport_error() -> None:
    with socket.socket() as sock, pytest.raises(TransportError) as caught:
        peer_of(sock, "127.0.0.1")

    assert caught.value.errno == errno.ENOTCONN


def squatted(name: str) -> socket.socket:
    """An abstract socket on which another user than root listens."""
    os.seteuid(NOBODY)
    try:
        return listen_local(name)
    finally:
        os.seteuid(0)


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to be two users")
def test_an_abstract_socket_of_another_user_is_not_told_what_we_register(tmp_path: Path) -> None:
    name = f"@{tmp_path}/squatted"

    with squatted(name), pytest.raises(TransportError, match="another user than root") as caught:
        sync.run(sync.dial("local", name, 0))

    assert caught.value.errno == errno.EACCES


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to be two users")
def test_registration_passes_over_an_abstract_socket_of_another_user(tmp_path: Path) -> None:
    name, path = f"@{tmp_path}/squatted", str(tmp_path / "sock")

    with squatted(name), listen_local(path):
        link = sync.run(Binder(sync.dial, sockets=(name, path))._dial_local())

    assert link.peer == path
    link.close()


@pytest.mark.skipif(os.geteuid() != 0, reason="needs a privilege")
@pytest.mark.parametrize("family", [socket.AF_INET, socket.AF_INET6])
def test_a_reserved_port_is_one_of_bindresvport(family: int) -> None:
    with socket.socket(family, socket.SOCK_DGRAM) as one, socket.socket(family) as two:
        bind_reserved(one)
        bind_reserved(two)

        assert one.getsockname()[1] in RESERVED_PORTS
        assert two.getsockname()[1] in RESERVED_PORTS


class Refusing(socket.socket):
    """A socket on which no port can be had."""

    number = errno.EADDRINUSE

    def bind(self, address: object) -> None:
        raise OSError(self.number, os.strerror(self.number))


@pytest.mark.parametrize("number", [errno.EADDRINUSE, errno.EACCES])
def test_without_a_port_or_a_privilege_there_is_an_error(number: int) -> None:
    sock = Refusing()
    sock.number = number

    with sock, pytest.raises(OSError, match=os.strerror(number)) as caught:
        bind_reserved(sock)

    assert caught.value.errno == number


def test_a_local_socket_has_no_reserved_port() -> None:
    with socket.socket(socket.AF_UNIX) as sock, pytest.raises(ValueError, match="no port"):
        bind_reserved(sock)


class OldKernel(socket.socket):
    """A socket of a kernel before 6.5, which has only the peer's number."""

    def getsockopt(self, *asked: Any) -> Any:
        if asked == (socket.SOL_SOCKET, endpoint.SO_PEERPIDFD):
            raise OSError(errno.ENOPROTOOPT, os.strerror(errno.ENOPROTOOPT))
        return super().getsockopt(*asked)


@pytest.fixture(params=[socket.socket, OldKernel])
def connected(request: pytest.FixtureRequest) -> Iterator[socket.socket]:
    """A local socket whose peer is of this process."""
    ours, theirs = socket.socketpair()
    with theirs, request.param(fileno=ours.detach()) as sock:
        yield sock


def test_the_process_of_a_local_peer_is_known(connected: socket.socket) -> None:
    pidfd = peer_pidfd(connected, time.clock_gettime(time.CLOCK_BOOTTIME))
    try:
        about = Path(f"/proc/self/fdinfo/{pidfd}").read_text()
    finally:
        os.close(pidfd)

    assert peer_pid(connected) == os.getpid()
    assert f"Pid:\t{os.getpid()}\n" in about
    assert not os.path.exists(f"/proc/self/fd/{pidfd}")


def test_a_process_that_began_after_the_connection_is_not_its_peer() -> None:
    ours, theirs = socket.socketpair()
    with theirs, OldKernel(fileno=ours.detach()) as sock, pytest.raises(ProcessLookupError):
        peer_pidfd(sock, 0.0)


def test_any_other_refusal_of_the_kernel_is_an_error() -> None:
    with socket.socket() as sock, pytest.raises(OSError, match=r"."):
        peer_pidfd(sock, 0.0)


def test_a_process_is_known_by_when_it_was_started() -> None:
    started = started_at(os.getpid())

    now = time.clock_gettime(time.CLOCK_BOOTTIME)
    assert started is not None
    assert 0 < started / os.sysconf("SC_CLK_TCK") <= now
    assert started_at(2**22 + 1) is None


def test_a_process_that_has_ended_is_not_there_even_if_nobody_waits_for_it() -> None:
    child = os.posix_spawn("/bin/true", ["true"], {})
    os.waitid(os.P_PID, child, os.WEXITED | os.WNOWAIT)

    assert started_at(child) is None

    os.waitpid(child, 0)


def test_a_process_that_is_hidden_began_long_ago() -> None:
    assert endpoint._began_at(2**22 + 1) == 0.0
