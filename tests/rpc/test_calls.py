"""The client half: times, xids, and what each reply means (RFC 5531 §9)."""

from __future__ import annotations

import errno
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oncrpc.errors import (
    AuthError,
    CallError,
    CallTimeout,
    GarbageArguments,
    ProcedureUnavailable,
    ProgramMismatch,
    ProgramUnavailable,
    ProtocolError,
    RpcMismatch,
    SystemFailure,
    TransportError,
    XdrError,
)
from oncrpc.rpc import AUTH_NONE, auth_sys
from oncrpc.rpc.auth import Flavor
from oncrpc.rpc.calls import FEW, Calls, Pending, call_header, results_at
from oncrpc.rpc.dispatch import Dispatcher
from oncrpc.rpc.duplicates import LIFETIME
from oncrpc.rpc.prot import auth_stat, opaque_auth
from oncrpc.testing import LossyLink, ManualClock, bad_weather
from support.declared import typed_bytes
from support.service import COUNTER, COUNTER_V3, Counter
from support.words import words

ADD, NULL = COUNTER_V3.ADD, COUNTER_V3.NULL
REPLY = words(1, 0, 0, 0)  # REPLY, MSG_ACCEPTED, verf AUTH_NONE


def datagrams(first_xid: int = 0) -> Calls:
    return Calls(first_xid=first_xid, retransmit=True)


def started(calls: Calls, *, now: float = 0.0, timeout: float = 10.0) -> Pending:
    return calls.start(ADD, (5,), now=now, timeout=timeout)


def error_of(reply: bytes) -> Exception | None:
    """What becomes of a call with xid 1 that gets these bytes after the xid."""
    calls = datagrams()
    call = started(calls)
    assert calls.feed(words(1) + reply) is call
    assert call.done
    assert len(calls) == 0
    return call.error


def test_a_call_has_the_layout_of_the_rfc() -> None:
    call = started(datagrams(0x11223343))

    assert call.message == words(
        0x11223344,        # xid
        0, 2,              # CALL, rpcvers
        COUNTER, 3, 1,
        0, 0, 0, 0,        # cred AUTH_NONE, verf AUTH_NONE
        5,
    )  # fmt: skip


def test_a_credential_goes_with_every_call() -> None:
    calls = Calls(first_xid=0, retransmit=False, auth=auth_sys(b"h", 1, 2))

    message = calls.start(NULL, (), now=0, timeout=1).message

    assert message[24:] == words(1, 24, 0, 1, b"h\0\0\0", 1, 2, 0, 0, 0)


def test_a_call_may_have_its_own_credential() -> None:
    calls = Calls(first_xid=0, retransmit=False, auth=auth_sys(b"h", 1, 2))

    message = calls.start(NULL, (), now=0, timeout=1, auth=AUTH_NONE).message

    assert message[24:] == words(0, 0, 0, 0)


class Renewing(Flavor):
    """Has a new credential after every refusal, as long as it is asked."""

    def __init__(self) -> None:
        super().__init__(AUTH_NONE)
        self.refused = 0

    def credential(self) -> opaque_auth:
        return auth_sys(b"%d" % self.refused, 0, 0)

    def rejected(self, cred: opaque_auth, stat: auth_stat) -> bool:
        self.refused += 1
        return True


DENIED = words(1, 1, 1, 2)  # REPLY, MSG_DENIED, AUTH_ERROR, AUTH_REJECTEDCRED


def test_a_refused_credential_is_renewed_once() -> None:
    calls = Calls(first_xid=0, retransmit=False, auth=Renewing())
    call = started(calls)
    first = call.message

    assert calls.feed(words(1) + DENIED) is call

    assert not call.done
    assert len(calls) == 1
    assert call.message != first
    assert call.message[:4] == words(2)
    assert call.message[-4:] == first[-4:] == words(5)
    calls.feed(words(2) + REPLY + words(0, 77))
    assert call.result == 77


def test_a_renewed_credential_refused_too_is_an_error() -> None:
    calls = Calls(first_xid=0, retransmit=False, auth=Renewing())
    call = started(calls)

    calls.feed(words(1) + DENIED)
    calls.feed(words(2) + DENIED)

    assert isinstance(call.error, AuthError)
    assert len(calls) == 0


