"""Why a layer of a server fails, and what to do, in the words of ``rpcsnoop explain``.

Each result becomes a step of a mount attempt, and the table of causes there explains it.
"""

from __future__ import annotations

import errno
from typing import NamedTuple

from oncrpc.errors import (
    AuthError,
    CallTimeout,
    GarbageArguments,
    HostUnknown,
    OncRpcError,
    ProcedureUnavailable,
    ProgramMismatch,
    ProgramUnavailable,
    ProtocolError,
    RpcMismatch,
    SystemFailure,
    TransportError,
)
from oncrpc.nfs.client.errors import NfsStatusError
from oncrpc.programs.nfs3 import nfsstat3
from oncrpc.rpc.prot import auth_stat
from oncrpc.snoop.explain.steps import (
    MountAttempt,
    MountStep,
    Question,
    ServerPart,
    StepEnd,
    StepKind,
    StepResult,
)
from oncrpc.snoop.explain.verdicts import cause_of, explained
from oncrpc.snoop.messages import Party

ENDS = {
    errno.ETIMEDOUT: StepEnd.SILENT,
    errno.ECONNREFUSED: StepEnd.REFUSED,
    errno.EHOSTUNREACH: StepEnd.UNREACHABLE,
    errno.ENETUNREACH: StepEnd.UNREACHABLE,
    errno.EACCES: StepEnd.PROHIBITED,
    errno.EPERM: StepEnd.PROHIBITED,
}
"""The end of a step by the error of its socket; after any other the server has closed it."""

LOOPBACK = ("127.", "::1")
"""How the address of a client on the host of the server begins."""

REJECTIONS: dict[type[OncRpcError], str] = {
    ProgramMismatch: "PROG_MISMATCH",
    RpcMismatch: "RPC_MISMATCH",
    ProgramUnavailable: "PROG_UNAVAIL",
    ProcedureUnavailable: "PROC_UNAVAIL",
    GarbageArguments: "GARBAGE_ARGS",
    SystemFailure: "SYSTEM_ERR",
}
"""The statuses of RPC (RFC 5531 §9) for errors of a call."""


class Probe(NamedTuple):
    """A question to a layer. ``port`` is 0 while it is unknown; ``registered`` if looked up."""

    part: ServerPart
    kind: StepKind
    text: str
    vers: int
    transport: str = "tcp"
    port: int = 0
    about: ServerPart | None = None
    path: str = ""
    registered: bool = False


class Ends(NamedTuple):
    """The two ends of a link: this client, and the name of the server."""

    client: Party
    server: str


class LayerProblem(NamedTuple):
    """Why a layer fails, and the next step; ``cause`` is the name of the cause."""

    cause: str
    sentence: str
    remedy: str


def result_of_error(error: Exception) -> StepResult:
    """The result of a question that ended with this error."""
    match error:
        case NfsStatusError():
            return StepResult(StepEnd.FAILED, error.status.name)
        case CallTimeout():
            return StepResult(StepEnd.SILENT)
        case AuthError():
            return StepResult(StepEnd.REJECTED, getattr(error.stat, "name", str(error.stat)))
        case ProgramMismatch() | RpcMismatch():
            name = REJECTIONS[type(error)]
            return StepResult(StepEnd.REJECTED, name, low=error.low, high=error.high)
        case TransportError():
            return StepResult(ENDS.get(error.errno or 0, StepEnd.CLOSED))
    status = REJECTIONS.get(type(error)) if isinstance(error, OncRpcError) else None
    return StepResult(StepEnd.REJECTED, status) if status else StepResult(StepEnd.FAILED)


def problem_of(
    probe: Probe, result: StepResult, ends: Ends, *, error: Exception | None = None
) -> LayerProblem | None:
    """Why the layer fails; None if it does not."""
    special = _special(probe, ends, error)
    if special is not None:
        return special
    attempt = MountAttempt(ends.client.host, ends.server, path=probe.path)
    step = MountStep(
        Question(
            probe.part,
            probe.kind,
            probe.text,
            probe.about or probe.part,
            vers=probe.vers,
            transport=probe.transport,
            path=probe.path,
            flavor=1,
        ),
        number=1,
        time=0,
        client=ends.client,
        server=Party(ends.server, probe.port),
        transport="udp" if probe.transport == "udp" else "tcp",
        registered=probe.registered,
        result=result,
    )
    attempt.add(step)
    cause = cause_of(attempt, step)
    if cause is None:
        return None
    verdict = explained(cause, attempt, step)
    return LayerProblem(cause.name, verdict.sentence, verdict.remedy)


def _special(probe: Probe, ends: Ends, error: Exception | None) -> LayerProblem | None:
    """Problems that no capture shows, such as a name without an address."""
    match error:
        case NfsStatusError(status=nfsstat3.NFS3ERR_NOENT):
            return LayerProblem(
                "path-missing",
                f"{probe.path} does not exist on {ends.server} (NFS3ERR_NOENT).",
                f"Correct the path: 'nfs ls nfs://{ends.server}' lists the exports.",
            )
        case HostUnknown():
            return LayerProblem(
                "host-unknown",
                f"The name {ends.server} has no address: {error.strerror}.",
                "Check the name, /etc/hosts and the name servers in /etc/resolv.conf.",
            )
        case AuthError(stat=auth_stat.AUTH_TOOWEAK) if ends.client.host.startswith(LOOPBACK):
            return LayerProblem(
                "local-user-refused",
                f"{ends.server} refuses this user of its own host (AUTH_TOOWEAK): it serves only "
                "the user that it runs as, checks users, or wants a port below 1024.",
                "Call as that user, and without --uid; or see --local-users and --peer-uid of nfsd "
                "and the option 'insecure' of the export.",
            )
        case ProtocolError():
            return LayerProblem(
                "not-a-reply",
                f"{ends.server} answers {probe.text} at port {probe.port} with bytes that are not "
                f"a valid reply: {error}.",
                "Check that an RPC program listens at this port; see the log of the server.",
            )
    return None
