"""Replies are read from a stream; the data of READ go into the buffer of the call."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oncrpc.errors import LimitExceeded, TransportError
from oncrpc.nfs.client.replies import MAX_FRAGMENTS, MAX_REPLY, ReadReply, ReplyReader
from oncrpc.programs.nfs3 import READ3res, READ3resok, nfsstat3
from oncrpc.rpc.record import LAST_FRAGMENT, encode_record
from oncrpc.xdr import codec
from support.remote_files import NO_ATTRIBUTES, attributes, with_attributes
from support.words import words

XID = 7
DATA = b"0123456789"


def read_reply(data: bytes = DATA, *, count: int | None = None, plain: bool = False) -> bytes:
    """The reply to a READ, with attributes unless it is plain."""
    after = NO_ATTRIBUTES if plain else with_attributes(attributes())
    body = READ3resok(after, len(data) if count is None else count, True, data)
    header = words(XID, 1, 0, 0, 0, 0)  # REPLY, MSG_ACCEPTED, AUTH_NONE, SUCCESS
    return header + codec(READ3res).encode(READ3res(nfsstat3.NFS3_OK, body))


class Stream:
    """A reader over a socket pair, with a buffer for the READ with ``XID``."""

    def __init__(self, size: int = 16) -> None:
        self.ours, self.theirs = socket.socketpair()
        self.ours.setblocking(False)
        self.buffer = bytearray(size)
        view = memoryview(self.buffer)
        self.reader = ReplyReader(lambda xid: view if xid == XID else None)

    def received(self, data: bytes) -> list[bytes | ReadReply]:
        """The replies that are complete when these bytes have arrived."""
        self.theirs.sendall(data)
        found = list[bytes | ReadReply]()
        while True:
            try:
                found += self.reader.receive(self.ours)
            except BlockingIOError:
                return found


@pytest.fixture
def stream() -> Iterator[Stream]:
    made = Stream()
    yield made
    made.ours.close()
    made.theirs.close()


@pytest.mark.parametrize("plain", [False, True])
def test_data_of_read_go_into_the_buffer(stream: Stream, plain: bool) -> None:
    assert stream.received(encode_record(read_reply(plain=plain))) == [
        ReadReply(XID, len(DATA), True)
    ]
    assert stream.buffer[: len(DATA)] == DATA


@pytest.mark.parametrize(
    "unusual",
    [
        lambda: read_reply(count=3),
        lambda: read_reply(bytes(20)),
        lambda: words(9) + read_reply()[4:],
        lambda: read_reply() + words(0),
        lambda: words(XID, 1, 1, 0, 2, 2),
        lambda: words(XID, 1, 0, 0, 0, 0, 70, 0),
    ],
    ids=["count", "too long", "other xid", "more bytes", "denied", "refused"],
)
def test_unusual_replies_are_returned_whole(stream: Stream, unusual: Callable[[], bytes]) -> None:
    assert stream.received(encode_record(unusual())) == [unusual()]
    assert not any(stream.buffer)


@given(st.lists(st.integers(1, 60), max_size=12), st.booleans())
def test_replies_are_the_same_however_cut(lengths: list[int], small: bool) -> None:
    stream = Stream()
    try:
        data = encode_record(read_reply()) + encode_record(words(9, 1)) + encode_record(b"")
        found, at = list[bytes | ReadReply](), 0
        for length in [*lengths, len(data)]:
            found += stream.received(data[at : at + length])
            at += length

        assert found == [ReadReply(XID, len(DATA), True), words(9, 1), b""]
        assert stream.buffer[: len(DATA)] == DATA
    finally:
        stream.ours.close()
        stream.theirs.close()


@given(st.lists(st.binary(max_size=200), max_size=5))
def test_any_bytes_give_replies_or_a_refusal(pieces: list[bytes]) -> None:
    stream = Stream()
    try:
        for piece in pieces:
            stream.received(piece)
    except LimitExceeded:
        pass
    finally:
        stream.ours.close()
        stream.theirs.close()


def test_fragments_are_joined(stream: Stream) -> None:
    reply = read_reply()
    first = len(reply[:30]).to_bytes(4, "big") + reply[:30]

    assert stream.received(first + encode_record(reply[30:])) == [reply]


def test_abandoned_buffer_is_not_written(stream: Stream) -> None:
    reply = encode_record(read_reply())
    assert stream.received(reply[:-8]) == []
    written = bytes(stream.buffer)

    stream.reader.abandon(XID)

    assert stream.received(reply[-8:]) == [ReadReply(XID, len(DATA), True)]
    assert stream.buffer == written


@pytest.mark.parametrize(
    "data",
    [
        words(LAST_FRAGMENT | MAX_REPLY + 1),
        words(MAX_REPLY) + bytes(MAX_REPLY) + words(LAST_FRAGMENT | 1),
    ],
    ids=["record", "fragments"],
)
def test_oversized_reply_is_refused(stream: Stream, data: bytes) -> None:
    stream.ours.setblocking(True)
    with pytest.raises(LimitExceeded, match="bytes"):
        feed_slowly(stream, data)


def test_too_many_fragments_are_refused(stream: Stream) -> None:
    with pytest.raises(LimitExceeded, match="fragments"):
        stream.received(words(0) * (MAX_FRAGMENTS + 1))


def feed_slowly(stream: Stream, data: bytes) -> None:
    """Send as much as the socket holds, and read it, in turn."""
    for at in range(0, len(data), 65536):
        piece = data[at : at + 65536]
        stream.theirs.sendall(piece)
        left = len(piece)
        stream.ours.setblocking(False)
        while left:
            try:
                stream.reader.receive(stream.ours)
            except BlockingIOError:
                break


def test_end_of_stream_is_an_error(stream: Stream) -> None:
    stream.theirs.close()

    with pytest.raises(TransportError):
        stream.reader.receive(stream.ours)
