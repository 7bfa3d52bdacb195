"""Universal addresses as the C structures that Linux has, and back."""

from __future__ import annotations

import sys

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from oncrpc.addr import transport
from oncrpc.portmap.sockaddr import sockaddr_of, uaddr_of
from oncrpc.programs.rpcb import netbuf
from oncrpc.xdr import codec

pytestmark = pytest.mark.skipif(
    sys.byteorder != "little", reason="the C daemon's bytes were recorded where it is little"
)

NFS_OVER_UDP = bytes.fromhex(
    "00000010 00000010"  # maxlen, length
    "0200 006f"  # family in the host's order, port 111
    "0a090001"  # 10.9.0.1
    "0000000000000000"
)
OVER_TCP6 = bytes.fromhex(
    "0000001c 0000001c"
    "0a00 0801"  # family, port 2049
    "00000000"  # flow
    "20010db8000000000000000000000001"
    "00000000"  # scope
)
LOCAL_PATH = bytes.fromhex("0000006e 0000000a 0100") + b"/run/one\0\0"
ABSTRACT = bytes.fromhex("0000006e 00000006 0100") + b"\0one\0\0"
RECORDED = [
    ("udp", b"10.9.0.1.0.111", NFS_OVER_UDP),
    ("tcp6", b"2001:db8::1.8.1", OVER_TCP6),
    ("local", b"/run/one", LOCAL_PATH),
    ("local", b"@one", ABSTRACT),
]


@pytest.mark.parametrize(("netid", "uaddr", "wire"), RECORDED)
def test_a_socket_address_is_the_c_structure(netid: str, uaddr: bytes, wire: bytes) -> None:
    assert codec(netbuf).encode(sockaddr_of(uaddr, transport(netid))) == wire


@pytest.mark.parametrize(("netid", "uaddr", "wire"), RECORDED)
def test_the_c_structure_is_read_back(netid: str, uaddr: bytes, wire: bytes) -> None:
    assert uaddr_of(codec(netbuf).decode(wire).buf, transport(netid)) == uaddr


@pytest.mark.parametrize(
    ("netid", "uaddr"),
    [
        ("udp", b""),
        ("udp", b"10.9.0.1"),
        ("udp", b"10.9.0.1.300.300"),
        ("udp", b"::1.0.111"),
        ("udp6", b"10.9.0.1.0.111"),
        ("udp6", b"\xff.0.111"),
        ("local", b""),
        ("local", b"x" * 108),
    ],
)
def test_address_of_another_transport_is_empty(netid: str, uaddr: bytes) -> None:
    assert codec(netbuf).encode(sockaddr_of(uaddr, transport(netid))) == bytes(8)


@pytest.mark.parametrize(
    ("netid", "sockaddr"),
    [("udp", bytes(15)), ("udp6", bytes(27)), ("local", b""), ("local", b"\1\0"),
     ("local", b"\1\0\0"), ("local", b"\1\0\0\0\0")],
)  # fmt: skip
def test_a_short_socket_address_is_empty(netid: str, sockaddr: bytes) -> None:
    assert uaddr_of(sockaddr, transport(netid)) == b""


@given(st.sampled_from(["udp", "tcp6", "local"]), st.binary(max_size=109))
@example("local", b"\0\0@")
def test_any_bytes_have_a_universal_address_or_none(netid: str, sockaddr: bytes) -> None:
    uaddr = uaddr_of(sockaddr, transport(netid))

    assert uaddr == b"" or uaddr_of(sockaddr_of(uaddr, transport(netid)).buf, transport(netid))


@given(st.ip_addresses(v=4), st.integers(0, 65535))
def test_an_ipv4_address_comes_back(host: object, port: int) -> None:
    uaddr = f"{host}.{port >> 8}.{port & 255}".encode()

    assert uaddr_of(sockaddr_of(uaddr, transport("tcp")).buf, transport("tcp")) == uaddr


@pytest.mark.parametrize(
    ("sockaddr", "uaddr"), [(b"\1\0a", b"a"), (b"\1\0\0a\0b", b"@a"), (b"\1\0a\0b", b"a")]
)
def test_a_local_name_ends_at_its_first_zero(sockaddr: bytes, uaddr: bytes) -> None:
    assert uaddr_of(sockaddr, transport("local")) == uaddr
