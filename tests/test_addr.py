"""Netids and universal addresses (RFC 5665)."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oncrpc import addr
from oncrpc.addr import (
    NC_TPI_CLTS,
    NC_TPI_COTS_ORD,
    STANDARD,
    Transport,
    family_of,
    is_netid,
    join_uaddr,
    local_address,
    split_uaddr,
    transport,
    transports,
)
from oncrpc.errors import AddressError

NETCONFIG = """\
# a comment
udp        tpi_clts      v     inet     udp     -       -
tcp        tpi_cots_ord  v     inet     tcp     -       -

local      tpi_cots_ord  -     loopback  -      -       -
strange    tpi_magic     v     inet     tcp     -       -
short      tpi_clts      v     inet
"""


@pytest.fixture
def netconfig(tmp_path: Path) -> str:
    path = tmp_path / "netconfig"
    path.write_text(NETCONFIG)
    return str(path)


def test_transports_are_in_order_of_netconfig(netconfig: str) -> None:
    assert list(transports(netconfig).values()) == [
        Transport("udp", NC_TPI_CLTS, True, "inet", "udp"),
        Transport("tcp", NC_TPI_COTS_ORD, True, "inet", "tcp"),
        Transport("local", NC_TPI_COTS_ORD, False, "loopback", "-"),
    ]


def test_without_netconfig_the_standard_transports_are_there(tmp_path: Path) -> None:
    assert tuple(transports(str(tmp_path / "none")).values()) == STANDARD


def test_a_transport_knows_whether_it_sends_datagrams() -> None:
    assert [entry.netid for entry in STANDARD if entry.datagram] == ["udp", "udp6"]


@pytest.fixture
def standard(monkeypatch: pytest.MonkeyPatch) -> None:
    found = {entry.netid: entry for entry in STANDARD}
    monkeypatch.setattr(addr, "transports", lambda path=None: found)


@pytest.mark.usefixtures("standard")
def test_netids_are_compared_without_case() -> None:
    assert transport("TCP6") is transport("tcp6")
    assert is_netid("Udp")


@pytest.mark.usefixtures("standard")
def test_unknown_netid_is_an_address_error() -> None:
    with pytest.raises(AddressError, match="unknown netid 'sctp'"):
        transport("sctp")


@pytest.mark.usefixtures("standard")
@pytest.mark.parametrize(
    ("netid", "known"),
    [("tcp", True), ("local", True), ("sctp6", True), ("rdma", True), ("-", True), ("xyz", False)],
)
def test_netid_is_of_the_host_or_registry(netid: str, known: bool) -> None:
    assert is_netid(netid) is known


@pytest.mark.parametrize(
    ("uaddr", "host", "port"),
    [
        ("192.0.2.1.8.1", "192.0.2.1", 2049),
        ("0.0.0.0.0.111", "0.0.0.0", 111),
        ("::1.0.111", "::1", 111),
        ("::ffff:192.0.2.1.255.255", "::ffff:192.0.2.1", 65535),
        ("::.0.0", "::", 0),
    ],
)
def test_the_last_two_numbers_are_the_port(uaddr: str, host: str, port: int) -> None:
    assert split_uaddr(uaddr) == (host, port)
    assert join_uaddr(host, port) == uaddr


hosts = st.integers(0, 2**32 - 1).map(IPv4Address) | st.integers(0, 2**128 - 1).map(IPv6Address)


@given(hosts.map(str), st.integers(0, 65535))
def test_an_address_comes_back_from_its_text(host: str, port: int) -> None:
    assert split_uaddr(join_uaddr(host, port)) == (host, port)


def test_a_scope_is_left_out() -> None:
    assert join_uaddr("fe80::1%eth0", 111) == "fe80::1.0.111"


@pytest.mark.parametrize(
    "uaddr",
    [
        "", "1", "1.2", "192.0.2.1", "192.0.2.1.8", "192.0.2.1.8.256", "192.0.2.1.8.-1",
        "192.0.2.1.8.", "192.0.2.1..1", "192.0.2.256.8.1", "192.0.2.8.1.8.1.1", "host.8.1",
        "::g.8.1", "fe80::1%lo.8.1", "/run/rpcbind.sock", "192.0.2.1.8.0001", "192.0.2.1.8.\u0661",
        "192.0.2.1\0.8.1", "\udcff::.8.1",
    ],
)  # fmt: skip
def test_invalid_universal_address_is_refused(uaddr: str) -> None:
    with pytest.raises(AddressError):
        split_uaddr(uaddr)


@given(st.text(st.characters(codec=None), max_size=30) | st.text("0123456789.:", max_size=30))
def test_any_text_is_parsed_or_an_address_error(uaddr: str) -> None:
    try:
        host, port = split_uaddr(uaddr)
    except AddressError:
        return

    assert family_of(host) in ("inet", "inet6")
    assert 0 <= port <= 65535


@pytest.mark.parametrize(
    ("host", "family"), [("127.0.0.1", "inet"), ("::1", "inet6"), ("::ffff:1.2.3.4", "inet6")]
)
def test_a_numeric_host_has_a_family(host: str, family: str) -> None:
    assert family_of(host) == family


@pytest.mark.parametrize("host", ["localhost", "", "1.2.3", "1:2"])
def test_a_name_has_no_family(host: str) -> None:
    with pytest.raises(AddressError):
        family_of(host)


def test_an_at_sign_names_an_abstract_socket() -> None:
    assert local_address("@name") == "\0name"
    assert local_address("/run/rpcbind.sock") == "/run/rpcbind.sock"
