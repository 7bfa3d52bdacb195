"""The server half, by bytes: each refusal of RFC 5531 §9 has one cause."""

from __future__ import annotations

import logging
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oncrpc.errors import (
    AuthError,
    CallError,
    GarbageArguments,
    ProcedureUnavailable,
    ProgramMismatch,
    ProgramUnavailable,
    ProtocolError,
    RpcMismatch,
    SystemFailure,
)
from oncrpc.programs.portmap import PMAP_PROG
from oncrpc.rpc import Call, Caller, Service, auth_sys, idempotent, silent
from oncrpc.rpc.auth import Judge, Judgement
from oncrpc.rpc.dispatch import Dispatcher, refuse
from oncrpc.rpc.prot import auth_stat, authsys_parms, call_body, rpc_msg
from oncrpc.testing import ManualClock
from oncrpc.xdr import codec
from support.answering import (
    ACCEPTED,
    ADD_5,
    DENIED,
    NO_AUTH,
    TCP,
    UDP,
    XID,
    Odd,
    answer,
    called,
    later,
    later_broken,
    raising,
    serving,
)
from support.declared import typed_bytes
from support.service import COUNTER, COUNTER_V3, COUNTER_V5, Counter
from support.words import words


def test_success_carries_the_results() -> None:
    assert answer(serving(Counter()), ADD_5) == ACCEPTED + words(0, 5)


def test_every_service_serves_null() -> None:
    assert answer(serving(Counter()), called(0)) == ACCEPTED + words(0)


def test_a_handler_may_be_a_coroutine() -> None:
    assert answer(serving(Odd(later)), ADD_5) == ACCEPTED + words(0, 6)


def test_bytes_after_the_arguments_are_accepted() -> None:
    assert answer(serving(Counter()), called(1, words(5, 6, 7))) == ACCEPTED + words(0, 5)


REFUSED = [
    ("PROG_UNAVAIL", called(0, prog=PMAP_PROG), ACCEPTED + words(1)),
    ("PROG_MISMATCH", called(0, vers=4), ACCEPTED + words(2, 3, 5)),
    ("PROG_MISMATCH", called(0, vers=0), ACCEPTED + words(2, 3, 5)),
    ("PROG_MISMATCH", called(0, vers=0xFFFFFFFF), ACCEPTED + words(2, 3, 5)),
    ("PROC_UNAVAIL, unknown", called(99), ACCEPTED + words(3)),
    ("PROC_UNAVAIL, not overridden", called(3, words(1, 0)), ACCEPTED + words(3)),
    ("SUCCESS, NULL not declared", called(0, vers=5), ACCEPTED + words(0)),
    ("GARBAGE_ARGS, short", called(1, b"\0\0\0"), ACCEPTED + words(4)),
    ("GARBAGE_ARGS, none", called(1), ACCEPTED + words(4)),
    ("RPC_MISMATCH", words(XID, 0, 3), DENIED + words(0, 2, 2)),
    ("RPC_MISMATCH", words(XID, 0, 1, COUNTER, 3, 0, NO_AUTH), DENIED + words(0, 2, 2)),
    ("AUTH_BADCRED", called(0, auth=words(1, 0, 0, 0)), DENIED + words(1, 1)),
    ("AUTH_REJECTEDCRED", called(0, auth=words(2, 0, 0, 0)), DENIED + words(1, 2)),
    ("AUTH_FAILED", called(0, auth=words(3, 0, 0, 0)), DENIED + words(1, 7)),
]


@pytest.mark.parametrize("caller", [TCP, UDP], ids=["stream", "datagram"])
@pytest.mark.parametrize(("name", "message", "reply"), REFUSED)
def test_a_refusal_says_why(name: str, message: bytes, reply: bytes, caller: Caller) -> None:
    dispatcher = serving(Counter(), COUNTER_V5.Service())

    assert answer(dispatcher, message, caller) == reply


