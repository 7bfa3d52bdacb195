"""Messages as they are seen on the wire, made with the codecs of the package."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from oncrpc.rpc import AUTH_NONE
from oncrpc.rpc.program import AnyProcedure
from oncrpc.rpc.prot import call_body, msg_type, opaque_auth, rpc_msg, rpc_msg_body
from oncrpc.snoop.messages import Party, RpcMessage
from oncrpc.snoop.words.line import line_of
from oncrpc.snoop.words.programs import KnownPrograms
from oncrpc.xdr import codec, encode
from support.words import words

CLIENT, SERVER = Party("client", 700), Party("server", 2049)
RPC_VERSION = 2
XID = 7


def seen_call(
    procedure: AnyProcedure,
    *arguments: Any,
    number: int = 1,
    cred: opaque_auth = AUTH_NONE,
    vers: int | None = None,
    **known: Any,
) -> RpcMessage:
    """A call with its arguments."""
    return seen_bytes(
        procedure,
        procedure.encode_arguments(arguments),
        number=number,
        cred=cred,
        vers=vers,
        **known,
    )


def seen_bytes(
    procedure: AnyProcedure,
    arguments: bytes,
    *,
    number: int = 1,
    cred: opaque_auth = AUTH_NONE,
    vers: int | None = None,
    **known: Any,
) -> RpcMessage:
    """A call whose arguments are those bytes."""
    version = procedure.version
    header = call_body(
        RPC_VERSION, version.prog, vers or version.vers, procedure.number, cred, AUTH_NONE
    )
    body = encode(rpc_msg, rpc_msg(XID, rpc_msg_body(msg_type.CALL, header))) + arguments
    return RpcMessage(
        number=number,
        time=2_000_000_000,
        began=2_000_000_000,
        source=CLIENT,
        target=SERVER,
        transport="udp",
        xid=XID,
        is_call=True,
        prog=version.prog,
        vers=vers or version.vers,
        proc=procedure.number,
        body=body,
        length=len(body),
        **known,
    )


def seen_reply(call: RpcMessage, *rest: int | bytes, number: int = 2, **known: Any) -> RpcMessage:
    """A reply; ``rest`` follows the message type."""
    body = words(call.xid, 1, *rest)
    return RpcMessage(
        number=number,
        time=2_500_000_000,
        began=2_500_000_000,
        source=SERVER,
        target=CLIENT,
        transport="udp",
        xid=call.xid,
        is_call=False,
        prog=call.prog,
        vers=call.vers,
        proc=call.proc,
        body=body,
        length=len(body),
        call=call,
        **known,
    )


def answered(call: RpcMessage, procedure: AnyProcedure, result: Any, **known: Any) -> RpcMessage:
    """The reply to a call that was carried out."""
    return seen_reply(call, 0, 0, 0, 0, codec(procedure.result).encode(result), **known)


def exchange(
    procedure: AnyProcedure, arguments: Sequence[Any], result: Any
) -> tuple[RpcMessage, RpcMessage]:
    """A call and its reply."""
    call = seen_call(procedure, *arguments)
    return call, answered(call, procedure, result)


def cut_message(message: RpcMessage, size: int) -> RpcMessage:
    """The message of which only ``size`` bytes were captured."""
    return message._replace(body=message.body[:size], cut=size < message.length)


def call_line(procedure: AnyProcedure, *arguments: Any) -> str:
    """The line of a call."""
    return line_of(seen_call(procedure, *arguments), KnownPrograms())


def reply_line(procedure: AnyProcedure, result: Any) -> str:
    """The line of the reply to a call; its arguments do not matter."""
    return line_of(answered(seen_bytes(procedure, b""), procedure, result), KnownPrograms())
