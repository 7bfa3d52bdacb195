"""Errors as results, and results in the words of ``rpcsnoop explain``."""

from __future__ import annotations

import errno

import pytest

from oncrpc.cli.nfs.ping_problems import Ends, Probe, problem_of, result_of_error
from oncrpc.errors import (
    AuthError,
    CallTimeout,
    HostUnknown,
    ProgramMismatch,
    ProgramUnavailable,
    ProtocolError,
    TransportError,
)
from oncrpc.nfs.client.errors import refusal
from oncrpc.programs.nfs3 import nfsstat3
from oncrpc.rpc.prot import auth_stat
from oncrpc.snoop.explain.steps import ServerPart, StepEnd, StepKind, StepResult
from oncrpc.snoop.messages import Party

ENDS = Ends(Party("192.0.2.9", 40000), "files.example")
NULL = Probe(ServerPart.NFS, StepKind.PING, "NULL", 3, port=2049)
MNT = Probe(ServerPart.MOUNT, StepKind.MOUNT, "MNT", 3, port=20048, path="/export")


@pytest.mark.parametrize(
    ("error", "end", "status"),
    [
        (CallTimeout(), StepEnd.SILENT, ""),
        (TransportError.number(errno.ETIMEDOUT), StepEnd.SILENT, ""),
        (TransportError.number(errno.ECONNREFUSED), StepEnd.REFUSED, ""),
        (TransportError.number(errno.EHOSTUNREACH), StepEnd.UNREACHABLE, ""),
        (TransportError.number(errno.ECONNRESET), StepEnd.CLOSED, ""),
        (ProgramMismatch(4, 4), StepEnd.REJECTED, "PROG_MISMATCH"),
        (ProgramUnavailable(), StepEnd.REJECTED, "PROG_UNAVAIL"),
        (AuthError(auth_stat.AUTH_TOOWEAK), StepEnd.REJECTED, "AUTH_TOOWEAK"),
        (refusal(nfsstat3.NFS3ERR_STALE), StepEnd.FAILED, "NFS3ERR_STALE"),
    ],
)
def test_errors_become_results(error: Exception, end: StepEnd, status: str) -> None:
    result = result_of_error(error)

    assert (result.end, result.status) == (end, status)


def test_success_is_no_problem() -> None:
    assert problem_of(NULL, StepResult(StepEnd.DONE), ENDS) is None


def test_problem_names_client_server_and_status() -> None:
    problem = problem_of(MNT, StepResult(StepEnd.FAILED, "MNT3ERR_ACCES"), ENDS)

    assert problem is not None
    assert problem.cause == "mount-denied-unreserved"
    assert "denies /export to 192.0.2.9 (MNT3ERR_ACCES)" in problem.sentence
    assert "insecure" in problem.remedy


def test_other_flavors_are_a_problem() -> None:
    problem = problem_of(MNT, StepResult(StepEnd.DONE, flavors=(390003,)), ENDS)

    assert problem is not None
    assert problem.cause == "flavor-not-offered"


@pytest.mark.parametrize(
    ("host", "cause"),
    [("127.0.0.1", "local-user-refused"), ("192.0.2.9", "reserved-port-needed")],
)
def test_weak_credential_of_a_local_user_is_told(host: str, cause: str) -> None:
    error = AuthError(auth_stat.AUTH_TOOWEAK)
    problem = problem_of(MNT, result_of_error(error), Ends(Party(host, 40000), "srv"), error=error)

    assert problem is not None
    assert problem.cause == cause


@pytest.mark.parametrize(
    ("error", "cause"),
    [(HostUnknown(-2, "no address"), "host-unknown"), (ProtocolError("bad"), "not-a-reply")],
)
def test_problems_outside_captures_are_named(error: Exception, cause: str) -> None:
    problem = problem_of(NULL, result_of_error(error), ENDS, error=error)

    assert problem is not None
    assert (problem.cause, "files.example" in problem.sentence) == (cause, True)
