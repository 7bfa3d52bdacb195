"""The status of a reply by its name."""

from __future__ import annotations

from typing import Any

import pytest

from oncrpc.programs import mount, nfs3, nfs4, nlm, rquota, yp
from oncrpc.programs.mount import MOUNT_V3, MOUNTVERS, mountstat3
from oncrpc.programs.nfs3 import NFS_V3, nfsstat3
from oncrpc.programs.nfs4 import NFS_V4, nfsstat4
from oncrpc.programs.nlm import NLM4_VERS, nlm4_stats
from oncrpc.programs.portmap import PMAP_VERS
from oncrpc.programs.rquota import RQUOTAVERS, qr_status
from oncrpc.programs.yp import YPVERS
from oncrpc.rpc import AnyProcedure
from oncrpc.rpc.prot import auth_flavor, opaque_auth
from oncrpc.snoop.words.outcomes import ReplyStatus, status_of
from oncrpc.snoop.words.programs import KnownPrograms
from support.wire_messages import answered, cut_message, seen_bytes, seen_call, seen_reply
from support.words import words

GETATTR = NFS_V3.NFSPROC3_GETATTR
CALL = seen_bytes(GETATTR, b"")
STALE = nfs3.GETATTR3res(nfsstat3.NFS3ERR_STALE, None)


@pytest.mark.parametrize(
    ("procedure", "result", "name"),
    [
        (GETATTR, STALE, "NFS3ERR_STALE"),
        (
            MOUNT_V3.MOUNTPROC3_MNT,
            mount.mountres3(mountstat3.MNT3ERR_ACCES, None),
            "MNT3ERR_ACCES",
        ),
        (MOUNTVERS.MOUNTPROC_MNT, mount.fhstatus(13, None), "NFSERR_ACCES"),
        (
            NFS_V4.NFSPROC4_COMPOUND,
            nfs4.COMPOUND4res(nfsstat4.NFS4ERR_NOENT, b"", []),
            "NFS4ERR_NOENT",
        ),
        (
            NLM4_VERS.NLMPROC4_LOCK,
            nlm.nlm4_res(b"cook", nlm.nlm4_stat(nlm4_stats.NLM4_DENIED)),
            "NLM4_DENIED",
        ),
        (
            RQUOTAVERS.RQUOTAPROC_GETQUOTA,
            rquota.getquota_rslt(qr_status.Q_NOQUOTA, None),
            "Q_NOQUOTA",
        ),
        (YPVERS.YPPROC_MATCH, yp.ypresp_val(yp.ypstat.YP_NOKEY, b""), "YP_NOKEY"),
    ],
)
def test_refusal_of_a_program_has_its_name(procedure: AnyProcedure, result: Any, name: str) -> None:
    reply = answered(seen_bytes(procedure, b""), procedure, result)

    assert status_of(reply, KnownPrograms()) == ReplyStatus(name, ok=False)


@pytest.mark.parametrize(
    ("procedure", "result"),
    [
        (PMAP_VERS.PMAPPROC_GETPORT, 2049),
        (NFS_V3.NFSPROC3_NULL, None),
        (YPVERS.YPPROC_MATCH, yp.ypresp_val(yp.ypstat.YP_TRUE, b"root")),
        (
            NLM4_VERS.NLMPROC4_UNLOCK,
            nlm.nlm4_res(b"cookie", nlm.nlm4_stat(nlm4_stats.NLM4_GRANTED)),
        ),
    ],
)
def test_success_has_one_name(procedure: AnyProcedure, result: Any) -> None:
    reply = answered(seen_bytes(procedure, b""), procedure, result)

    assert status_of(reply, KnownPrograms()) == ReplyStatus("OK", ok=True)


def test_refusal_of_rpc_has_its_name() -> None:
    refused = seen_reply(CALL, 0, 0, 0, 1)
    weak = seen_reply(CALL, 1, 1, 5)

    assert status_of(refused, KnownPrograms()) == ReplyStatus("PROG_UNAVAIL", ok=False)
    assert status_of(weak, KnownPrograms()) == ReplyStatus("AUTH_TOOWEAK", ok=False)


def test_unknown_status_is_a_number() -> None:
    reply = seen_reply(CALL, 0, 0, 0, 0, 12345)

    assert status_of(reply, KnownPrograms()) == ReplyStatus("12345", ok=False)


def test_what_is_not_captured_has_no_status() -> None:
    reply = answered(CALL, GETATTR, STALE)

    assert status_of(cut_message(reply, 24), KnownPrograms()) is None
    assert status_of(cut_message(reply, 12), KnownPrograms()) is None
    assert status_of(CALL, KnownPrograms()) is None


def test_protected_results_have_a_status_if_readable() -> None:
    def reply(service: int) -> Any:
        credential = opaque_auth(auth_flavor.RPCSEC_GSS, words(1, 0, 1, service, 0))
        call = seen_call(GETATTR, nfs3.GETATTR3args(nfs3.nfs_fh3(b"")), cred=credential)
        return seen_reply(call, 0, 6, 0, 0, 8, 1, 70, 0)

    assert status_of(reply(2), KnownPrograms()) == ReplyStatus("NFS3ERR_STALE", ok=False)
    assert status_of(reply(3), KnownPrograms()) is None
