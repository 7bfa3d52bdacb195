"""The status of a reply by its name: of RPC, or else of the program."""

from __future__ import annotations

import enum
from functools import lru_cache
from typing import Any, NamedTuple

from oncrpc.rpc.program import AnyProcedure
from oncrpc.rpc.prot import accept_stat
from oncrpc.snoop.messages import RpcMessage
from oncrpc.snoop.streams.outcome import CUT, outcome_of
from oncrpc.snoop.words.bodies import gss_of
from oncrpc.snoop.words.cursor import Cursor, CutShort
from oncrpc.snoop.words.gss import DATA, unwrapped
from oncrpc.snoop.words.header import reply_header
from oncrpc.snoop.words.programs import KnownPrograms
from oncrpc.xdr import codec
from oncrpc.xdr.nodes import BytesNode, EnumNode, Node, ScalarNode, StructNode, UnionNode

SUCCESS = accept_stat.SUCCESS.name
OK = "OK"
OK_NUMBERS = {"qr_status": 1, "ypstat": 1, "ypbind_resptype": 1}
"""Enumerations in which another number than 0 is success."""

UNIX_STATUS = "status"
"""The name of a status that is a number of Unix: in MOUNT 1 and 2 (RFC 1094 §A.5)."""

MAX_PLANS = 1024
"""Procedures of which it is remembered where their status is."""


class ReplyStatus(NamedTuple):
    """``ok`` says that the call was carried out."""

    name: str
    ok: bool


class StatusPlan(NamedTuple):
    """How to find the status of a result: bytes and opaque values before it, and its type."""

    before: tuple[int | None, ...]
    members: type[enum.IntEnum] | None


def status_of(message: RpcMessage, programs: KnownPrograms) -> ReplyStatus | None:
    """The status of a reply, None if it is encrypted or was not captured, or for a call."""
    if message.is_call:
        return None
    outcome = outcome_of(message.body)
    if outcome != SUCCESS:
        return None if outcome == CUT else ReplyStatus(outcome, ok=False)
    if message.prog is None or message.vers is None or message.proc is None:
        return ReplyStatus(OK, ok=True)
    procedure = programs.procedure(message.prog, message.vers, message.proc)
    plan = status_plan(procedure) if procedure is not None else None
    return _read(message, plan) if plan else ReplyStatus(OK, ok=True)


def _read(message: RpcMessage, plan: StatusPlan) -> ReplyStatus | None:
    header = reply_header(message.body)
    if header is None or header.results is None:
        return None
    gss = gss_of(message)
    if gss is not None and gss.procedure != DATA:
        return ReplyStatus(OK, ok=True)
    place = unwrapped(gss, message.body, header.results) if gss else (message.body, header.results)
    if place is None:
        return None
    cursor = Cursor(*place)
    try:
        for size in plan.before:
            cursor.skip(size) if size is not None else cursor.skip_opaque()
        return _named(plan.members, cursor.signed())
    except CutShort:
        return None


def _named(members: type[enum.IntEnum] | None, number: int) -> ReplyStatus:
    """Success has one name for all programs, so that it can be searched for."""
    if number == OK_NUMBERS.get(members.__name__ if members else "", 0):
        return ReplyStatus(OK, ok=True)
    try:
        return ReplyStatus(str((members or _unix_statuses())(number)), ok=False)
    except ValueError:
        return ReplyStatus(str(number), ok=False)


def _unix_statuses() -> type[enum.IntEnum]:
    """The numbers of Unix as NFS 2 names them; loaded when one is met."""
    from oncrpc.programs.nfs2 import stat

    return stat


@lru_cache(MAX_PLANS)
def status_plan(procedure: AnyProcedure) -> StatusPlan | None:
    """The plan of a procedure, None if its result has no status.

    Cache: plans by procedure, at most ``MAX_PLANS`` of them, those used last.
    """
    if procedure.result is None:
        return None
    return _plan(codec(procedure.result).node, ())


def _plan(node: Node, before: tuple[int | None, ...]) -> StatusPlan | None:
    match node:
        case EnumNode(cls=cls):
            return StatusPlan(before, cls)
        case UnionNode(switch=(name, switch)):
            return _plan_of_switch(name, switch, before)
        case StructNode(fields=fields):
            return _plan_of_fields(fields, before)
    return None


def _plan_of_switch(name: str, switch: Any, before: tuple[int | None, ...]) -> StatusPlan | None:
    if isinstance(switch, ScalarNode) and name == UNIX_STATUS:
        return StatusPlan(before, None)
    return _plan(switch, before)


def _plan_of_fields(
    fields: list[tuple[str, Node]], before: tuple[int | None, ...]
) -> StatusPlan | None:
    """The status is the first field, or behind a cookie."""
    for _, node in fields:
        found = _plan(node, before)
        if found is not None:
            return found
        if not isinstance(node, BytesNode):
            return None
        before = (*before, node.least if node.fixed else None)
    return None
