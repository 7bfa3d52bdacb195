"""Reading what a daemon sends to those who follow it."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import closing

import msgspec
import pytest

from oncrpc.cli.daemons.control_client import NoStatus
from oncrpc.cli.rpcsnoop.following import MAX_LINE, Following
from oncrpc.daemon.control.protocol import TracedMessage, TraceNote
from oncrpc.snoop.streams.matching import CallMatcher
from oncrpc.snoop.streams.whole import WholeMessages
from support.words import words

CALL = TracedMessage(
    call=1, is_call=True, time=5, netid="local", source=None, target=None, uid=0, pid=1,
    length=40, body=words(7, 0, 2, 100000, 2, 4, 0, 0, 0, 0),
)  # fmt: skip
LINE = msgspec.json.encode(CALL) + b"\n"


@pytest.fixture
def ends() -> Iterator[tuple[socket.socket, Following]]:
    """A daemon, and what reads from it."""
    theirs, ours = socket.socketpair()
    with theirs, closing(Following(ours)) as following:
        yield theirs, following


def taken(following: Following) -> int:
    """How many messages come until the end."""
    return len(list(following.messages(WholeMessages(CallMatcher()))))


def test_messages_are_read_until_the_end(ends: tuple[socket.socket, Following]) -> None:
    daemon, following = ends
    daemon.sendall(LINE * 1000)
    daemon.close()

    assert (taken(following), following.received) == (1000, 1000)
    with pytest.raises(NoStatus, match="the daemon has ended, or restarts"):
        following.check()


def test_stop_takes_what_was_sent_before(ends: tuple[socket.socket, Following]) -> None:
    daemon, following = ends
    daemon.sendall(LINE * 3)
    daemon.shutdown(socket.SHUT_WR)

    following.stop()

    assert taken(following) == 3
    assert daemon.recv(1) == b""
    following.check()


def test_dropped_messages_are_counted(ends: tuple[socket.socket, Following]) -> None:
    daemon, following = ends
    daemon.sendall(LINE + msgspec.json.encode(TraceNote(dropped=9)) + b"\n")
    daemon.close()

    assert (taken(following), following.dropped) == (1, 9)
    assert list(following.remarks()) == ["9 messages that came faster than they were read"]


@pytest.mark.parametrize("line", [b"{}\n", b"what?\n", b"[" * 100_000 + b"\n"])
def test_other_answers_are_refused(ends: tuple[socket.socket, Following], line: bytes) -> None:
    daemon, following = ends
    daemon.sendall(line)

    with pytest.raises(NoStatus, match="cannot read the daemon's answer"):
        taken(following)


def test_endless_line_is_refused(
    ends: tuple[socket.socket, Following], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("oncrpc.cli.rpcsnoop.following.MAX_LINE", 1000)
    daemon, following = ends
    daemon.sendall(b"x" * 1001)

    with pytest.raises(NoStatus, match="a line of more than 1000 bytes"):
        taken(following)
    assert MAX_LINE > 1 << 20
