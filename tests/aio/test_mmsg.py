"""Batches of datagrams: what is received lies in slots, and slots are sent."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest

from oncrpc.aio import mmsg
from oncrpc.aio.mmsg import (
    ADDRESS_AT,
    CONTROL_LENGTH,
    DATA_AT,
    FLAGS,
    HEADER_WORDS,
    LENGTH,
    MAX_DATAGRAM,
    SLOT_SIZE,
    Batch,
)
from oncrpc.aio.sockets import IP_PKTINFO

HOSTS = {socket.AF_INET: "127.0.0.1", socket.AF_INET6: "::1"}


@pytest.fixture(params=["together", "one by one"])
def _way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if request.param == "one by one":
        monkeypatch.setattr(mmsg, "_receive", mmsg.one_by_one("recvmsg"))
        monkeypatch.setattr(mmsg, "_send", mmsg.one_by_one("sendmsg"))


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


def received(batch: Batch, n: int) -> bytes:
    data = n * SLOT_SIZE + DATA_AT
    return batch.memory[data : data + batch.words[n * HEADER_WORDS + LENGTH]].tobytes()


Pair = tuple[socket.socket, socket.socket]


@pytest.mark.usefixtures("_way")
def test_datagrams_are_received_in_order_as_many_as_there_is_room_for(pair: Pair) -> None:
    batch = Batch(pair[0], slots=2)
    for text in (b"one", b"", b"three"):
        pair[1].send(text)

    assert (batch.receive(), received(batch, 0), received(batch, 1)) == (2, b"one", b"")
    assert (batch.receive(), received(batch, 0)) == (1, b"three")
    assert batch.receive() == 0


def put(batch: Batch, n: int, reply: bytes) -> None:
    """Write a reply over a slot's datagram; its address and control message stay as received."""
    data = n * SLOT_SIZE + DATA_AT
    batch.memory[data : data + len(reply)] = reply
    batch.lengths[2 * n + 1] = len(reply)


@pytest.mark.usefixtures("_way")
def test_slots_are_sent_back_where_they_came_from(pair: Pair) -> None:
    batch = Batch(pair[0])
    for text in (b"one", b"two", b"three"):
        pair[1].send(text)
    batch.receive()
    for n, reply in enumerate((b"first", b"second", b"third")):
        put(batch, n, reply)

    taken = batch.send(1, 2)

    assert (taken, pair[1].recv(100), pair[1].recv(100)) == (2, b"second", b"third")


@pytest.mark.usefixtures("_way")
def test_a_slot_that_cannot_be_sent_is_an_error_the_next_ones_are_not(pair: Pair) -> None:
    batch = Batch(pair[0])
    for text in (b"one", b"two"):
        pair[1].send(text)
    batch.receive()
    for n, reply in enumerate((b"first", b"second")):
        put(batch, n, reply)
    batch.memory[ADDRESS_AT : ADDRESS_AT + 2] = b"\xff\xff"  # a family that there is not

    with pytest.raises(OSError, match=r"not supported|Invalid argument"):
        batch.send(0, 2)

    assert (batch.send(1, 1), pair[1].recv(100)) == (1, b"second")


@pytest.mark.usefixtures("_way")
def test_what_does_not_fit_is_marked_as_cut(pair: Pair) -> None:
    batch = Batch(pair[0])
    pair[1].send(bytes(MAX_DATAGRAM))
    pair[1].send(bytes(MAX_DATAGRAM + 1))

    batch.receive()

    flags = [batch.words[n * HEADER_WORDS + FLAGS] & socket.MSG_TRUNC for n in (0, 1)]
    assert flags == [0, socket.MSG_TRUNC]
    assert batch.words[CONTROL_LENGTH] == batch.control_size


def test_an_error_of_the_socket_is_raised() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        batch = Batch(sock)
    with pytest.raises(OSError, match="Bad file descriptor"):
        batch.receive()
