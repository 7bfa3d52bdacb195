"""RPCSEC_GSS: the credential of a call, and where its arguments or results are (RFC 2203 §5)."""

from __future__ import annotations

from typing import NamedTuple

from oncrpc.programs.rpcsec_gss import (
    RPCSEC_GSS_VERS_1,
    RPCSEC_GSS_VERS_2,
    rpc_gss_proc_t,
    rpc_gss_service_t,
)
from oncrpc.snoop.words.cursor import Cursor, CutShort
from oncrpc.snoop.words.names import name_of_program

PROCEDURES = {each.value: each.name for each in rpc_gss_proc_t}
VERSIONS = (RPCSEC_GSS_VERS_1, RPCSEC_GSS_VERS_2)
DATA = rpc_gss_proc_t.RPCSEC_GSS_DATA
MAKING = (rpc_gss_proc_t.RPCSEC_GSS_INIT, rpc_gss_proc_t.RPCSEC_GSS_CONTINUE_INIT)
"""Procedures that make a context."""

INTEGRITY = rpc_gss_service_t.rpc_gss_svc_integrity
PRIVACY = rpc_gss_service_t.rpc_gss_svc_privacy


class GssCredential(NamedTuple):
    """``service`` may be a number that is not a ``rpc_gss_service_t``."""

    procedure: int
    sequence: int
    service: int
    handle: bytes


def gss_credential(body: bytes) -> GssCredential | None:
    """The credential, None if it is of another version or damaged."""
    cursor = Cursor(body)
    try:
        if cursor.uint() not in VERSIONS:
            return None
        procedure, sequence, service = cursor.uint(), cursor.uint(), cursor.uint()
        return GssCredential(procedure, sequence, service, cursor.opaque())
    except CutShort:
        return None


def control_call(credential: GssCredential) -> str:
    """The words for a call that makes or ends a context."""
    name = PROCEDURES.get(credential.procedure, "unknown")
    return f"RPC RPCSEC_GSS C {credential.procedure} ({name})"


def control_reply(credential: GssCredential, cursor: Cursor) -> str:
    """The words for the reply; after INIT they have the status of GSS (RFC 2203 §5.2.3.1)."""
    name = PROCEDURES.get(credential.procedure, "unknown")
    said = f"RPC RPCSEC_GSS R {credential.procedure} ({name})"
    if credential.procedure not in MAKING:
        return said
    try:
        cursor.skip_opaque()
        return f"{said} major={cursor.uint()} minor={cursor.uint()} window={cursor.uint()}"
    except CutShort:
        return said


def encrypted(letter: str, prog: int, vers: int, proc: int) -> str:
    """The words for arguments or results that cannot be read."""
    name = name_of_program(prog)
    shown = str(prog) if name == "?" else name
    return f"RPC RPCSEC_GSS {letter} {shown} ver({vers}) proc({proc}) (data encrypted)"


def unwrapped(credential: GssCredential, body: bytes, at: int) -> tuple[bytes, int] | None:
    """The bytes and the place of the arguments or results, None if they are encrypted.

    With integrity they are in an opaque value, behind a number of the sequence; its checksum
    follows (RFC 2203 §5.3.2.2).
    """
    if credential.service == PRIVACY:
        return None
    if credential.service != INTEGRITY:
        return body, at
    cursor = Cursor(body, at)
    try:
        size = cursor.uint()
    except CutShort:
        return body, len(body)
    return body[: cursor.at + size], cursor.at + 4