def test_a_late_refusal_is_dropped() -> None:
    calls = Calls(first_xid=0, retransmit=True, auth=Renewing())
    call = started(calls)
    calls.feed(words(1) + DENIED)

    assert calls.feed(words(1) + DENIED) is None
    assert not call.done


def test_a_header_ends_before_the_arguments() -> None:
    assert call_header(1, (COUNTER, 3, 1), cred=AUTH_NONE) + words(5) == (
        started(datagrams()).message
    )


def test_xids_wrap_and_skip_those_in_use() -> None:
    calls = datagrams(0xFFFFFFFE)
    first, second = started(calls), started(calls)
    calls.last_xid = 0xFFFFFFFE

    assert [first.xid, second.xid, started(calls).xid] == [0xFFFFFFFF, 0, 1]


def test_arguments_that_do_not_fit_start_no_call() -> None:
    calls = datagrams()

    with pytest.raises(XdrError):
        calls.start(ADD, (-1,), now=0, timeout=1)

    assert len(calls) == 0
    assert calls.next_deadline() is None


def test_the_reply_finishes_its_call_and_no_other() -> None:
    calls = datagrams()
    first, second = started(calls), started(calls)

    assert calls.feed(words(2) + REPLY + words(0, 77)) is second

    assert (second.done, second.result, second.error) == (True, 77, None)
    assert not first.done
    assert len(calls) == 1


@pytest.mark.parametrize(
    "message",
    [b"", b"\0\0", words(1), words(2) + REPLY + words(0, 1), words(1, 0, 2), words(1, 2)],
    ids=["empty", "short", "only xid", "other xid", "a call", "neither"],
)
def test_bytes_that_belong_to_no_call_are_dropped(message: bytes) -> None:
    calls = datagrams()
    call = started(calls)

    assert calls.feed(message) is None
    assert not call.done


def test_a_second_reply_is_dropped() -> None:
    calls = datagrams()
    call = started(calls)
    reply = words(call.xid) + REPLY

    calls.feed(reply + words(0, 1))

    assert calls.feed(reply + words(0, 2)) is None
    assert call.result == 1


def test_a_reply_to_a_forgotten_call_is_dropped() -> None:
    calls = datagrams()
    call = started(calls)

    calls.forget(call)
    calls.forget(call)

    assert calls.feed(words(call.xid) + REPLY + words(0, 1)) is None
    assert not call.done


REFUSALS: list[tuple[bytes, CallError]] = [
    (words(1, 0, 0, 0, 1), ProgramUnavailable()),
    (words(1, 0, 0, 0, 2, 3, 5), ProgramMismatch(3, 5)),
    (words(1, 0, 0, 0, 3), ProcedureUnavailable()),
    (words(1, 0, 0, 0, 4), GarbageArguments()),
    (words(1, 0, 0, 0, 5), SystemFailure()),
    (words(1, 1, 0, 2, 2), RpcMismatch(2, 2)),
    (words(1, 1, 1, 5), AuthError(auth_stat.AUTH_TOOWEAK)),
    (words(1, 1, 1, 99), AuthError(99)),
    (words(1, 0, 6, 4, b"verf", 1), ProgramUnavailable()),
]


@pytest.mark.parametrize(("reply", "refusal"), REFUSALS)
def test_a_refusal_is_the_exception_of_its_name(reply: bytes, refusal: CallError) -> None:
    error = error_of(reply)

    assert type(error) is type(refusal)
    assert vars(error) == {**vars(refusal), "procedure": ADD, "place": ""}


def test_a_refusal_names_call_and_place() -> None:
    calls = Calls(first_xid=0, retransmit=False, place="192.0.2.1 port 2049 over tcp")
    refused, malformed = started(calls), started(calls)

    calls.feed(words(refused.xid, 1, 0, 0, 0, 2, 3, 5))
    calls.feed(words(malformed.xid) + REPLY + words(0))

    called = "COUNTER_V3.ADD at 192.0.2.1 port 2049 over tcp: "
    assert str(refused.error) == f"{called}server supports versions 3 to 5 (PROG_MISMATCH)"
    assert str(malformed.error).startswith(f"{called}a malformed reply: ")


