"""The lines of a message, one for each layer that RPC has: ``-V``."""

from __future__ import annotations

from oncrpc.snoop.messages import RpcMessage
from oncrpc.snoop.words.cursor import Cursor, CutShort
from oncrpc.snoop.words.header import bare_call, bare_reply, call_header, reply_header
from oncrpc.snoop.words.line import line_of, line_of_arguments, line_of_results
from oncrpc.snoop.words.programs import KnownPrograms

FORWARDING = {(100000, 2): (5,), (100000, 3): (5,), (100000, 4): (5, 10)}
"""Procedures of a port mapper that forward a call: CALLIT, BCAST, INDIRECT."""

Inner = tuple[int, int, int]
"""Program, version and procedure of a call that is forwarded."""


def lines_of(message: RpcMessage, programs: KnownPrograms) -> list[str]:
    """The line of RPC, that of the program, and that of a call that a port mapper forwards."""
    own = line_of(message, programs)
    inner = _forwarded(message, programs)
    lines = [_bare(message), own, *([inner] if inner else [])]
    return lines if lines[0] != own else lines[1:]


def _bare(message: RpcMessage) -> str:
    if message.is_call:
        return bare_call(message)
    header = reply_header(message.body)
    return bare_reply(message, header.outcome if header else "")


def _forwarded(message: RpcMessage, programs: KnownPrograms) -> str | None:
    """The line of the call or reply within."""
    call = message if message.is_call else message.call
    if call is None or call.prog is None or call.vers is None:
        return None
    if call.proc not in FORWARDING.get((call.prog, call.vers), ()):
        return None
    found = _inner(call)
    if found is None:
        return None
    target, cursor = found
    if message.is_call:
        return line_of_arguments(target, cursor, programs)
    results = _inner_results(message)
    return line_of_results(target, results, programs) if results else None


def _inner(call: RpcMessage) -> tuple[Inner, Cursor] | None:
    """The call that is forwarded, and the place of its arguments."""
    header = call_header(call.body)
    if header is None:
        return None
    cursor = Cursor(call.body, header.arguments)
    try:
        target = (cursor.uint(), cursor.uint(), cursor.uint())
        cursor.uint()
    except CutShort:
        return None
    return target, cursor


def _inner_results(reply: RpcMessage) -> Cursor | None:
    """The place of the results, behind the port or the universal address."""
    header = reply_header(reply.body)
    if header is None or header.results is None:
        return None
    cursor = Cursor(reply.body, header.results)
    try:
        cursor.uint() if reply.vers == 2 else cursor.skip_opaque()  # of RFC 1833
        cursor.uint()
    except CutShort:
        return None
    return cursor
