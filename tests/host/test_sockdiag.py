"""The kernel's list of sockets: what is asked, what its messages say, and what it really lists."""

from __future__ import annotations

import errno
import os
import socket
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oncrpc.host import sockdiag
from oncrpc.host.sockdiag import ALL, LISTEN, BoundSocket, listed, parse, request

LOCALHOST = socket.inet_aton("127.0.0.1")
V6ONLY, TCLASS = 11, 6


def message(kind: int, body: bytes, *, flags: int = 2) -> bytes:
    """A netlink message, padded as the next one in the same read needs it."""
    length = 16 + len(body)
    return struct.pack("=IHHII", length, kind, flags, 1, 0) + body + bytes(-length % 4)


def inet(family: int, address: bytes, port: int, *attributes: bytes) -> bytes:
    """The message about a socket (inet_diag_msg)."""
    place = struct.pack("!HH16s16sI8s", port, 0, address, bytes(16), 0, bytes(8))
    return message(20, bytes((family, 10, 0, 0)) + place + bytes(20) + b"".join(attributes))


def attribute(kind: int, value: int) -> bytes:
    return struct.pack("=HHB3x", 5, kind, value)


DONE = message(3, struct.pack("=i", 0))


def test_a_request_names_family_protocol_and_states() -> None:
    asked = request(socket.AF_INET6, socket.IPPROTO_TCP, LISTEN)

    assert asked == struct.pack("=IHHII", 72, 20, 0x301, 1, 0) + struct.pack(
        "=BBBBI48x", socket.AF_INET6, socket.IPPROTO_TCP, 0, 0, LISTEN
    )


def test_list_ends_with_the_done_message() -> None:
    first = inet(socket.AF_INET, LOCALHOST, 111) + inet(socket.AF_INET, bytes(4), 2049)

    assert parse(first) == (
        [BoundSocket(111, LOCALHOST, dual=False), BoundSocket(2049, bytes(4), dual=False)],
        True,
    )
    assert parse(DONE) == ([], False)


@pytest.mark.parametrize(
    ("address", "attributes", "dual"),
    [
        (bytes(16), (attribute(V6ONLY, 0),), True),
        (bytes(16), (attribute(V6ONLY, 1),), False),
        (bytes(16), (attribute(TCLASS, 0), attribute(V6ONLY, 1)), False),
        (bytes(16), (), True),
        (bytes(15) + b"\1", (attribute(V6ONLY, 0),), False),
    ],
    ids=["every address", "IPv6 only", "after another attribute", "not told", "one address"],
)
def test_ipv6_wildcard_serves_ipv4_unless_v6only(
    address: bytes, attributes: tuple[bytes, ...], dual: bool
) -> None:
    found, _ = parse(inet(socket.AF_INET6, address, 111, *attributes))

    assert found == [BoundSocket(111, address, dual)]


def test_the_kernels_refusal_is_an_error() -> None:
    refusal = message(2, struct.pack("=i", -errno.ENOENT) + bytes(16))

    with pytest.raises(FileNotFoundError):
        parse(refusal)


@pytest.mark.parametrize(
    "data",
    [message(20, bytes(8)), message(3, b""), struct.pack("=I", 512) + inet(2, LOCALHOST, 111)[4:]],
    ids=["too short", "without a status", "longer than what was read"],
)
def test_a_malformed_message_is_an_error(data: bytes) -> None:
    with pytest.raises(OSError, match=os.strerror(errno.EBADMSG)):
        parse(data)


@given(st.binary(max_size=400))
def test_any_bytes_are_sockets_or_an_os_error(data: bytes) -> None:
    try:
        found, _ = parse(data)
    except OSError:
        return

    assert all(0 <= each.port < 65536 for each in found)


def ports(family: int, protocol: int, states: int) -> dict[int, BoundSocket]:
    return {each.port: each for found in listed(family, protocol, states) for each in found}


def test_kernel_lists_listening_sockets_only() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        with socket.create_connection(("127.0.0.1", port)) as client:
            found = ports(socket.AF_INET, socket.IPPROTO_TCP, LISTEN)
            from_port = client.getsockname()[1]

    assert found[port] == BoundSocket(port, LOCALHOST, dual=False)
    assert from_port not in found


@pytest.mark.parametrize("v6only", [0, 1])
def test_the_kernel_says_which_ipv6_sockets_serve_ipv4(v6only: int) -> None:
    with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as server:
        server.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, v6only)
        server.bind(("::", 0))
        port = server.getsockname()[1]
        found = ports(socket.AF_INET6, socket.IPPROTO_UDP, ALL)

    assert found[port] == BoundSocket(port, bytes(16), dual=not v6only)


def test_a_long_list_is_read_to_its_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sockdiag, "BATCH", 8192)
    servers = [socket.create_server(("127.0.0.1", 0)) for _ in range(200)]
    try:
        expected = {server.getsockname()[1] for server in servers}
        found = ports(socket.AF_INET, socket.IPPROTO_TCP, LISTEN)
    finally:
        for server in servers:
            server.close()

    assert expected <= found.keys()