BAD_VERSION = words(XID, 0, 9)
BAD_CRED = words(2, 0, 0, 0)


@pytest.mark.parametrize(
    ("message", "reply"),
    [
        (words(XID, 0, 9, 1, 1, 99, BAD_CRED), DENIED + words(0, 2, 2)),
        (called(99, prog=1, vers=9, auth=BAD_CRED), DENIED + words(1, 2)),
        (called(99, prog=1, vers=9), ACCEPTED + words(1)),
        (called(99, vers=9), ACCEPTED + words(2, 3, 3)),
        (called(99), ACCEPTED + words(3)),
    ],
    ids=["RPC version", "credential", "program", "version", "procedure"],
)
def test_the_first_fault_in_order_is_answered(message: bytes, reply: bytes) -> None:
    assert answer(serving(Counter()), message) == reply


@pytest.mark.parametrize(
    "message",
    [
        b"",
        called(0)[:11],
        called(0)[:-1],
        words(XID, 1, 0, 0, 0, 0),
        words(XID, 2, 2),
        called(0, auth=words(0, 401, bytes(404), 0, 0)),
        called(0, auth=words(0, 0, 0, 401, bytes(404))),
    ],
    ids=["empty", "no header", "cut", "a reply", "neither", "long cred", "long verf"],
)
def test_bytes_that_are_not_calls_get_no_reply(message: bytes) -> None:
    with pytest.raises(ProtocolError):
        serving(Counter()).handle(message, TCP)


@given(typed_bytes | st.tuples(st.none(), st.binary()), st.sampled_from([0, 4, 8, 12, 24]))
def test_any_bytes_get_a_reply_or_protocolerror(typed: tuple[Any, bytes], keep: int) -> None:
    message = called(1, auth=b"")[:keep] + typed[1]

    try:
        reply = answer(serving(Counter()), message, UDP)
    except ProtocolError:
        return

    assert reply is not None
    assert reply[:4] == message[:4]
    codec(rpc_msg).decode_from(reply)


@pytest.mark.parametrize(
    ("error", "reply"),
    [
        (ProgramUnavailable(), ACCEPTED + words(1)),
        (ProgramMismatch(7, 8), ACCEPTED + words(2, 7, 8)),
        (ProcedureUnavailable(), ACCEPTED + words(3)),
        (GarbageArguments(), ACCEPTED + words(4)),
        (SystemFailure(), ACCEPTED + words(5)),
        (RpcMismatch(2, 3), DENIED + words(0, 2, 3)),
        (AuthError(auth_stat.AUTH_TOOWEAK), DENIED + words(1, 5)),
        (AuthError(99), DENIED + words(1, 99)),
    ],
)
def test_a_handler_refuses_by_raising(error: CallError, reply: bytes) -> None:
    assert answer(serving(raising(error)), ADD_5) == reply


def test_an_unknown_refusal_is_system_err() -> None:
    class Refused(CallError):
        """A kind of its own."""

    class Missing(ProgramUnavailable):
        """A kind of a known one."""

    assert answer(serving(raising(Refused())), ADD_5) == ACCEPTED + words(5)
    assert answer(serving(raising(Missing())), ADD_5) == ACCEPTED + words(1)


@pytest.mark.parametrize("error", [ProgramMismatch(-1, 5), AuthError(1 << 40)])
def test_a_refusal_without_encoding_is_system_err(
    error: CallError, caplog: pytest.LogCaptureFixture
) -> None:
    assert answer(serving(raising(error)), ADD_5) == ACCEPTED + words(5)
    assert [record.levelno for record in caplog.records] == [logging.ERROR]


@pytest.mark.parametrize(
    "service",
    [
        raising(ZeroDivisionError()),
        raising(RecursionError()),
        Odd(later_broken),
        Odd(lambda call, arg: -1),
        Odd(lambda call, arg: "text"),
    ],
    ids=["raises", "recurses", "raises later", "result out of range", "result of another type"],
)
def test_a_bug_is_system_err_and_logged(service: Odd, caplog: pytest.LogCaptureFixture) -> None:
    assert answer(serving(service), ADD_5) == ACCEPTED + words(5)
    assert [record.getMessage() for record in caplog.records] == ["COUNTER_V3.ADD failed"]
    assert caplog.records[0].exc_info is not None


