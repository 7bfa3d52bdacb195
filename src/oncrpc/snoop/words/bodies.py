"""Find the arguments or results in a message, also behind the protection of RPCSEC_GSS."""

from __future__ import annotations

from oncrpc.snoop.messages import RpcMessage
from oncrpc.snoop.words.cursor import Cursor
from oncrpc.snoop.words.gss import DATA, GssCredential, gss_credential, unwrapped
from oncrpc.snoop.words.header import RPCSEC_GSS, CallHeader, call_header, reply_header


def body_start(message: RpcMessage) -> int | None:
    """The offset of the arguments or results, None if the message has none."""
    if message.is_call:
        call = call_header(message.body)
        return call.arguments if call else None
    reply = reply_header(message.body)
    return reply.results if reply else None


def body_of(message: RpcMessage) -> Cursor | None:
    """A cursor at the arguments or results, None if they are encrypted or missing."""
    start = body_start(message)
    gss = gss_of(message)
    if start is None or (gss is not None and gss.procedure != DATA):
        return None
    place = unwrapped(gss, message.body, start) if gss else (message.body, start)
    return Cursor(*place) if place else None


def call_of(message: RpcMessage) -> CallHeader | None:
    """The header of a call, or of the call of a reply."""
    call = message if message.is_call else message.call
    return call_header(call.body) if call is not None else None


def gss_of(message: RpcMessage) -> GssCredential | None:
    """The RPCSEC_GSS credential of a call, or of the call of a reply."""
    call = call_of(message)
    if call is None or call.flavor != RPCSEC_GSS:
        return None
    return gss_credential(call.credential)
