"""The outcome of a reply for figures."""

from __future__ import annotations

import pytest

from oncrpc.programs.nfs3 import NFS_V3
from oncrpc.programs.nlm import NLM4_VERS
from oncrpc.programs.portmap import PMAP_VERS
from oncrpc.programs.yp import YPVERS
from oncrpc.rpc.program import AnyProcedure
from oncrpc.snoop.words.programs import KnownPrograms
from oncrpc.snoop.words.reply_outcomes import outcome_with_status
from support.wire_messages import seen_bytes, seen_reply

GETATTR, NULL = NFS_V3.NFSPROC3_GETATTR, NFS_V3.NFSPROC3_NULL


@pytest.mark.parametrize(
    ("procedure", "reply", "outcome"),
    [
        (GETATTR, (0, 0, 0, 0, 0), "SUCCESS"),
        (GETATTR, (0, 0, 0, 0, 70), "NFS3ERR_STALE"),
        (GETATTR, (0, 6, 4, 9, 0, 70), "NFS3ERR_STALE"),
        (GETATTR, (0, 0, 0, 3), "PROC_UNAVAIL"),
        (GETATTR, (1, 1, 5), "AUTH_TOOWEAK"),
        (GETATTR, (0,), "CUT"),
        (NULL, (0, 0, 0, 0), "SUCCESS"),
        (PMAP_VERS.PMAPPROC_GETPORT, (0, 0, 0, 0, 2049), "SUCCESS"),
        (PMAP_VERS.PMAPPROC_GETPORT, (0, 0, 0, 0, 0), "SUCCESS"),
        (YPVERS.YPPROC_MATCH, (0, 0, 0, 0, 1), "SUCCESS"),
        (YPVERS.YPPROC_MATCH, (0, 0, 0, 0, 0), "YP_FALSE"),
        (NLM4_VERS.NLMPROC4_LOCK, (0, 0, 0, 0, 0, 0), "SUCCESS"),
        (NLM4_VERS.NLMPROC4_LOCK, (0, 0, 0, 0, 0, 1), "NLM4_DENIED"),
    ],
)
def test_outcome_is_of_rpc_or_of_the_program(
    procedure: AnyProcedure, reply: tuple[int, ...], outcome: str
) -> None:
    found = seen_reply(seen_bytes(procedure, b""), *reply)

    assert outcome_with_status(found, KnownPrograms()) == outcome


def test_reply_without_a_call_has_no_status() -> None:
    found = seen_reply(seen_bytes(GETATTR, b""), 0, 0, 0, 0, 70)
    alone = found._replace(call=None, prog=None, vers=None, proc=None)

    assert outcome_with_status(alone, KnownPrograms()) == "SUCCESS"
