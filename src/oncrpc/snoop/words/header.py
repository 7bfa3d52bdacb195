"""The header of a call or a reply, and the words for a call that was refused (RFC 5531 §9)."""

from __future__ import annotations

import struct
from typing import NamedTuple

from oncrpc.snoop.messages import RpcMessage
from oncrpc.snoop.words.cursor import Cursor, CutShort
from oncrpc.snoop.words.names import name_of_program

CALL = struct.Struct(">IIIIIIII")
"""From the xid to the size of the credential."""

AUTH_SYS, RPCSEC_GSS, AUTH_TLS = 1, 6, 7
STARTTLS = b"STARTTLS"

ACCEPTED = {
    0: "Success",
    1: "Program unavailable",
    2: "Program number mismatch",
    3: "Procedure unavailable",
    4: "Garbage arguments",
    5: "System error",
}
MISMATCH = 2

REASONS = {
    1: "bogus credentials (seal broken)",
    2: "client should begin new session",
    3: "bogus verifier (seal broken)",
    4: "verifier expired or was replayed",
    5: "too weak",
    6: "bogus response verifier",
    7: "unknown reason",
    8: "Kerberos error",
    9: "time of credential expired",
    10: "something wrong with ticket file",
    11: "can't decode authenticator",
    12: "net address in ticket wrong",
    13: "no credentials for user",
    14: "GSS failure, credentials deleted",
}
"""Of AUTH_ERROR (RFC 5531 §9, RFC 2203 §5.3.3)."""


class CallHeader(NamedTuple):
    """``arguments`` is where the arguments begin."""

    prog: int
    vers: int
    proc: int
    flavor: int
    credential: bytes
    arguments: int


class ReplyHeader(NamedTuple):
    """``results`` is where the results begin, None if the call was refused.

    ``outcome`` is the words for the refusal, or ``Success``.
    """

    outcome: str
    verifier: int
    verifier_body: bytes
    results: int | None


def call_header(body: bytes) -> CallHeader | None:
    """The header of a call, None if it was not captured whole."""
    try:
        _, _, _, prog, vers, proc, flavor, size = CALL.unpack_from(body)
        cursor = Cursor(body, CALL.size)
        credential = cursor.fixed(size)
        cursor.uint()
        cursor.skip_opaque()
    except (struct.error, CutShort):
        return None
    return CallHeader(prog, vers, proc, flavor, credential, cursor.at)


def uid_of(message: RpcMessage) -> int | None:
    """The user of AUTH_SYS (RFC 5531, appendix A) whose call a message is or answers."""
    call = message if message.is_call else message.call
    header = call_header(call.body) if call is not None else None
    if header is None or header.flavor != AUTH_SYS:
        return None
    cursor = Cursor(header.credential)
    try:
        cursor.skip(4)  # the stamp
        cursor.skip_opaque()  # the name of the machine
        return cursor.uint()
    except CutShort:
        return None


def reply_header(body: bytes) -> ReplyHeader | None:
    """The header of a reply, None if it was not captured whole."""
    cursor = Cursor(body, 8)
    try:
        if cursor.uint():
            return ReplyHeader(_denied(cursor), 0, b"", None)
        verifier, verifier_body = cursor.uint(), cursor.opaque()
        stat = cursor.uint()
    except CutShort:
        return None
    outcome = ACCEPTED.get(stat, "unknown")
    if stat == MISMATCH:
        outcome += _range(cursor)
    return ReplyHeader(outcome, verifier, verifier_body, None if stat else cursor.at)


def _denied(cursor: Cursor) -> str:
    if cursor.uint():
        return f"Can't authenticate ({REASONS.get(cursor.uint(), 'unknown reason')})"
    return "Vers mismatch" + _range(cursor)


def _range(cursor: Cursor) -> str:
    try:
        return f" (low={cursor.uint()}, high={cursor.uint()})"
    except CutShort:
        return ""


def bare_call(message: RpcMessage) -> str:
    """The words for a call of a program that is not known."""
    if message.prog is None:
        return f"RPC C XID={message.xid}"
    name = name_of_program(message.prog)
    return (
        f"RPC C XID={message.xid} PROG={message.prog} ({name})"
        f" VERS={message.vers} PROC={message.proc}"
    )


def bare_reply(message: RpcMessage, outcome: str) -> str:
    """The words for a reply that has only its outcome; ``#`` is the frame of the call."""
    frame = f"(#{message.call.number}) " if message.call is not None else ""
    return f"RPC R {frame}XID={message.xid} {outcome}"
