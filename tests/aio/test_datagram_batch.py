"""Batches of datagrams: what is received lies in slots, and slots are sent."""

from __future__ import annotations

import ctypes
import socket
from collections.abc import Iterator
from typing import Any, Literal

import pytest

from oncrpc.aio import datagram_batch
from oncrpc.aio.datagram_batch import ADDRESS_AT, IDENTITY_BEFORE, PORT_AT, Batch, column
from oncrpc.net.sockets import IP_PKTINFO

HOSTS = {socket.AF_INET: "127.0.0.1", socket.AF_INET6: "::1"}


@pytest.fixture(params=["together", "one by one"])
def _way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if request.param == "one by one":
        monkeypatch.setattr(datagram_batch, "_receive", datagram_batch.one_by_one("recvmsg"))
        monkeypatch.setattr(datagram_batch, "_send", datagram_batch.one_by_one("sendmsg"))


@pytest.fixture(params=HOSTS, ids=["IPv4", "IPv6"])
def pair(request: pytest.FixtureRequest) -> Iterator[tuple[socket.socket, socket.socket]]:
    """Two sockets; the second sends to the first."""
    family = request.param
    ours, theirs = (socket.socket(family, socket.SOCK_DGRAM) for _ in range(2))
    with ours, theirs:
        ours.bind((HOSTS[family], 0))
        if family == socket.AF_INET6:
            ours.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_RECVPKTINFO, 1)
        else:
            ours.setsockopt(socket.IPPROTO_IP, IP_PKTINFO, 1)
        theirs.connect(ours.getsockname())
        theirs.settimeout(5)
        yield ours, theirs


Pair = tuple[socket.socket, socket.socket]


@pytest.mark.usefixtures("_way")
def test_datagrams_are_received_in_order(pair: Pair) -> None:
    batch = Batch(pair[0], slots=2)
    for text in (b"one", b"", b"three"):
        pair[1].send(text)

    assert (batch.receive(), batch.message(0), batch.message(1)) == (2, b"one", b"")
    assert (batch.receive(), batch.message(0)) == (1, b"three")
    assert batch.receive() == 0


@pytest.mark.usefixtures("_way")
def test_slots_are_sent_back_where_they_came_from(pair: Pair) -> None:
    batch = Batch(pair[0])
    for text in (b"xid1", b"xid2", b"xid3"):
        pair[1].send(text)
    batch.receive()
    for n, tail in enumerate((b"first", b"second", b"third")):
        batch.put(n, tail, batch.control(n))

    taken = batch.send(1, 2)

    assert (taken, pair[1].recv(100), pair[1].recv(100)) == (2, b"xid2second", b"xid3third")


@pytest.mark.usefixtures("_way")
def test_reply_in_slot_takes_next_xid(pair: Pair) -> None:
    batch = Batch(pair[0])
    pair[1].send(b"xid1 asks")
    batch.receive()
    batch.put(0, b" is told", batch.control(0))
    batch.send(0, 1)
    pair[1].send(b"xid2 asks for longer")
    batch.receive()

    batch.send(0, 1)

    assert (pair[1].recv(100), pair[1].recv(100)) == (b"xid1 is told", b"xid2 is told")


@pytest.mark.usefixtures("_way")
def test_the_identity_has_neither_xid_nor_port(pair: Pair) -> None:
    batch = Batch(pair[0])
    with socket.socket(pair[1].family, socket.SOCK_DGRAM) as other:
        other.connect(pair[0].getsockname())
        for sock, text in ((pair[1], b"xid1 a"), (other, b"xid2 a"), (other, b"xid2 b")):
            sock.send(text)
        batch.receive()

    at, size = batch.identities[0], batch.sizes(1)[0]
    assert batch.identity(0) == batch.identity(1) != batch.identity(2)
    assert batch.identity(0) == batch.block[at : at + IDENTITY_BEFORE + size]
    assert batch.route(0) == batch.route(2)
    assert batch.source(0) != batch.source(1)


def test_segments_arrive_as_datagrams(pair: Pair) -> None:
    batch = Batch(pair[0])
    if not batch.can_segment:
        pytest.skip("the kernel has no UDP_SEGMENT")
    texts = [b"xid%d" % n for n in range(5)]
    for text in texts:
        pair[1].send(text)
    batch.receive()
    for n in range(5):
        batch.put(n, b" is told", batch.control(n))

    batch.send_segmented(1, 4)

    assert [pair[1].recv(100) for _ in range(4)] == [text + b" is told" for text in texts[1:]]


