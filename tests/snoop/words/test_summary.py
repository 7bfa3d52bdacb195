"""Plans make the same lines as ``line_of``, for any message."""

from __future__ import annotations

from random import Random
from struct import pack

import pytest
from fuzz.message_words import CREDENTIALS, HEAD, PROCEDURES, make

from oncrpc.rpc.program import AnyProcedure
from oncrpc.snoop.streams.matching import KnownCall, KnownReply
from oncrpc.snoop.words.line import line_of
from oncrpc.snoop.words.programs import KnownPrograms
from oncrpc.snoop.words.summary import SummaryPlans

HEAD_BYTES = 24
"""Bytes that are kept of each call, at least."""

FLOW = bytes([192, 0, 2, 1, 192, 0, 2, 2]) + pack(">HH", 700, 2049)
NFS3 = [each for each in PROCEDURES if (each.version.prog, each.version.vers) == (100003, 3)]
HANDLE = pack(">I28x", 28)


def called(procedure: AnyProcedure, body: bytes, *, lost: int = 0) -> KnownCall:
    return KnownCall(1, 2, 2, FLOW, True, body[: max(HEAD_BYTES, len(body) - lost)], len(body))


def replied(call: KnownCall, results: bytes) -> KnownReply:
    body = pack(">III12x", 7, 1, 0) + results
    return KnownReply(call, 2, 3, 3, FLOW, body, len(body))


def head_of(procedure: AnyProcedure, credential: bytes, flavor: int = 0) -> bytes:
    version = procedure.version
    target = (version.prog, version.vers, procedure.number)
    return pack(">8I", 7, 0, 2, *target, flavor, len(credential)) + credential + bytes(8)


def check(data: bytes) -> None:
    """Compare the lines of a call with random arguments, and of replies with random results."""
    programs = KnownPrograms()
    plans = SummaryPlans(programs)
    head, body = data[:HEAD].ljust(HEAD, b"\0"), data[HEAD:]
    for procedure in (
        PROCEDURES[int.from_bytes(head[:2], "big") % len(PROCEDURES)],
        NFS3[head[1] % 22],
    ):
        credential = CREDENTIALS[head[3] % len(CREDENTIALS)]
        call = called(procedure, head_of(procedure, credential, head[2]) + body, lost=head[3] % 50)
        assert plans.call(call) == line_of(call.call, programs)
        for results in (body, bytes(4) + body, body[:17]):
            reply = replied(call, results)
            assert plans.reply(reply) == line_of(reply.message, programs)


def test_random_messages_have_the_same_lines() -> None:
    for seed in range(30):
        check(make(Random(seed)))


@pytest.mark.slow
def test_many_random_messages_have_the_same_lines() -> None:
    for seed in range(30, 3000):
        check(make(Random(seed)))


@pytest.mark.parametrize("lost", range(0, 60, 4))
def test_cut_call_has_the_same_line(lost: int) -> None:
    programs = KnownPrograms()
    body = head_of(NFS3[3], b"") + HANDLE + pack(">I8s", 5, b"a b  ")
    call = called(NFS3[3], body, lost=lost)

    assert SummaryPlans(programs).call(call) == line_of(call.call, programs)


def test_callback_program_has_the_same_line() -> None:
    programs = KnownPrograms()
    plans, call = SummaryPlans(programs), called(NFS3[1], head_of(NFS3[1], b"") + HANDLE)
    before = plans.call(call)

    programs.add_callback(100003)

    assert before == "NFS C GETATTR3 FH=0000"
    assert plans.call(call) == line_of(call.call, programs) != before