def test_a_handler_may_stay_silent() -> None:
    assert answer(serving(Odd(later)), called(2)) is None
    assert answer(serving(Odd(later)), called(2), UDP) is None


class Shy(COUNTER_V3.Service):
    """ADD answers success only."""

    def __init__(self, error: Exception | None = None) -> None:
        self.error = error

    @silent
    def ADD(self, call: Call, arg: int) -> int:
        if self.error is not None:
            raise self.error
        return arg


@pytest.mark.parametrize("error", [ProgramUnavailable(), ZeroDivisionError()])
def test_a_silent_handler_answers_no_failure(error: Exception) -> None:
    assert answer(serving(Shy(error)), ADD_5) is None
    assert answer(serving(Shy()), called(1)) is None  # garbage arguments


def test_a_silent_handler_answers_success_and_auth_error() -> None:
    assert answer(serving(Shy()), ADD_5) == ACCEPTED + words(0, 5)
    assert answer(serving(Shy(AuthError(5))), ADD_5) == DENIED + words(1, 5)


CRED_SYS = words(1, 24, 0, 1, b"h\0\0\0", 10, 20, 0)
ECHOED = words(XID, 1, 0, 2, 3, b"abc\0")  # REPLY, MSG_ACCEPTED, the verifier of the call


@pytest.mark.parametrize(
    ("service", "outcome"),
    [(Counter(), words(0, 5)), (raising(SystemFailure()), words(5))],
    ids=["success", "refusal"],
)
def test_the_verifier_of_auth_sys_is_echoed(service: Service, outcome: bytes) -> None:
    auth = CRED_SYS + words(2, 3, b"abc\0")

    assert answer(serving(service), called(1, words(5), auth=auth)) == ECHOED + outcome


def test_handler_receives_the_call() -> None:
    seen: list[Call] = []
    message = called(1, words(5), auth=CRED_SYS + words(0, 0))

    answer(serving(Odd(lambda call, arg: seen.append(call))), message)

    (call,) = seen
    assert call.xid == XID
    assert call.procedure is COUNTER_V3.ADD
    assert call.credential == authsys_parms(0, b"h", 10, 20, [])
    assert call.caller is TCP
    assert call.message[call.arguments_at :] == words(5)
    assert auth_sys(b"h", 10, 20).body == CRED_SYS[8:]


def test_a_service_may_be_served_under_another_number() -> None:
    dispatcher = serving(Counter())

    dispatcher.add(Counter(), prog=0x40000000)

    assert answer(dispatcher, called(1, words(5), prog=0x40000000)) == ACCEPTED + words(0, 5)


def test_configured_judge_checks_credentials() -> None:
    class Strict(Judge):
        def judge(self, call: call_body, message: bytes) -> Judgement:
            return auth_stat.AUTH_TOOWEAK

    dispatcher = Dispatcher([Counter()], clock=ManualClock(), auth=Strict())

    assert answer(dispatcher, ADD_5) == DENIED + words(1, 5)


def test_a_version_is_served_once() -> None:
    with pytest.raises(ValueError, match=f"program {COUNTER} version 3 is served twice"):
        serving(Counter(), Counter())


def test_a_refusal_needs_only_the_xid() -> None:
    assert refuse(words(XID), SystemFailure()) == ACCEPTED + words(5)


def test_a_marked_handler_keeps_its_behaviour() -> None:
    class Marked(COUNTER_V3.Service):
        @idempotent
        async def ADD(self, call: Call, arg: int) -> int:
            return arg * 2

    assert answer(serving(Marked()), ADD_5, UDP) == ACCEPTED + words(0, 10)
