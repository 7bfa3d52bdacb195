"""The exception tree: what callers can rely on."""

from __future__ import annotations

import errno
import inspect

import pytest

from oncrpc import errors
from oncrpc.errors import (
    AddressError,
    AuthError,
    CallError,
    CallTimeout,
    ClientClosed,
    HostUnknown,
    OncRpcError,
    ProgramMismatch,
    ProtocolError,
    RpcMismatch,
    TransportError,
    XdrError,
)
from oncrpc.programs.portmap import PMAP_VERS
from oncrpc.rpc.prot import auth_stat

TREE = [
    cls
    for _, cls in inspect.getmembers(errors, inspect.isclass)
    if cls.__module__ == errors.__name__
]


@pytest.mark.parametrize("cls", TREE)
def test_every_error_is_of_our_tree(cls: type[Exception]) -> None:
    assert issubclass(cls, OncRpcError)


@pytest.mark.parametrize(
    ("ours", "builtin"),
    [
        (XdrError, ValueError),
        (AddressError, ValueError),
        (TransportError, OSError),
        (HostUnknown, TransportError),
        (ClientClosed, TransportError),
        (CallTimeout, TimeoutError),
    ],
)
def test_errors_derive_from_the_matching_builtin(
    ours: type[Exception], builtin: type[Exception]
) -> None:
    assert issubclass(ours, builtin)


def test_an_error_of_xdr_says_where() -> None:
    assert str(XdrError("rpcb.r_prog", 8, "bad")) == "rpcb.r_prog, byte 8: bad"
    assert str(XdrError("rpcb.r_prog", None, "bad")) == "rpcb.r_prog: bad"


@pytest.mark.parametrize(
    ("error", "number", "text"),
    [
        (OSError(errno.ECONNREFUSED, "refused"), errno.ECONNREFUSED, "refused"),
        (OSError("AF_UNIX path too long"), errno.EIO, "AF_UNIX path too long"),
        (OSError(), errno.EIO, "Input/output error"),
    ],
)
def test_system_error_keeps_number_and_text(error: OSError, number: int, text: str) -> None:
    ours = TransportError.of(error)

    assert (ours.errno, ours.strerror) == (number, text)


def test_transport_error_is_made_from_errno() -> None:
    error = TransportError.number(errno.ECONNRESET)

    assert type(error) is TransportError
    assert (error.errno, error.strerror) == (errno.ECONNRESET, "Connection reset by peer")


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (ProgramMismatch(2, 4), "server supports versions 2 to 4 (PROG_MISMATCH)"),
        (RpcMismatch(2, 2), "server supports RPC versions 2 to 2 (RPC_MISMATCH)"),
        (AuthError(auth_stat.AUTH_TOOWEAK), "authentication refused: AUTH_TOOWEAK"),
        (AuthError(77), "authentication refused: 77"),
    ],
)
def test_refusal_text_includes_its_attributes(error: CallError, text: str) -> None:
    assert str(error) == text


@pytest.mark.parametrize(
    ("procedure", "place", "text"),
    [
        (None, "", "no"),
        (None, "here", "here: no"),
        (PMAP_VERS.PMAPPROC_DUMP, "", "PMAP_VERS.PMAPPROC_DUMP: no"),
        (PMAP_VERS.PMAPPROC_DUMP, "here", "PMAP_VERS.PMAPPROC_DUMP at here: no"),
    ],
)
def test_call_error_names_the_procedure(procedure: object, place: str, text: str) -> None:
    error = ProtocolError("no")
    error.procedure, error.place = procedure, place

    assert str(error) == text


def test_misfit_names_procedure_and_argument() -> None:
    error = XdrError("arg.port", None, "bad")
    error.procedure = PMAP_VERS.PMAPPROC_SET

    assert str(error) == "PMAP_VERS.PMAPPROC_SET(arg.port): bad"


def test_closed_client_has_errno_econnaborted() -> None:
    error = ClientClosed.at("192.0.2.1 port 2049 over tcp")

    assert str(error) == "192.0.2.1 port 2049 over tcp: the client is closed"
    assert error.errno == errno.ECONNABORTED


def test_transport_error_says_where_and_why() -> None:
    place = "192.0.2.1 port 2049 over tcp"
    error = TransportError.number(errno.ECONNREFUSED, place=place)

    assert str(error) == f"{place}: Connection refused"
    assert error.strerror == "Connection refused"


def test_the_place_that_an_error_has_is_kept() -> None:
    inner = TransportError.number(errno.ECONNREFUSED, place="inner")

    assert TransportError.of(inner, place="outer").place == "inner"
