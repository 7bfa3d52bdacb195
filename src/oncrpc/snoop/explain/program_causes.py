"""Causes in a program: RPC rejects the call, or MOUNT, NFS or the lock manager reports an error."""

from __future__ import annotations

from oncrpc.snoop.explain.causes import Cause
from oncrpc.snoop.explain.steps import (
    LOCKING,
    MountAttempt,
    MountStep,
    ServerPart,
    StepEnd,
    StepKind,
)

REJECTED = (StepEnd.REJECTED,)
FAILED = (StepEnd.FAILED,)
MOUNT = (ServerPart.MOUNT,)
NFS = (ServerPart.NFS,)
RESERVED = 1024
"""The first port that is not reserved for root."""

AUTH_SYS, RPCSEC_GSS = 1, 6
SLOW = 3_000_000_000
"""Nanoseconds after which an answer is late."""


def _unreserved(_: MountAttempt, step: MountStep) -> bool:
    return step.client.port >= RESERVED


def _offered_other(attempt: MountAttempt, step: MountStep) -> bool:
    """Whether mountd lists flavors, but not the one of the client."""
    return (
        not attempt.mounted
        and bool(step.result.flavors)
        and (step.question.flavor not in (*step.result.flavors, RPCSEC_GSS))
    )


def _late(_: MountAttempt, step: MountStep) -> bool:
    return step.duration >= SLOW or (step.tries > 1 and step.last < step.ended)


def _asked_again(_: MountAttempt, step: MountStep) -> bool:
    """Whether the client asks again although the server has replied."""
    return step.replies > 1 and step.last > step.ended > 0


