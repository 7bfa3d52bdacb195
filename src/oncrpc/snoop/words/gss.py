"""RPCSEC_GSS: the credential of a call, and where its arguments or results are (RFC 2203 §5)."""

from __future__ import annotations

import enum
from typing import NamedTuple

from oncrpc.snoop.words.cursor import Cursor, CutShort
from oncrpc.snoop.words.names import name_of_program

PROCEDURES = {
    0: "RPCSEC_GSS_DATA",
    1: "RPCSEC_GSS_INIT",
    2: "RPCSEC_GSS_CONTINUE_INIT",
    3: "RPCSEC_GSS_DESTROY",
    4: "RPCSEC_GSS_BIND_CHANNEL",
}
VERSIONS = (1, 2)
DATA = 0


class GssService(enum.IntEnum):
    """How arguments and results are protected."""

    NONE = 1
    INTEGRITY = 2
    PRIVACY = 3


class GssCredential(NamedTuple):
    """``service`` may be a number that is not a ``GssService``."""

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
    if credential.procedure not in (1, 2):
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
    if credential.service == GssService.PRIVACY:
        return None
    if credential.service != GssService.INTEGRITY:
        return body, at
    cursor = Cursor(body, at)
    try:
        size = cursor.uint()
    except CutShort:
        return body, len(body)
    return body[: cursor.at + size], cursor.at + 4
