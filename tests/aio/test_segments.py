"""Equal replies to one source leave as one segmented message, where the network takes it."""

from __future__ import annotations

import errno
import os
import socket

import pytest

from oncrpc.aio.datagram_batch import Batch, can_segment
from oncrpc.aio.known_datagrams import MAX_SEGMENT
from oncrpc.aio.segments import MAX_SEGMENTED
from support.batch_service import asks, desk, tells
from support.loops import run


class Watched(Batch):
    """A batch that remembers how many replies each segmented message had."""

    def __init__(self, sock: socket.socket) -> None:
        super().__init__(sock)
        self.can_segment, self.tried = True, list[int]()

    def send_segmented(self, first: int, count: int) -> None:
        self.tried.append(count)
        super().send_segmented(first, count)


class Refusing(Watched):
    """A batch whose segmented messages fail with the error ``number``."""

    number = errno.EIO

    def send_segmented(self, first: int, count: int) -> None:  # sends nothing
        self.tried.append(count)
        raise OSError(self.number, os.strerror(self.number))


@pytest.mark.parametrize("text", [b"hello", b"x" * (MAX_SEGMENT + 1)], ids=["short", "long"])
@pytest.mark.parametrize("kind", [Batch, Refusing])
def test_replies_arrive_where_segments_do_not(kind: type[Batch], text: bytes) -> None:
    async def scenario() -> None:
        with desk() as made:
            made.endpoint.batch = kind(made.endpoint.sock)
            made.answer((0, asks(1, text)))
            replies, *_ = made.answer(*((0, asks(xid, text)) for xid in range(16)))
            assert replies == [tells(xid, text) for xid in range(16)]

    run(scenario())


@pytest.mark.parametrize(
    ("number", "tried"),
    [(errno.EMSGSIZE, [8, 8]), (errno.EINVAL, [8, 8]), (errno.EAGAIN, [8, 8, 8])],
    ids=["MTU too small", "not supported", "queue full"],
)
def test_segments_that_failed_are_not_tried_again(number: int, tried: list[int]) -> None:
    async def scenario() -> None:
        with desk() as made:
            made.endpoint.batch = batch = Refusing(made.endpoint.sock)
            batch.number = number
            for text in (b"one", b"two"):
                made.answer((0, asks(1, text)))
            for text in (b"one", b"one", b"two"):
                replies, *_ = made.answer(*((0, asks(xid, text)) for xid in range(8)))
                assert replies == [tells(xid, text) for xid in range(8)]
            assert batch.tried == tried

    run(scenario())


def test_a_segmented_message_fits_a_short_queue() -> None:
    text = b"x" * 400
    fit = MAX_SEGMENTED // len(tells(0, text))

    async def scenario() -> None:
        with desk() as made:
            if not can_segment(made.endpoint.sock):
                pytest.skip("the kernel has no UDP_SEGMENT")
            made.endpoint.batch = batch = Watched(made.endpoint.sock)
            made.answer((0, asks(1, text)))
            for count in (fit, fit + 1):
                replies, *_ = made.answer(*((0, asks(xid, text)) for xid in range(count)))
                assert replies == [tells(xid, text) for xid in range(count)]
            assert batch.tried == [fit]

    run(scenario())