PROGRAM_CAUSES = (
    Cause(
        "mount-version",
        "mountd on {server} does not have version {version}: it has {low} to {high}.",
        "Mount with a version that the server has: MOUNT {high} belongs to NFS "
        "{high}; see vers= and mountvers= in nfs(5).",
        asked=MOUNT,
        statuses=("PROG_MISMATCH",),
    ),
    Cause(
        "nfs-version",
        "The NFS server {server} does not have version {version}: it has {low} to {high}.",
        "Mount with vers={high}, or enable version {version} on the server.",
        asked=NFS,
        statuses=("PROG_MISMATCH",),
    ),
    Cause(
        "other-version",
        "{program} on {server} does not have version {version}: it has {low} to {high}.",
        "Update the older of the two hosts, or choose another version of NFS (vers=).",
        statuses=("PROG_MISMATCH", "RPC_MISMATCH"),
    ),
    Cause(
        "locks-not-served",
        "Locks fail: the program at port {port} of {server} is not {program} ({status}).",
        "Restart the lock manager and statd on {server}; mount with 'nolock' where no locks are "
        "needed.",
        asked=LOCKING,
        ends=REJECTED,
    ),
    Cause(
        "wrong-program",
        "The program at port {port} of {server} is not {program}: the port mapper or the options "
        "of the mount name a wrong port.",
        "Restart {program} on {server} so that it registers again; check port= and mountport=.",
        statuses=("PROG_UNAVAIL",),
    ),
    Cause(
        "reserved-port-needed",
        "{program} on {server} refuses port {client_port} of {client} (AUTH_TOOWEAK): it "
        "wants a port below 1024.",
        "Mount as root without 'noresvport', or give the export the option 'insecure'.",
        statuses=("AUTH_TOOWEAK",),
        condition=_unreserved,
    ),
    Cause(
        "auth-too-weak",
        "{program} on {server} wants a stronger flavor than the client uses (AUTH_TOOWEAK).",
        "Mount with sec=krb5 (krb5i, krb5p), or allow sec=sys in the export.",
        statuses=("AUTH_TOOWEAK",),
    ),
    Cause(
        "gss-context-lost",
        "{server} does not know the Kerberos context of {client} any more ({status}).",
        "Usually the client makes a new one by itself. If it does not: check that the clocks of "
        "both hosts agree, and restart rpc.gssd on the client and gssproxy or rpc.svcgssd on the "
        "server.",
        statuses=("RPCSEC_GSS_CREDPROBLEM", "RPCSEC_GSS_CTXPROBLEM"),
    ),
    Cause(
        "gss-context-refused",
        "{server} refuses a Kerberos context ({result}).",
        "Check the keytab of the server (nfs/{server}@REALM), that the clocks of both hosts agree, "
        "and that gssproxy or rpc.svcgssd runs.",
        kinds=(StepKind.CONTEXT,),
        ends=(StepEnd.FAILED, StepEnd.REJECTED),
    ),
    Cause(
        "auth-rejected",
        "{program} on {server} rejects the credential of {client} ({status}).",
        "Check sec= of the mount, the number of groups of the user, and the log of the server.",
        statuses=(
            "AUTH_BADCRED",
            "AUTH_REJECTEDCRED",
            "AUTH_BADVERF",
            "AUTH_REJECTEDVERF",
            "AUTH_INVALIDRESP",
            "AUTH_FAILED",
            "AUTH_KERB_GENERIC",
            "AUTH_TIMEEXPIRE",
            "AUTH_TKT_FILE",
            "AUTH_DECODE",
            "AUTH_NET_ADDR",
        ),
    ),
    Cause(
        "arguments-rejected",
        "{program} on {server} cannot read {question} (GARBAGE_ARGS).",
        "Client and server disagree on the protocol: update the older one, or choose another "
        "version (vers=, mountvers=).",
        statuses=("GARBAGE_ARGS",),
    ),
    Cause(
        "procedure-missing",
        "{program} on {server} does not have the procedure of {question} (PROC_UNAVAIL).",
        "Choose another version (vers=, mountvers=), or update the server.",
        statuses=("PROC_UNAVAIL",),
    ),
    Cause(
        "server-error",
        "{program} on {server} fails with an internal error ({status}).",
        "See the log of the server.",
        ends=REJECTED,
    ),
    Cause(
        "flavor-not-offered",
        "mountd on {server} exports {path}, but not with the flavor of the client: it offers "
        "{flavors}.",
        "Mount with sec= and one of these flavors, or add sec=sys to the export.",
        kinds=(StepKind.MOUNT,),
        condition=_offered_other,
    ),
    Cause(
        "mount-denied-unreserved",
        "mountd on {server} denies {path} to {client} ({status}); the call came from port "
        "{client_port}, which is not reserved.",
        "Mount as root without 'noresvport', or give the export the option 'insecure'. If that is "
        "not the reason: name {client} in the export.",
        kinds=(StepKind.MOUNT,),
        statuses=("MNT3ERR_ACCES", "MNT3ERR_PERM"),
        condition=_unreserved,
    ),
    Cause(
        "mount-denied",
        "mountd on {server} denies {path} to {client} ({status}): no export names it.",
        "Add {client} to the line of {path} in /etc/exports of {server}, and run 'exportfs -ra' "
        "('nfsd reload'). 'showmount -e {server}' lists the exports.",
        kinds=(StepKind.MOUNT,),
        statuses=("MNT3ERR_ACCES", "MNT3ERR_PERM"),
    ),
    Cause(
        "path-missing",
        "{path} does not exist on {server} ({status}).",
        "Correct the path: 'showmount -e {server}' lists the exports.",
        kinds=(StepKind.MOUNT,),
        statuses=("MNT3ERR_NOENT",),
    ),
    Cause(
        "path-not-directory",
        "{path} of {server} is not a directory ({status}).",
        "Mount the directory that holds it.",
        kinds=(StepKind.MOUNT,),
        statuses=("MNT3ERR_NOTDIR",),
    ),
    Cause(
        "mount-error",
        "mountd on {server} cannot export {path}: {status}.",
        "See the log of the server.",
        kinds=(StepKind.MOUNT,),
        ends=FAILED,
    ),
    Cause(
        "nfs4-minor-version",
        "{server} does not have the minor version of NFS 4 that the client asks for ({question}).",
        "Mount with another one: vers=4.0, 4.1 or 4.2.",
        statuses=("NFS4ERR_MINOR_VERS_MISMATCH",),
    ),
    Cause(
        "nfs4-path-missing",
        "{path} does not exist in the tree of NFS 4 of {server} ({result}).",
        "The path begins at the root of the tree (fsid=0 or Pseudo), not at that of the disk: "
        "mount {server}:/ and look.",
        statuses=("NFS4ERR_NOENT",),
        kinds=(StepKind.ROOT, StepKind.SECURITY),
    ),
    Cause(
        "nfs4-wrong-flavor",
        "{server} does not accept the flavor of the client for {path} ({result}).",
        "Mount with sec=krb5 (krb5i, krb5p), or allow sec=sys in the export.",
        statuses=("NFS4ERR_WRONGSEC",),
    ),
    Cause(
        "nfs4-client-known",
        "{server} has another client with the same name ({status}).",
        "Give each client its own name: nfs.nfs4_unique_id, or a host name that is unique.",
        statuses=("NFS4ERR_CLID_INUSE",),
    ),
    Cause(
        "in-grace",
        "{server} has restarted and is in its grace period ({status}): new locks and opens wait.",
        "Wait, usually for 90 seconds; no other action is needed.",
        statuses=("NFS4ERR_GRACE", "NLM4_DENIED_GRACE_PERIOD"),
    ),
    Cause(
        "locks-refused",
        "Locks fail: the lock manager on {server} has no room or cannot lock ({status}).",
        "See the log of the server: its file system may not support locks, or statd does not run.",
        asked=LOCKING,
        ends=FAILED,
    ),
    Cause(
        "handle-stale",
        "{server} does not know the handle of {path} ({status}): its exports have changed.",
        "Unmount, run 'exportfs -ra' on {server}, and mount again; give the export a fixed fsid= "
        "if it happens after each restart.",
        statuses=(
            "NFS3ERR_STALE",
            "NFS3ERR_BADHANDLE",
            "NFS4ERR_STALE",
            "NFS4ERR_BADHANDLE",
            "NFS4ERR_FHEXPIRED",
        ),
    ),
    Cause(
        "root-denied",
        "{server} returns a handle for {path}, but denies its use ({status} to {question}).",
        "Check the mode of the directory on {server}: root is another user there unless the "
        "export says no_root_squash. A client port of 1024 or more needs 'insecure'.",
        asked=NFS,
        statuses=("NFS3ERR_ACCES", "NFS3ERR_PERM", "NFS4ERR_ACCESS", "NFS4ERR_PERM"),
    ),
    Cause(
        "server-busy",
        "{server} answers that the file is not available yet ({status}), {count} times.",
        "See the log of the server: a file system that is offline, in migration or frozen.",
        statuses=("NFS3ERR_JUKEBOX", "NFS4ERR_DELAY"),
    ),
    Cause(
        "nfs-error",
        "NFS on {server} answers {question} with {status}.",
        "See the log of the server, and the file system below the export.",
        ends=FAILED,
    ),
    Cause(
        "replies-lost",
        "{server} answers {question}, but {client} asks again: the replies are lost.",
        "Look for a firewall or a wrong route on the way from {server} to {client}; if the "
        "reply is large, for a smaller MTU.",
        ends=(StepEnd.DONE,),
        condition=_asked_again,
    ),
    Cause(
        "server-slow",
        "{server} takes {seconds} s to answer {question}; the client asked {tries} times.",
        "See the load and the log of the server: a disk, a name service (DNS of the client's "
        "address) or too few threads.",
        ends=(StepEnd.DONE,),
        condition=_late,
    ),
    Cause(
        "capture-ends",
        "The capture ends before the answer to {question}.",
        "Capture for longer, until the mount command has ended.",
        ends=(StepEnd.WAITING,),
    ),
)
