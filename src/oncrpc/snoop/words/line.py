"""The line of a message in the words of snoop, without time and addresses."""

from __future__ import annotations

from oncrpc.snoop.messages import RpcMessage
from oncrpc.snoop.words.bodies import gss_of
from oncrpc.snoop.words.cursor import Cursor
from oncrpc.snoop.words.generic import declared_call, declared_reply
from oncrpc.snoop.words.gss import (
    DATA,
    GssCredential,
    control_call,
    control_reply,
    encrypted,
    unwrapped,
)
from oncrpc.snoop.words.header import (
    AUTH_TLS,
    RPCSEC_GSS,
    STARTTLS,
    bare_call,
    bare_reply,
    call_header,
    reply_header,
)
from oncrpc.snoop.words.programs import KnownPrograms
from oncrpc.snoop.words.templates import MORE

NFS_4_COMPOUND = (100003, 4, 1)


def line_of(message: RpcMessage, programs: KnownPrograms) -> str:
    """The words for a message: ``NFS C GETATTR3 FH=9000``.

    A call of NFS 4 that chooses a program for callbacks makes it known to ``programs``.
    """
    said = _call(message, programs) if message.is_call else _reply(message, programs)
    if message.retransmission:
        said += " (retransmit)"
    if message.duplicate:
        said += " (duplicate)"
    return said


def _call(message: RpcMessage, programs: KnownPrograms) -> str:
    header = call_header(message.body)
    if header is None:
        return f"{bare_call(message)} {MORE}"
    if (message.prog, message.vers, message.proc) == NFS_4_COMPOUND:
        from oncrpc.snoop.words.callbacks import learn_callbacks  # loads NFS 4

        learn_callbacks(message, header.arguments, programs)
    gss = gss_of(message) if header.flavor == RPCSEC_GSS else None
    if gss is not None and gss.procedure != DATA:
        return control_call(gss)
    cursor = _cursor(gss, message.body, header.arguments)
    if cursor is None:
        return encrypted("C", header.prog, header.vers, header.proc)
    tls = " (AUTH_TLS)" if header.flavor == AUTH_TLS else ""
    return (_known_call(message, cursor, programs) or bare_call(message)) + tls


def _known_call(message: RpcMessage, cursor: Cursor, programs: KnownPrograms) -> str | None:
    target = _target(message)
    return line_of_arguments(target, cursor, programs) if target else None


def _target(message: RpcMessage) -> tuple[int, int, int] | None:
    if message.prog is None or message.vers is None or message.proc is None:
        return None
    return message.prog, message.vers, message.proc


def line_of_arguments(
    target: tuple[int, int, int], cursor: Cursor, programs: KnownPrograms
) -> str | None:
    """The line of a call of a program, version and procedure, None if they are not known."""
    prog, vers, proc = target
    words = programs.words(prog, vers)
    if words is not None:
        return words.call(proc, cursor)
    procedure = programs.procedure(prog, vers, proc)
    return declared_call(procedure, cursor) if procedure else None


def line_of_results(
    target: tuple[int, int, int], cursor: Cursor, programs: KnownPrograms
) -> str | None:
    """The line of the reply to such a call."""
    prog, vers, proc = target
    words = programs.words(prog, vers)
    if words is not None:
        return words.reply(proc, cursor)
    procedure = programs.procedure(prog, vers, proc)
    return declared_reply(procedure, cursor) if procedure else None


def _reply(message: RpcMessage, programs: KnownPrograms) -> str:
    header = reply_header(message.body)
    if header is None:
        return bare_reply(message, MORE)
    if header.results is None or message.call is None:
        return bare_reply(message, header.outcome)
    gss = gss_of(message)
    if gss is not None and gss.procedure != DATA:
        return control_reply(gss, Cursor(message.body, header.results))
    cursor = _cursor(gss, message.body, header.results)
    if cursor is None:
        return encrypted("R", message.prog or 0, message.vers or 0, message.proc or 0)
    tls = " (STARTTLS)" if header.verifier_body == STARTTLS else ""
    return (_known_reply(message, cursor, programs) or bare_reply(message, header.outcome)) + tls


def _known_reply(message: RpcMessage, cursor: Cursor, programs: KnownPrograms) -> str | None:
    target = _target(message)
    return line_of_results(target, cursor, programs) if target else None


def _cursor(gss: GssCredential | None, body: bytes, at: int) -> Cursor | None:
    """The place of the arguments or results, None if they are encrypted."""
    place = unwrapped(gss, body, at) if gss is not None else (body, at)
    return Cursor(*place) if place is not None else None
