"""Looking up hosts."""

from __future__ import annotations

import errno
import socket

import pytest

from oncrpc.addr import transport
from oncrpc.errors import AddressError, HostUnknown, TransportError
from oncrpc.net.lookup import LookUp, is_name, look_up
from support.fake_resolver import Asked


def test_a_local_transport_needs_no_look_up() -> None:
    assert look_up(transport("local"), "@name", 0) == "\0name"


@pytest.mark.parametrize("host", ["nosuchhost.invalid", "a" * 70 + ".example", "::1"])
def test_host_without_address_of_family_is_unknown(host: str) -> None:
    with pytest.raises(HostUnknown):
        look_up(transport("tcp"), host, 111)


@pytest.mark.parametrize(
    ("netid", "host", "why"),
    [
        ("tcp", "nosuchhost.invalid", "unknown host 'nosuchhost.invalid'"),
        ("tcp", "::1", "'::1' is not an IPv4 address; try tcp6"),
        ("udp6", "127.0.0.1", "'127.0.0.1' is not an IPv6 address; try udp"),
        ("tcp6", "fe80::1%nosuch", "fe80::1: this host has no interface 'nosuch'"),
    ],
)
def test_unknown_host_error_names_port_transport_and_remedy(
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
def test_resolver_failures_have_their_own_texts(
    number: int, why: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise socket.gaierror(number, "no")

    monkeypatch.setattr(socket, "getaddrinfo", fail)

    with pytest.raises(HostUnknown, match=why) as raised:
        look_up(transport("tcp"), "six.example", 111)

    assert raised.value.errno == number


@pytest.mark.parametrize("port", [-1, 65536, 70000])
def test_invalid_port_is_refused_before_the_lookup(
    port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr(socket, "getaddrinfo")

    with pytest.raises(AddressError, match=f"^invalid port {port}: must be 0 to 65535$"):
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
def test_only_names_need_a_resolver(netid: str, host: str, asked: bool) -> None:
    assert is_name(transport(netid), host) is asked


def test_wait_returns_the_address() -> None:
    assert LookUp(transport("tcp"), "127.0.0.1", 111).wait(10.0) == ("127.0.0.1", 111)


def test_failed_lookup_raises_the_resolver_error(no_name_server: Asked) -> None:
    found = LookUp(transport("tcp"), "files.example", 111)
    no_name_server.wait()
    no_name_server.answers()

    with pytest.raises(HostUnknown, match="no name server answers"):
        found.wait(0.0)


@pytest.mark.parametrize("timeout", [0.0, -1.0, 0.01])
def test_slow_lookup_times_out(timeout: float, no_name_server: Asked) -> None:
    found = LookUp(transport("tcp"), "files.example", 111)

    with pytest.raises(TransportError, match="no name server answered in time") as raised:
        found.wait(timeout)

    assert raised.value.errno == errno.ETIMEDOUT
    assert no_name_server.wait()


def test_invalid_host_name_is_unknown() -> None:
    with pytest.raises(HostUnknown, match="unknown host"):
        look_up(transport("tcp"), "a\0b", 111)


def test_scope_of_an_ipv6_address_is_kept() -> None:
    index = socket.if_nametoindex("lo")

    assert look_up(transport("tcp6"), "fe80::1%lo", 111) == ("fe80::1", 111, 0, index)