@pytest.mark.parametrize(("reply", "refusal"), REFUSALS)
def test_a_refusal_has_no_results(reply: bytes, refusal: CallError) -> None:
    with pytest.raises(type(refusal)):
        results_at(words(1) + reply)


def test_results_start_after_the_verifier() -> None:
    assert results_at(words(1, 1, 0, 6, 4, b"verf", 0, 77)) == 28


@pytest.mark.parametrize(
    "reply",
    [
        words(1),
        words(1, 2),
        words(1, 0, 0, 0, 6),
        words(1, 1, 2),
        words(1, 0, 0, 401, bytes(404), 0, 1),
        words(1, 0, 0, 0, 0),
        words(1, 0, 0, 0, 0, b"\0\0"),
        words(1, 0, 0, 0, 0, 1, 2),
    ],
    ids=[
        "cut", "reply_stat", "accept_stat", "reject_stat", "verifier", "no result", "cut result",
        "left over",
    ],
)  # fmt: skip
def test_a_malformed_reply_is_a_protocol_error(reply: bytes) -> None:
    error = error_of(reply)

    assert type(error) is ProtocolError
    assert "a malformed reply: " in str(error)


@pytest.mark.slow
@given(typed_bytes | st.tuples(st.none(), st.binary(max_size=60)), st.sampled_from([0, 4, 12, 16]))
def test_any_reply_ends_its_call(typed: tuple[object, bytes], keep: int) -> None:
    calls = datagrams()
    call = started(calls)

    calls.feed(words(1, 1) + words(0, 0, 0, 0)[:keep] + typed[1])

    assert call.done
    assert call.error is None or isinstance(call.error, (CallError, ProtocolError))


def test_datagrams_are_resent_with_backoff() -> None:
    calls = datagrams()
    call = started(calls, now=100.0, timeout=60.0)
    times = []

    while not call.done:
        at = calls.next_deadline()
        assert at is not None
        assert calls.due(at - 0.001) == []
        assert calls.due(at) == [call]
        times.append(at - 100.0)

    assert times == [0.5, 1.5, 3.5, 7.5, 15.5, 23.5, 31.5, 39.5, 47.5, 55.5, 60.0]
    assert isinstance(call.error, CallTimeout)
    assert str(call.error) == "no reply to COUNTER_V3.ADD"
    assert calls.next_deadline() is None


def test_a_stream_loses_nothing_and_sends_nothing_again() -> None:
    calls = Calls(first_xid=0, retransmit=False)
    call = started(calls, now=1.0, timeout=10.0)

    assert calls.next_deadline() == 11.0
    assert calls.due(10.9) == []
    assert calls.due(11.0) == [call]
    assert isinstance(call.error, CallTimeout)


def test_the_earliest_of_several_calls_is_due_first() -> None:
    calls = datagrams()
    first = started(calls, now=0.0)
    started(calls, now=0.3)

    assert calls.next_deadline() == 0.5
    assert calls.due(0.6) == [first]
    assert calls.next_deadline() == 0.8


def test_a_deadline_before_the_first_retransmission_is_kept() -> None:
    calls = datagrams()
    call = started(calls, now=0.0, timeout=0.2)

    assert calls.next_deadline() == 0.2
    assert calls.due(0.2) == [call]
    assert isinstance(call.error, CallTimeout)


def test_a_reply_after_the_deadline_is_dropped() -> None:
    calls = datagrams()
    call = started(calls, now=0.0, timeout=1.0)
    calls.due(1.0)

    assert calls.feed(words(call.xid) + REPLY + words(0, 1)) is None


def test_a_broken_connection_ends_every_call() -> None:
    calls = datagrams()
    both = [started(calls), started(calls)]
    error = TransportError.number(errno.ECONNRESET)

    assert calls.fail(error) == both

    assert [call.error for call in both] == [error, error]
    assert len(calls) == 0


fates = st.lists(st.floats(0, 3), max_size=3) | st.just([0.0])
"""Of a datagram: lost, or one to three copies, each after a while."""


@pytest.mark.slow
@given(st.lists(st.integers(1, 1000), min_size=1, max_size=6, unique=True), st.data())
def test_client_and_server_agree_over_any_network(numbers: list[int], data: st.DataObject) -> None:
    counter, clock = Counter(), ManualClock()
    dispatcher = Dispatcher([counter], clock=clock)
    link = LossyLink(dispatcher, clock=clock, fate=lambda: data.draw(fates))

    calls = [link.begin(ADD, number) for number in numbers]
    link.drain()

    check_agreement(counter.added, dict(zip(numbers, calls, strict=True)))


