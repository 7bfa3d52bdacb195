"""The result in a reply to a step: its status, a port, the offered flavors."""

from __future__ import annotations

from collections.abc import Callable
from enum import IntEnum
from ipaddress import ip_address

from oncrpc.addr import split_uaddr
from oncrpc.errors import AddressError
from oncrpc.programs.mount import mountstat3
from oncrpc.programs.nfs3 import nfsstat3
from oncrpc.programs.nfs4 import nfsstat4
from oncrpc.programs.nlm import nlm4_stats
from oncrpc.snoop.explain.steps import Question, ServerPart, StepEnd, StepKind, StepResult
from oncrpc.snoop.messages import RpcMessage
from oncrpc.snoop.streams.outcome import CUT, outcome_of
from oncrpc.snoop.words.bodies import gss_of
from oncrpc.snoop.words.cursor import Cursor, CutShort
from oncrpc.snoop.words.gss import unwrapped
from oncrpc.snoop.words.header import reply_header
from oncrpc.snoop.words.names import FLAVORS

MAX_FLAVORS_READ = 16
"""Flavors in a reply to MNT that are read."""

AT_VERIFIER_SIZE = 16
"""Offset in a reply of the size of the verifier (accepted), or of the versions (rejected)."""

DONE = StepResult(StepEnd.DONE, shown="OK")
NLM_NORMAL = {
    nlm4_stats.NLM4_GRANTED, nlm4_stats.NLM4_DENIED, nlm4_stats.NLM4_BLOCKED,
    nlm4_stats.NLM4_DEADLCK,
}  # fmt: skip
NFS_3_NOTABLE = {
    nfsstat3.NFS3ERR_STALE, nfsstat3.NFS3ERR_BADHANDLE, nfsstat3.NFS3ERR_JUKEBOX,
    nfsstat3.NFS3ERR_SERVERFAULT, nfsstat3.NFS3ERR_IO,
}  # fmt: skip
NFS_4_NOTABLE = {
    nfsstat4.NFS4ERR_STALE, nfsstat4.NFS4ERR_BADHANDLE, nfsstat4.NFS4ERR_DELAY,
    nfsstat4.NFS4ERR_SERVERFAULT, nfsstat4.NFS4ERR_IO, nfsstat4.NFS4ERR_GRACE,
    nfsstat4.NFS4ERR_WRONGSEC, nfsstat4.NFS4ERR_STALE_CLIENTID,
}  # fmt: skip
"""Errors of usual calls that are not caused by what the user does."""

LISTINGS = ("READDIR", "READDIRPLUS")


def result_of(question: Question, reply: RpcMessage) -> StepResult:
    """The result in the first reply to a question."""
    outcome = outcome_of(reply.body)
    if outcome in ("RPC_MISMATCH", "PROG_MISMATCH"):
        return _mismatch(outcome, reply.body)
    if outcome == CUT:
        return DONE._replace(shown="answered (not captured whole)")
    if outcome != "SUCCESS":
        return StepResult(StepEnd.REJECTED, outcome)
    place = _place_of_results(reply)
    if place is None:
        return DONE
    reader = READERS.get((question.part, question.kind)) or READERS_OF_PARTS.get(question.part)
    if question.kind is StepKind.CONTEXT:
        reader = _context
    try:
        return reader(question, Cursor(*place)) if reader else DONE
    except CutShort:
        return DONE._replace(shown="answered (not captured whole)")


def _mismatch(outcome: str, body: bytes) -> StepResult:
    cursor = Cursor(body, AT_VERIFIER_SIZE)
    try:
        if outcome == "PROG_MISMATCH":
            cursor.skip_opaque()
            cursor.skip(4)
        low, high = cursor.uint(), cursor.uint()
    except CutShort:
        return StepResult(StepEnd.REJECTED, outcome)
    served = f"versions {low} to {high}" if low != high else f"version {low}"
    shown = f"{outcome}, the server has {served}"
    return StepResult(StepEnd.REJECTED, outcome, shown, low=low, high=high)


def _place_of_results(reply: RpcMessage) -> tuple[bytes, int] | None:
    header = reply_header(reply.body)
    if header is None or header.results is None:
        return None
    gss = gss_of(reply)
    if gss is None or gss.procedure:
        return reply.body, header.results
    return unwrapped(gss, reply.body, header.results)


