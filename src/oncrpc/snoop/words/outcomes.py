"""The status of a reply by its name: of RPC, or else of the program."""

from __future__ import annotations

from typing import NamedTuple

from oncrpc.snoop.messages import RpcMessage
from oncrpc.snoop.streams.matching import RPCSEC_GSS
from oncrpc.snoop.streams.outcome import CUT, SUCCESS, outcome_of
from oncrpc.snoop.words.cursor import Cursor, CutShort
from oncrpc.snoop.words.header import reply_header
from oncrpc.snoop.words.programs import KnownPrograms, StatusPlan

OK = "OK"
OK_NUMBERS = {"qr_status": 1, "ypstat": 1, "ypbind_resptype": 1}
"""Enumerations in which another number than 0 is success."""

FLAVOR, FLAVOR_END = 24, 28
"""Where the flavor of the credential is in a call."""


class ReplyStatus(NamedTuple):
    """``ok`` says that the call was carried out."""

    name: str
    ok: bool


def status_of(message: RpcMessage, programs: KnownPrograms) -> ReplyStatus | None:
    """The status of a reply, None if it is encrypted or was not captured, or for a call."""
    if message.is_call:
        return None
    outcome = outcome_of(message.body)
    if outcome != SUCCESS:
        return None if outcome == CUT else ReplyStatus(outcome, ok=False)
    if message.prog is None or message.vers is None or message.proc is None:
        return ReplyStatus(OK, ok=True)
    described = programs.described(message.prog, message.vers, message.proc)
    if described is None or described.plan is None:
        return ReplyStatus(OK, ok=True)
    header = reply_header(message.body)
    if header is None or header.results is None:
        return None
    call = message.call
    if call is not None and call.body[FLAVOR:FLAVOR_END] == RPCSEC_GSS:
        return _read_gss(message, header.results, described.plan)
    return _read(Cursor(message.body, header.results), described.plan)


def _read_gss(message: RpcMessage, results: int, plan: StatusPlan) -> ReplyStatus | None:
    """The status behind the protection of RPCSEC_GSS."""
    from oncrpc.snoop.words.bodies import gss_of  # loads declarations
    from oncrpc.snoop.words.gss import DATA, unwrapped

    gss = gss_of(message)
    if gss is not None and gss.procedure != DATA:
        return ReplyStatus(OK, ok=True)
    place = unwrapped(gss, message.body, results) if gss else (message.body, results)
    return _read(Cursor(*place), plan) if place else None


def _read(cursor: Cursor, plan: StatusPlan) -> ReplyStatus | None:
    try:
        for size in plan.before:
            cursor.skip(size) if size is not None else cursor.skip_opaque()
        return _named(plan, cursor.signed())
    except CutShort:
        return None


def _named(plan: StatusPlan, number: int) -> ReplyStatus:
    """Success has one name for all programs, so that it can be searched for."""
    if number == OK_NUMBERS.get(plan.type_name, 0):
        return ReplyStatus(OK, ok=True)
    name = plan.names.get(number)
    if name is None:
        name = f"{plan.type_name}_{number}" if plan.is_open else str(number)
    return ReplyStatus(name, ok=False)