@pytest.mark.slow
@given(st.integers(0, 2**32), st.integers(1, 60))
def test_client_and_server_agree_in_bad_weather(seed: int, count: int) -> None:
    counter, clock = Counter(), ManualClock()
    dispatcher = Dispatcher([counter], clock=clock)
    link = LossyLink(dispatcher, clock=clock, fate=bad_weather(Random(seed)))

    calls = {number: link.begin(ADD, number) for number in range(1, count + 1)}
    link.drain()

    assert clock() < LIFETIME
    check_agreement(counter.added, calls)


def check_agreement(added: list[int], calls: dict[int, Pending]) -> None:
    """What succeeded was done once and told its own sum; what timed out was done at most once."""
    assert len(set(added)) == len(added)
    for number, call in calls.items():
        if call.error is None:
            assert call.result == sum(added[: added.index(number) + 1])
        else:
            assert isinstance(call.error, CallTimeout)


def test_a_timeout_names_the_peer() -> None:
    calls = Calls(first_xid=0, retransmit=False, place="192.0.2.1 port 2049 over tcp")
    call = started(calls, timeout=1.0)

    calls.due(1.0)

    assert str(call.error) == "no reply to COUNTER_V3.ADD from 192.0.2.1 port 2049 over tcp"


def test_a_renewed_call_keeps_its_deadline() -> None:
    calls = Calls(first_xid=0, retransmit=False, auth=Renewing())
    call = started(calls, timeout=10.0)
    calls.feed(words(1) + DENIED)

    assert calls.next_deadline() == 10.0
    assert calls.due(10.0) == [call]
    assert isinstance(call.error, CallTimeout)


def test_a_renewed_call_is_due_once() -> None:
    calls = Calls(first_xid=0, retransmit=True, auth=Renewing())
    call = started(calls, timeout=10.0)
    calls.feed(words(1) + DENIED)

    assert calls.due(0.5) == [call]
    assert calls.next_deadline() == 1.5


def test_ended_calls_leave_bounded_memory() -> None:
    calls = datagrams()
    for _ in range(5):
        started(calls)

    for _ in range(1000):
        calls.forget(started(calls))

    assert calls.noted_times <= FEW + 2 * len(calls) + 3


def test_ended_calls_are_never_due() -> None:
    calls = datagrams()
    ended = [started(calls, now=float(number)) for number in range(100)]
    last = started(calls, now=100.0)
    for call in ended:
        calls.forget(call)

    assert calls.next_deadline() == 100.5
    assert calls.due(1000.0) == [last]


@given(
    st.lists(
        st.tuples(st.sampled_from(["start", "forget", "reply", "due"]), st.integers(1, 30)),
        max_size=60,
    )
)
def test_due_calls_match_a_full_scan(steps: list[tuple[str, int]]) -> None:
    calls, under_way, now = datagrams(), list[Pending](), 0.0
    for step, number in steps:
        now += 0.1
        if step == "start":
            under_way.append(started(calls, now=now, timeout=number / 4))
        elif step == "due":
            now += number / 10
            expected = {call.xid for call in under_way if call.due_at <= now}
            assert {call.xid for call in calls.due(now)} == expected
        elif under_way:
            call = under_way[number % len(under_way)]
            calls.forget(call) if step == "forget" else calls.feed(words(call.xid) + REPLY)
            under_way.remove(call)
        under_way = [call for call in under_way if not call.done]
        assert len(calls) == len(under_way)
        assert calls.next_deadline() == min((call.due_at for call in under_way), default=None)


def test_a_bug_of_a_flavor_ends_its_call() -> None:
    class Broken(Flavor):
        def accepted(self, cred: opaque_auth, verf: opaque_auth) -> None:
            raise ZeroDivisionError

    calls = Calls(first_xid=0, retransmit=False)
    call = calls.start(NULL, (), now=0, timeout=1, auth=Broken(AUTH_NONE))

    assert calls.feed(words(1) + REPLY + words(0, 0)) is call
    assert type(call.error) is ZeroDivisionError