def test_unsendable_segments_can_be_sent_one_by_one(pair: Pair) -> None:
    batch = Batch(pair[0])
    for text in (b"xid1", b"xid2"):
        pair[1].send(text)
    batch.receive()
    for n in range(2):
        batch.put(n, b" is told", batch.control(n))
    port, batch.block[PORT_AT : PORT_AT + 2] = batch.block[PORT_AT : PORT_AT + 2], bytes(2)

    with pytest.raises(OSError, match="Invalid argument"):
        batch.send_segmented(0, 2)  # there is no port 0

    batch.block[PORT_AT : PORT_AT + 2] = port
    assert (batch.send(0, 2), pair[1].recv(100)) == (2, b"xid1 is told")


@pytest.mark.usefixtures("_way")
def test_an_unsendable_slot_leaves_the_next_ones(pair: Pair) -> None:
    batch = Batch(pair[0])
    for text in (b"xid1", b"xid2"):
        pair[1].send(text)
    batch.receive()
    for n, tail in enumerate((b"first", b"second")):
        batch.put(n, tail, batch.control(n))
    batch.block[ADDRESS_AT : ADDRESS_AT + 2] = b"\xff\xff"  # a family that there is not

    with pytest.raises(OSError, match=r"not supported|Invalid argument"):
        batch.send(0, 2)

    assert (batch.send(1, 1), pair[1].recv(100)) == (1, b"xid2second")


@pytest.mark.usefixtures("_way")
def test_a_datagram_that_does_not_fit_is_truncated(pair: Pair) -> None:
    batch = Batch(pair[0])
    pair[1].send(bytes(9000))
    pair[1].send(bytes(9001))

    batch.receive()

    assert [batch.is_truncated(0), batch.is_truncated(1)] == [False, True]
    assert batch.sizes(2) == [9000, 9000]
    assert batch.all_addressed(2)


def test_a_datagram_without_address_is_noticed() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as ours:
        ours.bind(("127.0.0.1", 0))
        ours.sendto(b"xid", ours.getsockname())
        batch = Batch(ours)
        batch.receive()

        assert (batch.all_addressed(1), batch.control(0)) == (False, b"")


def test_an_error_of_the_socket_is_raised() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        batch = Batch(sock)
    with pytest.raises(OSError, match="Bad file descriptor"):
        batch.receive()


FIELDS = (
    ("msg_name", ctypes.c_uint64),
    ("msg_namelen", ctypes.c_uint32),
    ("msg_iov", ctypes.c_uint64),
    ("msg_iovlen", ctypes.c_uint64),
    ("msg_control", ctypes.c_uint64),
    ("msg_controllen", ctypes.c_uint64),
    ("msg_flags", ctypes.c_uint32),
)
"""``struct msghdr`` of a 64-bit machine."""


class BigEndianHeader(ctypes.BigEndianStructure):
    """The header on a big-endian machine, such as s390x."""

    _fields_ = FIELDS


class LittleEndianHeader(ctypes.LittleEndianStructure):
    """The header on a little-endian machine."""

    _fields_ = FIELDS


@pytest.mark.parametrize(
    ("kind", "order"), [(BigEndianHeader, "big"), (LittleEndianHeader, "little")]
)
@pytest.mark.parametrize("name", ["msg_controllen", "msg_iovlen", "msg_flags"])
def test_a_field_is_read_in_its_whole_width(
    kind: type[ctypes.Structure], order: Literal["big", "little"], name: str
) -> None:
    headers: Any = (kind * 3)()
    for n in range(3):
        setattr(headers[n], name, 40 + n)

    found = column(memoryview(headers).cast("B"), getattr(kind, name), step=ctypes.sizeof(kind))

    read = [int.from_bytes(found[n : n + 1].tobytes(), order) for n in range(3)]
    assert read == [40, 41, 42]


def test_our_headers_are_those_of_the_c_library() -> None:
    """64 bits: name, namelen and padding, iov, iovlen, control, controllen, flags, len."""
    if ctypes.sizeof(ctypes.c_size_t) != 8:
        pytest.skip("not a 64-bit machine")
    fields = datagram_batch.msghdr
    names = ("msg_iov", "msg_iovlen", "msg_control", "msg_controllen", "msg_flags")

    assert [getattr(fields, name).offset for name in names] == [16, 24, 32, 40, 48]
    assert [getattr(fields, name).size for name in names] == [8, 8, 8, 8, 4]
    assert datagram_batch.HEADER == 64
