"""Calls and replies: retransmissions, reused xids, second replies, and bounds."""

from __future__ import annotations

from struct import pack

import pytest

from oncrpc.snoop.messages import Party, RpcMessage
from oncrpc.snoop.streams import matching
from oncrpc.snoop.streams.matching import PATIENCE, REPLY_PATIENCE, REUSE, CallMatcher, key_of
from support.conversations import call, reply

CLIENT, SERVER, OTHER = Party("192.0.2.1", 700), Party("192.0.2.2", 2049), Party("192.0.2.3", 2049)
KEY = key_of(b"flow", 1)
GSS = pack(">II", 6, 8)


def called(body: bytes = call(1), *, time: int = 0, proc: int = 1, lost: int = 0) -> RpcMessage:
    return RpcMessage(
        number=1, time=time, began=time, source=CLIENT, target=SERVER, transport="udp", xid=1,
        is_call=True, prog=100003, vers=3, proc=proc, body=body, length=len(body) + lost,
        cut=lost > 0,
    )  # fmt: skip


def replied(*, time: int = 0, source: Party = SERVER) -> RpcMessage:
    return RpcMessage(
        number=2, time=time, began=time, source=source, target=CLIENT, transport="udp", xid=1,
        is_call=False, body=reply(1), length=24,
    )  # fmt: skip


def test_reply_has_its_call() -> None:
    matcher, first = CallMatcher(), called()

    assert matcher.call(KEY, first) == [first]
    (found,) = matcher.reply(KEY, replied())

    assert found.call is first
    assert (found.prog, found.vers, found.proc) == (100003, 3, 1)
    assert not found.duplicate
    assert list(matcher.unanswered()) == []


def test_unanswered_calls_are_known() -> None:
    matcher, first = CallMatcher(), called()

    matcher.call(KEY, first)

    assert list(matcher.unanswered()) == [first]
    assert matcher.is_pending(KEY)


def test_same_call_again_is_a_retransmission() -> None:
    matcher, first = CallMatcher(), called()
    matcher.call(KEY, first)

    (again,) = matcher.call(KEY, called(time=5))
    (found,) = matcher.reply(KEY, replied(time=9))

    assert again.retransmission
    assert found.call is first


def test_unanswered_call_may_be_repeated_long_after() -> None:
    matcher = CallMatcher()
    matcher.call(KEY, called())

    (again,) = matcher.call(KEY, called(time=REUSE + 1))

    assert again.retransmission


def test_retransmission_may_follow_the_reply() -> None:
    matcher = CallMatcher()
    matcher.call(KEY, called())
    matcher.reply(KEY, replied())

    (again,) = matcher.call(KEY, called(time=REUSE))

    assert again.retransmission


@pytest.mark.parametrize(
    "other",
    [called(call(1, b"else")), called(proc=3), called(time=REUSE + 1)],
    ids=["other arguments", "other procedure", "long after"],
)
def test_reused_xid_is_a_new_call(other: RpcMessage) -> None:
    matcher = CallMatcher()
    matcher.call(KEY, called())
    matcher.reply(KEY, replied())

    (found,) = matcher.call(KEY, other)
    (answer,) = matcher.reply(KEY, replied())

    assert not found.retransmission
    assert answer.call is other
    assert not answer.duplicate


def test_gss_call_differs_when_it_is_retransmitted() -> None:
    matcher = CallMatcher()
    bodies = [call(1, credential=GSS + number.to_bytes(8, "big")) for number in (1, 2, 3)]
    matcher.call(KEY, called(bodies[0]))

    (again,) = matcher.call(KEY, called(bodies[1]))
    matcher.reply(KEY, replied())
    (after,) = matcher.call(KEY, called(bodies[2]))

    assert again.retransmission
    assert not after.retransmission


def test_cut_call_is_compared_as_far_as_known() -> None:
    matcher = CallMatcher()
    matcher.call(KEY, called(call(1, b"argument")))

    (again,) = matcher.call(KEY, called(call(1, b"argu"), lost=4))

    assert again.retransmission


