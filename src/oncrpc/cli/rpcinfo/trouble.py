"""What went wrong, in the words of the C library (clnt_perror(3)): scripts look for them.

The same error has up to three texts, by when it happened: no link could be made, the port mapper
could not tell the address, or a call over a link failed.
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
"""The ``auth_stat`` values that the C library has words for, by their number."""

ALL_VERSIONS_REFUSED = (ProgramMismatch, ProgramUnavailable, GarbageArguments)
"""Answers after which a lookup asks in an older version: they remain only if the oldest gave it."""


class Trouble(Exception):
    """No link: the message is what follows the words that each form puts before it."""


class HostTrouble(Trouble):
    """The host has no address of the transport's family."""


@contextmanager
def after(prefix: str) -> Iterator[None]:
    """End the command if there is trouble; the message starts with ``prefix`` and a colon."""
    try:
        yield
    except Trouble as trouble:
        raise Failure(f"{prefix}: {trouble}") from None


def of_dial(error: OncRpcError) -> Trouble:
    """No connection: clnt_pcreateerror(3) after connect(2)."""
    if isinstance(error, HostUnknown):
        return HostTrouble(UNKNOWN_HOST)
    if isinstance(error, TransportError):
        return Trouble(f"RPC: Remote system error - {error.strerror}")
    return Trouble(status(error))


def of_lookup(error: OncRpcError) -> Trouble:
    """The port mapper gave no address: clnt_pcreateerror(3) after its reply."""
    if isinstance(error, ALL_VERSIONS_REFUSED):
        return Trouble(f"RPC: Port mapper failure - {status(error).removeprefix('RPC: ')}")
    return Trouble(status(error))


def of_call(error: OncRpcError) -> Trouble:
    """A call failed: clnt_perror(3)."""
    return Trouble(status(error) + _detail(error))


def status(error: OncRpcError) -> str:
    """clnt_sperrno(3). The C library has no limits on a reply; what ours was is said besides."""
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
