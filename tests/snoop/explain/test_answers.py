"""Replies as results of steps."""

from __future__ import annotations

from struct import pack

import pytest

from oncrpc.snoop.explain.answers import result_of
from oncrpc.snoop.explain.questions import question_of
from oncrpc.snoop.explain.steps import StepEnd, StepResult
from oncrpc.snoop.messages import Party, RpcMessage
from support.conversations import START, call, denied, reply
from support.mount_client import MAPPER, MOUNT, NFS, NLM, STATUS, opaque

CLIENT, SERVER = Party("192.0.2.1", 700), Party("192.0.2.2", 2049)
GETADDR = pack(">II", MOUNT, 3) + opaque(b"tcp") + opaque(b"") + opaque(b"")
HANDLE = opaque(bytes(32))
USE = opaque(b"") + pack(">IIII", 1, 1, 3, 0)
"""COMPOUND with ACCESS."""

PRIVATE = pack(">IIIIIII", 6, 20, 1, 0, 1, 3, 0)
INIT = pack(">IIIIIII", 6, 20, 1, 1, 0, 1, 0)


def message(body: bytes, *, of: RpcMessage | None = None, server: Party = SERVER) -> RpcMessage:
    prog, vers, proc = (int.from_bytes(body[at : at + 4], "big") for at in (12, 16, 20))
    known = (of.prog, of.vers, of.proc) if of else (prog, vers, proc)
    return RpcMessage(
        number=1, time=START, began=START, source=server if of else CLIENT,
        target=CLIENT if of else server, transport="udp", xid=1, is_call=of is None,
        prog=known[0], vers=known[1], proc=known[2], body=body, length=len(body), call=of,
    )  # fmt: skip


def answered(
    target: tuple[int, int, int],
    arguments: bytes,
    body: bytes,
    server: Party = SERVER,
    *,
    credential: bytes = bytes(8),
) -> StepResult:
    prog, vers, proc = target
    sent = call(1, arguments, prog=prog, vers=vers, proc=proc, credential=credential)
    asked = message(sent, server=server)
    question = question_of(asked)
    assert question is not None
    return result_of(question, message(body, of=asked, server=server))


@pytest.mark.parametrize(
    ("target", "arguments", "results", "end", "status"),
    [
        ((MAPPER, 2, 4), b"", bytes(4), StepEnd.DONE, ""),
        ((MAPPER, 2, 3), pack(">IIII", MOUNT, 3, 6, 0), bytes(4), StepEnd.MISSING, ""),
        ((MAPPER, 4, 3), GETADDR, opaque(b""), StepEnd.MISSING, ""),
        ((MAPPER, 4, 3), GETADDR, opaque(b"nowhere"), StepEnd.FAILED, "invalid address"),
        ((MAPPER, 4, 3), GETADDR, opaque(b"::1.8.1"), StepEnd.FAILED, "unusable address"),
        ((MAPPER, 4, 3), GETADDR, opaque(b"0.0.0.0.8.1"), StepEnd.FAILED, "unusable address"),
        ((MOUNT, 3, 1), opaque(b"/srv"), pack(">I", 77), StepEnd.FAILED, "status 77"),
        ((MOUNT, 3, 5), b"", bytes(4), StepEnd.DONE, ""),
        ((NFS, 3, 19), HANDLE, pack(">I", 70), StepEnd.FAILED, "NFS3ERR_STALE"),
        ((NFS, 3, 17), HANDLE, pack(">I", 13), StepEnd.FAILED, "NFS3ERR_ACCES"),
        ((NFS, 3, 3), HANDLE, pack(">I", 13), StepEnd.DONE, ""),
        ((NLM, 4, 2), opaque(b""), opaque(b"") + pack(">I", 1), StepEnd.DONE, ""),
        ((NLM, 4, 2), opaque(b""), opaque(b"") + pack(">I", 7), StepEnd.FAILED, "NLM4_STALE_FH"),
        ((STATUS, 1, 2), b"", pack(">II", 1, 5), StepEnd.FAILED, "stat_fail"),
        ((STATUS, 1, 2), b"", pack(">II", 0, 5), StepEnd.DONE, ""),
        ((NFS, 3, 19), HANDLE, b"", StepEnd.DONE, ""),
        ((MOUNT, 1, 1), opaque(b"/srv"), bytes(36), StepEnd.DONE, ""),
        ((NFS, 4, 1), USE, pack(">I", 13), StepEnd.DONE, ""),
        ((NFS, 4, 1), USE, pack(">I", 70), StepEnd.FAILED, "NFS4ERR_STALE"),
    ],
)
def test_results_have_an_end(
    target: tuple[int, int, int], arguments: bytes, results: bytes, end: StepEnd, status: str
) -> None:
    result = answered(target, arguments, reply(1, results))

    assert (result.end, result.status) == (end, status)


@pytest.mark.parametrize(
    ("body", "status", "low", "high"),
    [
        (reply(1, pack(">II", 2, 3), stat=2), "PROG_MISMATCH", 2, 3),
        (reply(1, pack(">I", 2), stat=2), "PROG_MISMATCH", 0, 0),
        (pack(">IIIIII", 1, 1, 1, 0, 2, 2), "RPC_MISMATCH", 2, 2),
        (denied(1, 5), "AUTH_TOOWEAK", 0, 0),
        (reply(1, stat=4), "GARBAGE_ARGS", 0, 0),
    ],
)
def test_rejections_have_a_status(body: bytes, status: str, low: int, high: int) -> None:
    result = answered((NFS, 3, 19), HANDLE, body)

    assert (result.end, result.status) == (StepEnd.REJECTED, status)
    assert (result.low, result.high) == (low, high)


def test_local_client_may_use_a_loopback_address() -> None:
    local = Party("127.0.0.1", 111)

    result = answered((MAPPER, 4, 3), GETADDR, reply(1, opaque(b"127.0.0.1.8.1")), local)

    assert (result.end, result.port) == (StepEnd.DONE, 2049)


def test_cut_reply_is_an_answer() -> None:
    result = answered((NFS, 3, 19), HANDLE, reply(1)[:20])

    assert (result.end, result.shown) == (StepEnd.DONE, "answered (not captured whole)")


def test_encrypted_reply_is_an_answer() -> None:
    result = answered((NFS, 3, 19), HANDLE, reply(1, b"secret.."), credential=PRIVATE)

    assert result.end is StepEnd.DONE


@pytest.mark.parametrize(
    ("major", "end"), [(13 << 16, StepEnd.FAILED), (1, StepEnd.DONE), (0, StepEnd.DONE)]
)
def test_context_fails_by_its_major_status(major: int, end: StepEnd) -> None:
    results = opaque(b"") + pack(">III", major, 7, 0)

    result = answered((NFS, 3, 0), opaque(b"token"), reply(1, results), credential=INIT)

    assert result.end is end


def test_flavors_of_mount_are_named() -> None:
    results = bytes(4) + HANDLE + pack(">III", 2, 1, 390003)

    result = answered((MOUNT, 3, 1), opaque(b"/srv"), reply(1, results))

    assert (result.flavors, result.shown) == ((1, 390003), "handle, flavors: unix, krb5")


def test_failed_operation_of_compound_is_named() -> None:
    lookup = pack(">II", 24, 15) + opaque(b"srv")
    results = pack(">I", 2) + opaque(b"") + pack(">I", 2)

    arguments = opaque(b"") + pack(">II", 1, 2) + lookup
    result = answered((NFS, 4, 1), arguments, reply(1, results))

    assert (result.status, result.shown) == ("NFS4ERR_NOENT", "NFS4ERR_NOENT by LOOKUP")