def test_second_reply_of_a_server_is_a_duplicate() -> None:
    matcher = CallMatcher()
    matcher.call(KEY, called())

    found = [
        message.duplicate
        for source in (SERVER, OTHER, SERVER, OTHER)
        for message in matcher.reply(KEY, replied(source=source))
    ]

    assert found == [False, False, True, True]


def test_reply_may_come_before_its_call() -> None:
    matcher, first = CallMatcher(), called(time=PATIENCE)

    assert matcher.reply(KEY, replied(time=1)) == []
    assert matcher.waits
    assert matcher.overdue(PATIENCE) == []
    found = matcher.call(KEY, first)

    assert found[0] is first
    assert found[1].call is first
    assert not matcher.waits


def test_reply_without_call_is_returned_in_time() -> None:
    matcher, early = CallMatcher(), replied(time=1)
    matcher.reply(KEY, early)

    assert matcher.overdue(PATIENCE + 1) == []
    assert matcher.overdue(PATIENCE + 2) == [early]
    assert matcher.overdue(None) == []


def test_replies_that_wait_are_bounded() -> None:
    matcher = CallMatcher()

    found = [matcher.reply(key_of(b"flow", xid), replied()) for xid in range(2000)]

    assert sum(map(len, found)) == 2000 - matching.MAX_EARLY_REPLIES
    assert len(matcher.overdue(None)) == matching.MAX_EARLY_REPLIES


def test_call_in_doubt_is_believed_with_its_reply() -> None:
    matcher, first = CallMatcher(), called()

    assert matcher.doubtful_call(KEY, first, likely=False) == []
    assert matcher.is_doubtful(KEY)
    found = matcher.reply(KEY, replied())

    assert found[0] is first
    assert found[1].call is first


@pytest.mark.parametrize("likely", [True, False])
def test_call_in_doubt_is_decided_in_time(likely: bool) -> None:
    matcher, first = CallMatcher(), called()
    matcher.doubtful_call(KEY, first, likely=likely)

    assert matcher.overdue(REPLY_PATIENCE) == []
    assert matcher.overdue(REPLY_PATIENCE + 1) == ([first] if likely else [])

    assert list(matcher.unanswered()) == ([first] if likely else [])
    assert matcher.dropped == (not likely)


def test_call_in_doubt_may_follow_its_reply() -> None:
    matcher, first = CallMatcher(), called()
    matcher.reply(KEY, replied())

    assert matcher.doubtful_call(KEY, first, likely=False)[0] is first


def test_calls_in_doubt_are_bounded() -> None:
    matcher = CallMatcher()

    for xid in range(2000):
        matcher.doubtful_call(key_of(b"flow", xid), called(), likely=False)

    assert matcher.dropped == 2000 - matching.MAX_DOUBTFUL_CALLS


def test_pending_calls_are_bounded_in_number(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(matching, "MAX_PENDING", 10)
    matcher = CallMatcher()

    for xid in range(15):
        matcher.call(key_of(b"flow", xid), called(time=xid))

    assert [each.time for each in matcher.unanswered()] == list(range(5, 15))
    assert matcher.forgotten == 5


def test_pending_calls_are_bounded_in_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(matching, "MAX_PENDING_BYTES", 10_000)
    matcher = CallMatcher()

    for xid in range(15):
        matcher.call(key_of(b"flow", xid), called(bytes(3000)))

    assert len(list(matcher.unanswered())) == 2
    assert matcher.forgotten == 13


def test_reused_xid_frees_the_bytes_of_the_old() -> None:
    matcher = CallMatcher()

    for number in range(10_000):
        matcher.call(KEY, called(call(1, bytes(3000) + number.to_bytes(4, "big")), proc=number))

    assert len(list(matcher.unanswered())) == 1
    assert matcher.forgotten == 0
