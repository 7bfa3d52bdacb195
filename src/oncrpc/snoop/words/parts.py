"""A message as fields: its header, the credential, and the arguments or results."""

from __future__ import annotations

from typing import Any, NamedTuple

from oncrpc.programs.rpcsec_gss import rpc_gss_cred_t, rpc_gss_init_arg, rpc_gss_init_res
from oncrpc.rpc.program import AnyProcedure
from oncrpc.rpc.prot import auth_flavor, authsys_parms, rpc_msg
from oncrpc.snoop.messages import RpcMessage
from oncrpc.snoop.words.bodies import body_start, gss_of
from oncrpc.snoop.words.fields import Traversal, WireField
from oncrpc.snoop.words.gss import INTEGRITY, MAKING, unwrapped
from oncrpc.snoop.words.header import CALL, call_header
from oncrpc.snoop.words.programs import KnownPrograms
from oncrpc.xdr import Opaque, UInt

WITH_ATTRIBUTES = ("NFS_V4", "NFS_CB")
"""Versions whose messages have ``fattr4``."""

REPEATED = {(100004, 2, 8)}
"""Procedures whose result is repeated until there are no more entries: YPPROC_ALL."""


class Dissection(NamedTuple):
    """``problem`` says why fields are missing at the end, empty if none are.

    ``protection`` has what RPCSEC_GSS puts around the body. ``end`` is where the last field ends.
    """

    header: WireField | None
    credential: WireField | None
    body: list[WireField]
    problem: str
    end: int
    encrypted: bool = False
    protection: tuple[WireField, ...] = ()


def dissected(
    message: RpcMessage, programs: KnownPrograms, *, with_header: bool = True
) -> Dissection:
    """All fields of a message, as far as it goes and its program is known.

    Without ``with_header``, the fields of the header are left out, except if there are no others.
    """
    start = body_start(message)
    header = None
    if with_header or start is None:
        traversal = Traversal(message.body)
        header = traversal.read(rpc_msg, "rpc")
        if traversal.problem:
            return Dissection(header, None, [], traversal.problem, traversal.at)
        if start is None:
            return Dissection(header, _credential(message), [], "", traversal.at)
    made = Dissection(header, _credential(message), [], "", start)
    gss = gss_of(message)
    if gss is not None and gss.procedure in MAKING:
        return _with_body(made, _context(message), (message.body, start))
    place = unwrapped(gss, message.body, start) if gss else (message.body, start)
    if place is None:
        return made._replace(encrypted=True)
    procedure = _procedure(message, programs)
    if procedure is None:
        return made
    if not message.is_call and (message.prog, message.vers, message.proc) in REPEATED:
        made = _with_repeated(made, procedure.result, place)
    else:
        made = _with_body(made, _declared(message, procedure), place)
        if procedure.version.__name__ in WITH_ATTRIBUTES:
            from oncrpc.snoop.words.attributes4 import with_attributes  # loads NFS 4

            for part in made.body:
                with_attributes(part, place[0])
    return _with_checksum(made, message, place) if gss and gss.service == INTEGRITY else made


def _with_body(
    made: Dissection, declared: list[tuple[str, Any]], place: tuple[bytes, int]
) -> Dissection:
    traversal = Traversal(*place)
    body = []
    for name, each in declared:
        body.append(traversal.read(each, name))
        if traversal.problem:
            break
    return made._replace(body=body, problem=traversal.problem, end=traversal.at)


def _with_repeated(made: Dissection, declared: Any, place: tuple[bytes, int]) -> Dissection:
    """The entries of a NIS map: a union for each, until one has FALSE."""
    traversal = Traversal(*place)
    entries = WireField("result", traversal.at, parts=[], listed=True)
    more = True
    while more and not traversal.problem:
        entry = traversal.read(declared, f"[{len(entries.parts)}]")
        more = bool(entry.parts) and entry.parts[0].value is True
        if more:
            found = entry.parts[-1]
            found.name = entry.name
            entries.parts.append(found)
    return made._replace(body=[entries], problem=traversal.problem, end=traversal.at)


def _with_checksum(made: Dissection, message: RpcMessage, place: tuple[bytes, int]) -> Dissection:
    """The number before a body with integrity, and the checksum behind it (RFC 2203 §5.3.2.2)."""
    data, start = place
    number = Traversal(data, start - 4).read(UInt, "seq_num")
    if made.problem or made.end != len(data):
        return made._replace(protection=(number,))
    traversal = Traversal(message.body, (len(data) + 3) & ~3)
    checksum = traversal.read(Opaque, "checksum")
    protection = (number, checksum) if not traversal.problem else (number,)
    return made._replace(protection=protection, problem=traversal.problem, end=traversal.at)


def _context(message: RpcMessage) -> list[tuple[str, Any]]:
    """What makes a context is in place of the arguments and results of NULL."""
    if message.is_call:
        return [("arguments", rpc_gss_init_arg)]
    return [("result", rpc_gss_init_res)]


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


CREDENTIALS: dict[int, tuple[str, Any]] = {
    auth_flavor.AUTH_SYS: ("AUTH_SYS", authsys_parms),
    auth_flavor.RPCSEC_GSS: ("RPCSEC_GSS", rpc_gss_cred_t),
}
"""Flavors whose credentials have fields, and their declarations."""


def _credential(message: RpcMessage) -> WireField | None:
    """The fields of a credential, at their place in the message."""
    call = call_header(message.body) if message.is_call else None
    if call is None or call.flavor not in CREDENTIALS:
        return None
    name, declared = CREDENTIALS[call.flavor]
    end = CALL.size + len(call.credential)
    return Traversal(message.body[:end], CALL.size).read(declared, name)
