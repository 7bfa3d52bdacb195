"""A message as fields: its header, the credential, and the arguments or results."""

from __future__ import annotations

from typing import Any, NamedTuple

from oncrpc.rpc.program import AnyProcedure
from oncrpc.rpc.prot import auth_flavor, authsys_parms, rpc_msg
from oncrpc.snoop.messages import RpcMessage
from oncrpc.snoop.words.attributes4 import with_attributes
from oncrpc.snoop.words.fields import Traversal, WireField
from oncrpc.snoop.words.gss import GssCredential, gss_credential, unwrapped
from oncrpc.snoop.words.header import RPCSEC_GSS, CallHeader, call_header, reply_header
from oncrpc.snoop.words.programs import KnownPrograms


class Dissection(NamedTuple):
    """``problem`` says why fields are missing at the end, empty if none are.

    ``end`` is where the last field ends.
    """

    header: WireField
    credential: WireField | None
    body: list[WireField]
    problem: str
    end: int
    encrypted: bool = False


def dissected(message: RpcMessage, programs: KnownPrograms) -> Dissection:
    """All fields of a message, as far as it goes and its program is known."""
    traversal = Traversal(message.body)
    header = traversal.read(rpc_msg, "rpc")
    if traversal.problem:
        return Dissection(header, None, [], traversal.problem, traversal.at)
    start = _body_start(message)
    credential = _credential(message)
    procedure = _procedure(message, programs)
    if start is None or procedure is None or message.proc is None:
        return Dissection(header, credential, [], "", traversal.at)
    gss = gss_of(message)
    place = unwrapped(gss, message.body, start) if gss else (message.body, start)
    if place is None:
        return Dissection(header, credential, [], "", start, encrypted=True)
    return _with_body(Dissection(header, credential, [], "", start), message, procedure, place)


def _with_body(
    made: Dissection, message: RpcMessage, procedure: AnyProcedure, place: tuple[bytes, int]
) -> Dissection:
    traversal = Traversal(*place)
    body = []
    for name, declared in _declared(message, procedure):
        body.append(traversal.read(declared, name))
        with_attributes(body[-1], place[0])
        if traversal.problem:
            break
    return made._replace(body=body, problem=traversal.problem, end=traversal.at)


def _declared(message: RpcMessage, procedure: AnyProcedure) -> list[tuple[str, Any]]:
    """The names and declarations of the arguments or of the result."""
    if not message.is_call:
        return [] if procedure.result is None else [("result", procedure.result)]
    if len(procedure.arguments) == 1:
        return [("arguments", procedure.arguments[0])]
    return [(f"argument {number}", each) for number, each in enumerate(procedure.arguments, 1)]


def _procedure(message: RpcMessage, programs: KnownPrograms) -> AnyProcedure | None:
    if message.prog is None or message.vers is None or message.proc is None:
        return None
    return programs.procedure(message.prog, message.vers, message.proc)


def _body_start(message: RpcMessage) -> int | None:
    """Where the arguments or results begin, None if there are none."""
    if message.is_call:
        call = call_header(message.body)
        return call.arguments if call else None
    reply = reply_header(message.body)
    return reply.results if reply else None


def _credential(message: RpcMessage) -> WireField | None:
    """The fields of an AUTH_SYS credential, at their place in the message."""
    call = call_header(message.body) if message.is_call else None
    if call is None or call.flavor != auth_flavor.AUTH_SYS:
        return None
    return Traversal(message.body[: 32 + len(call.credential)], 32).read(authsys_parms, "AUTH_SYS")


def call_of(message: RpcMessage) -> CallHeader | None:
    """The header of the call that a message is or answers."""
    call = message if message.is_call else message.call
    return call_header(call.body) if call is not None else None


def gss_of(message: RpcMessage) -> GssCredential | None:
    """The credential of RPCSEC_GSS of the call that a message is or answers."""
    call = call_of(message)
    if call is None or call.flavor != RPCSEC_GSS:
        return None
    return gss_credential(call.credential)