def _lookup(question: Question, cursor: Cursor) -> StepResult:
    if question.text.startswith("DUMP"):
        return DONE
    if question.text.startswith("GETPORT"):
        port = cursor.uint()
        return StepResult(StepEnd.DONE, shown=f"port {port}", port=port) if port else _missing()
    uaddr = cursor.text()
    if not uaddr:
        return _missing()
    try:
        host, port = split_uaddr(uaddr)
    except AddressError:
        return StepResult(StepEnd.FAILED, "invalid address", f"invalid address {uaddr}")
    if not _fits(question, host):
        return StepResult(StepEnd.FAILED, "unusable address", f"address {uaddr}", port)
    return StepResult(StepEnd.DONE, shown=f"address {uaddr}", port=port)


def _fits(question: Question, host: str) -> bool:
    """Whether the client can use an address with the netid of its question."""
    local = ip_address(question.host).is_loopback
    address = ip_address(host.partition("%")[0])
    usable = not address.is_unspecified and (local or not address.is_loopback)
    return usable and (address.version == 6) == question.transport.endswith("6")


def _missing() -> StepResult:
    return StepResult(StepEnd.MISSING)


def _context(_: Question, cursor: Cursor) -> StepResult:
    """The reply to the first call of a context.

    A major status with a bit above the low 16 is an error (RFC 2744 §3.9.1).
    """
    cursor.skip_opaque()
    major, minor = cursor.uint(), cursor.uint()
    if major >> 16:
        return StepResult(StepEnd.FAILED, "GSS error", f"GSS major {major:#x}, minor {minor:#x}")
    return DONE


def _mounted(question: Question, cursor: Cursor) -> StepResult:
    status = cursor.uint()
    if status:
        return _failed(mountstat3, status)
    if question.vers < 3:
        return DONE._replace(shown="handle")
    cursor.skip_opaque()
    flavors = tuple(cursor.uint() for _ in range(min(cursor.uint(), MAX_FLAVORS_READ)))
    names = ", ".join(FLAVORS.get(each, str(each)) for each in flavors)
    return StepResult(StepEnd.DONE, shown=f"handle, flavors: {names or 'none'}", flavors=flavors)


def _nfs(question: Question, cursor: Cursor) -> StepResult:
    status = cursor.uint()
    if not status:
        return DONE
    usual = question.kind in (StepKind.USE, StepKind.LOCK)
    if question.vers < 4:
        unreadable = status == nfsstat3.NFS3ERR_ACCES and question.text in LISTINGS
        notable = not usual or unreadable or status in NFS_3_NOTABLE
        return _failed(nfsstat3, status) if notable else DONE
    if usual and status not in NFS_4_NOTABLE:
        return DONE
    return _by_operation(_failed(nfsstat4, status), question, cursor)


def _by_operation(failed: StepResult, question: Question, cursor: Cursor) -> StepResult:
    """The result with the operation that failed: the last one with results (RFC 7530 §15.2)."""
    try:
        cursor.skip_opaque()
        count = cursor.uint()
    except CutShort:
        return failed
    if not 0 < count <= len(question.operations):
        return failed
    return failed._replace(shown=f"{failed.status} by {question.operations[count - 1]}")


def _locked(_: Question, cursor: Cursor) -> StepResult:
    cursor.skip_opaque()
    status = cursor.uint()
    return DONE if status in NLM_NORMAL else _failed(nlm4_stats, status)


def _monitored(_: Question, cursor: Cursor) -> StepResult:
    return StepResult(StepEnd.FAILED, "stat_fail") if cursor.uint() else DONE


def _failed(statuses: type[IntEnum], status: int) -> StepResult:
    names = {each.value: each.name for each in statuses}
    return StepResult(StepEnd.FAILED, names.get(status, f"status {status}"))


Reader = Callable[[Question, Cursor], StepResult]
READERS: dict[tuple[ServerPart, StepKind], Reader] = {
    (ServerPart.MAPPER, StepKind.LOOKUP): _lookup,
    (ServerPart.MOUNT, StepKind.MOUNT): _mounted,
    (ServerPart.NFS, StepKind.PING): lambda _, __: DONE,
    (ServerPart.LOCK, StepKind.LOCK): _locked,
    (ServerPart.STATUS, StepKind.LOCK): _monitored,
}
READERS_OF_PARTS: dict[ServerPart, Reader] = {ServerPart.NFS: _nfs}
