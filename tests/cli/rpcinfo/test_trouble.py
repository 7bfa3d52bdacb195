from __future__ import annotations

import errno

import pytest

from oncrpc import errors
from oncrpc.cli.command import Failure
from oncrpc.cli.rpcinfo.trouble import HostTrouble, Trouble, after, of_call, of_dial, of_lookup

REFUSED = errors.TransportError.number(errno.ECONNREFUSED)


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (REFUSED, "RPC: Unable to receive; errno = Connection refused"),
        (errors.CallTimeout(), "RPC: Timed out"),
        (errors.ProgramUnavailable(), "RPC: Program unavailable"),
        (errors.ProcedureUnavailable(), "RPC: Procedure unavailable"),
        (errors.GarbageArguments(), "RPC: Server can't decode arguments"),
        (errors.SystemFailure(), "RPC: Remote system error"),
        (errors.ProtocolError("?"), "RPC: Can't decode result"),
        (errors.AuthError(5), "RPC: Authentication error; why = Client credential too weak"),
        (
            errors.AuthError(99),
            "RPC: Authentication error; why = (unknown authentication error - 99)",
        ),
        (
            errors.ProgramMismatch(1, 2),
            "RPC: Program/version mismatch; low version = 1, high version = 2",
        ),
        (
            errors.RpcMismatch(3, 4),
            "RPC: Incompatible versions of RPC; low version = 3, high version = 4",
        ),
    ],
)
def test_failed_call_is_reported_with_details(error: errors.OncRpcError, text: str) -> None:
    assert str(of_call(error)) == text


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (REFUSED, "RPC: Unable to receive"),
        (errors.NotRegistered(), "RPC: Program not registered"),
        (errors.AuthError(5), "RPC: Authentication error"),
        (errors.ProgramUnavailable(), "RPC: Port mapper failure - Program unavailable"),
        (errors.AddressError(), "RPC: (unknown error code)"),
    ],
)
def test_failed_lookup_is_reported_without_details(error: errors.OncRpcError, text: str) -> None:
    assert str(of_lookup(error)) == text


@pytest.mark.parametrize(
    ("error", "text", "kind"),
    [
        (REFUSED, "RPC: Remote system error - Connection refused", Trouble),
        (errors.HostUnknown(-2, "h"), "RPC: Unknown host", HostTrouble),
        (errors.AddressError(), "RPC: (unknown error code)", Trouble),
    ],
)
def test_failed_connection_has_the_systems_reason(
    error: errors.OncRpcError, text: str, kind: type[Trouble]
) -> None:
    assert str(of_dial(error)) == text
    assert type(of_dial(error)) is kind


def test_trouble_ends_the_command_behind_a_prefix() -> None:
    with pytest.raises(Failure, match=r"^host: RPC: Timed out$"), after("host"):
        raise of_call(errors.CallTimeout())
