"""Errors in the words of the C library (clnt_perror(3)), which scripts look for.

The same error has up to three texts, depending on where it happened: opening a link, looking up
the address, or a call over the link.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from oncrpc.cli.command import Failure
from oncrpc.errors import (
    AddressError,
    AuthError,
    CallTimeout,
    GarbageArguments,
    HostUnknown,
    LimitExceeded,
    NotRegistered,
    OncRpcError,
    ProcedureUnavailable,
    ProgramMismatch,
    ProgramUnavailable,
    ProtocolError,
    RpcMismatch,
    SystemFailure,
    TransportError,
    XdrError,
)

UNKNOWN_CODE = "RPC: (unknown error code)"
UNKNOWN_HOST = "RPC: Unknown host"
UNKNOWN_PROTOCOL = "RPC: Unknown protocol"
STATUS: dict[type[OncRpcError], str] = {
    AddressError: UNKNOWN_CODE,
    AuthError: "RPC: Authentication error",
    CallTimeout: "RPC: Timed out",
    GarbageArguments: "RPC: Server can't decode arguments",
    HostUnknown: UNKNOWN_HOST,
    NotRegistered: "RPC: Program not registered",
    ProcedureUnavailable: "RPC: Procedure unavailable",
    ProgramMismatch: "RPC: Program/version mismatch",
    ProgramUnavailable: "RPC: Program unavailable",
    ProtocolError: "RPC: Can't decode result",
    RpcMismatch: "RPC: Incompatible versions of RPC",
    SystemFailure: "RPC: Remote system error",
    TransportError: "RPC: Unable to receive",
    XdrError: "RPC: Can't encode arguments",
}
"""clnt_sperrno(3)."""

WHY = (
    "Authentication OK",
    "Invalid client credential",
    "Server rejected credential",
    "Invalid client verifier",
    "Server rejected verifier",
    "Client credential too weak",
    "Invalid server verifier",
    "Failed (unspecified error)",
)
"""The texts of the C library for ``auth_stat`` values."""

ALL_VERSIONS_REFUSED = (ProgramMismatch, ProgramUnavailable, GarbageArguments)
"""Refusals after which a lookup asks an older version; the oldest version returned it."""


class Trouble(Exception):
    """An error; each form of the command puts its own words before the message."""


class HostTrouble(Trouble):
    """The host has no address of the family of the transport."""


@contextmanager
def after(prefix: str) -> Iterator[None]:
    """End the command on ``Trouble``; the message starts with ``prefix`` and a colon."""
    try:
        yield
    except Trouble as trouble:
        raise Failure(f"{prefix}: {trouble}") from None


def of_dial(error: OncRpcError) -> Trouble:
    """The text for a failed connection: clnt_pcreateerror(3) after connect(2)."""
    if isinstance(error, HostUnknown):
        return HostTrouble(UNKNOWN_HOST)
    if isinstance(error, TransportError):
        return Trouble(f"RPC: Remote system error - {error.strerror}")
    return Trouble(status(error))


def of_lookup(error: OncRpcError) -> Trouble:
    """The text for a failed lookup: clnt_pcreateerror(3) after the reply of the port mapper."""
    if isinstance(error, ALL_VERSIONS_REFUSED):
        return Trouble(f"RPC: Port mapper failure - {status(error).removeprefix('RPC: ')}")
    return Trouble(status(error))


def of_call(error: OncRpcError) -> Trouble:
    """The text for a failed call: clnt_perror(3)."""
    return Trouble(status(error) + _detail(error))


def status(error: OncRpcError) -> str:
    """clnt_sperrno(3); an exceeded limit of ours, which the C library lacks, is added."""
    text = next(STATUS[cls] for cls in type(error).__mro__ if cls in STATUS)
    return f"{text}: {error.args[0]}" if isinstance(error, LimitExceeded) else text


def _detail(error: OncRpcError) -> str:
    match error:
        case RpcMismatch(low=low, high=high) | ProgramMismatch(low=low, high=high):
            return f"; low version = {low}, high version = {high}"
        case AuthError(stat=stat) if stat < len(WHY):
            return f"; why = {WHY[stat]}"
        case AuthError(stat=stat):
            return f"; why = (unknown authentication error - {int(stat)})"
        case TransportError():
            return f"; errno = {error.strerror}"
    return ""
