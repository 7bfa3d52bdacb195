"""Batches of datagrams: what is received lies in slots, and slots are sent."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest

from oncrpc.aio import datagram_batch as mmsg
from oncrpc.aio.datagram_batch import ADDRESS_AT, ASKED, ASKED_BEFORE, MAX_DATAGRAM, PORT_AT, Batch
from oncrpc.net.sockets import IP_PKTINFO

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


Pair = tuple[socket.socket, socket.socket]


@pytest.mark.usefixtures("_way")
def test_datagrams_are_received_in_order_as_many_as_there_is_room_for(pair: Pair) -> None:
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
def test_a_reply_stays_in_its_slot_and_takes_the_xid_of_the_next_datagram(pair: Pair) -> None:
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
def test_what_was_asked_is_the_same_whatever_the_xid_and_the_port(pair: Pair) -> None:
    batch = Batch(pair[0])
    with socket.socket(pair[1].family, socket.SOCK_DGRAM) as other:
        other.connect(pair[0].getsockname())
        for sock, text in ((pair[1], b"xid1 a"), (other, b"xid2 a"), (other, b"xid2 b")):
            sock.send(text)
        batch.receive()

    assert batch.asked(0) == batch.asked(1) != batch.asked(2)
    assert batch.asked(0) == batch.block[ASKED[0] : ASKED[0] + ASKED_BEFORE + batch.sizes(1)[0]]
    assert batch.route(0) == batch.route(2)
    assert batch.source(0) != batch.source(1)


def test_slots_of_a_train_arrive_one_by_one(pair: Pair) -> None:
    batch = Batch(pair[0])
    if not batch.trains:
        pytest.skip("the kernel knows no trains")
    texts = [b"xid%d" % n for n in range(5)]
    for text in texts:
        pair[1].send(text)
    batch.receive()
    for n in range(5):
        batch.put(n, b" is told", batch.control(n))

    batch.send_train(1, 4)

    assert [pair[1].recv(100) for _ in range(4)] == [text + b" is told" for text in texts[1:]]


def test_a_train_that_cannot_be_sent_is_an_error_and_its_slots_may_go_alone(pair: Pair) -> None:
    batch = Batch(pair[0])
    for text in (b"xid1", b"xid2"):
        pair[1].send(text)
    batch.receive()
    for n in range(2):
        batch.put(n, b" is told", batch.control(n))
    port, batch.block[PORT_AT : PORT_AT + 2] = batch.block[PORT_AT : PORT_AT + 2], bytes(2)

    with pytest.raises(OSError, match="Invalid argument"):
        batch.send_train(0, 2)  # there is no port 0

    batch.block[PORT_AT : PORT_AT + 2] = port
    assert (batch.send(0, 2), pair[1].recv(100)) == (2, b"xid1 is told")


@pytest.mark.usefixtures("_way")
def test_a_slot_that_cannot_be_sent_is_an_error_the_next_ones_are_not(pair: Pair) -> None:
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
def test_what_does_not_fit_is_marked_as_cut(pair: Pair) -> None:
    batch = Batch(pair[0])
    pair[1].send(bytes(MAX_DATAGRAM))
    pair[1].send(bytes(MAX_DATAGRAM + 1))

    batch.receive()

    assert [batch.cut(0), batch.cut(1)] == [False, True]
    assert batch.sizes(2) == [MAX_DATAGRAM, MAX_DATAGRAM]
    assert batch.whole(2)


def test_it_is_known_when_a_datagram_does_not_tell_which_address_was_asked() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as ours:
        ours.bind(("127.0.0.1", 0))
        ours.sendto(b"xid", ours.getsockname())
        batch = Batch(ours)
        batch.receive()

        assert (batch.whole(1), batch.control(0)) == (False, b"")


def test_an_error_of_the_socket_is_raised() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        batch = Batch(sock)
    with pytest.raises(OSError, match="Bad file descriptor"):
        batch.receive()
