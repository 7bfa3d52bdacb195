"""Messages of a daemon: their parties, and which call a reply answers."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from oncrpc.daemon.control.protocol import TracedMessage
from oncrpc.snoop.messages import Party
from oncrpc.snoop.streams.matching import CallMatcher
from oncrpc.snoop.streams.whole import HERE, WholeMessages
from support.words import words

CALL = TracedMessage(
    call=1, is_call=True, time=5, netid="udp", source=("192.0.2.1", 700),
    target=("192.0.2.2", 111), uid=None, pid=None, length=40,
    body=words(7, 0, 2, 100000, 2, 3, 0, 0, 0, 0),
)  # fmt: skip
REPLY = replace(CALL, is_call=False, time=9, length=28, body=words(7, 1, 0, 0, 0, 0, 2049))


@pytest.fixture
def whole() -> WholeMessages:
    return WholeMessages(CallMatcher())


def test_reply_has_its_call_and_time(whole: WholeMessages) -> None:
    (call,) = whole.take(CALL)
    (reply,) = whole.take(REPLY)

    assert (reply.call, reply.prog, reply.proc, reply.service_time) == (call, 100000, 3, 4)
    assert (call.source, call.target) == (reply.target, reply.source)
    assert (call.number, reply.number, call.transport) == (1, 2, "udp")


def test_local_caller_is_a_user_and_process(whole: WholeMessages) -> None:
    (call,) = whole.take(replace(CALL, netid="local", source=None, target=None, uid=1000, pid=42))

    assert (call.source, call.target, call.transport) == (Party("uid 1000", 42), HERE, "local")


def test_repeated_datagram_is_a_retransmission(whole: WholeMessages) -> None:
    whole.take(CALL)

    (again,) = whole.take(replace(CALL, call=2))

    assert again.retransmission


def test_same_xid_over_local_sockets_differs(whole: WholeMessages) -> None:
    local = replace(CALL, netid="local", source=None, target=None)
    whole.take(local)

    (other,) = whole.take(replace(local, call=2))

    assert not other.retransmission


def test_message_without_header_is_counted(whole: WholeMessages) -> None:
    assert whole.take(replace(CALL, body=CALL.body[:20])) == []
    assert whole.take(replace(REPLY, body=REPLY.body[:8])) == []

    assert whole.short == 2


def test_message_that_is_longer_is_cut(whole: WholeMessages) -> None:
    (call,) = whole.take(replace(CALL, length=400))

    assert (call.cut, call.length) == (True, 400)
