"""Calls of RQUOTA over file systems with quotas of any size.

A user is never told the quota of another one, nor are limits set by anyone but root.
"""

from __future__ import annotations

from random import Random
from typing import Any

from fuzz.driver import Target
from fuzz.mutation import WORDS
from fuzz.nfs_calls import Site, made_calls, run_at
from oncrpc.nfs.backends.memory import MemoryFileSystem
from oncrpc.nfs.filesystem import Identity, Quota, QuotaKind, QuotaLimits
from oncrpc.nfs.quota.program import RquotaProgram
from oncrpc.programs.rquota import (
    EXT_RQUOTAVERS,
    RQUOTAVERS,
    ext_getquota_args,
    ext_setquota_args,
    getquota_args,
    setquota_args,
)

VERSIONS = (EXT_RQUOTAVERS, EXT_RQUOTAVERS, RQUOTAVERS)
IDS = (0, 4, 24, 100, 1000, -1, -2)
PATHS = (b"/srv", b"/srv", b"/srv/dir", b"/ro", b"srv", b"/", b"/none")
SIZES = (*WORDS, *(number << 32 for number in WORDS), (1 << 63) - 1)


class AnyQuotas(MemoryFileSystem):
    """A file system whose quotas are drawn from their numbers."""

    def quota(
        self,
        who: Identity,
        file: bytes,  # noqa: ARG002  # of the interface
        kind: QuotaKind,
        number: int,
    ) -> Quota | None:
        """A quota of any size; some numbers have none."""
        mine = number in ((who.uid,) if kind is QuotaKind.USER else (who.gid, *who.groups))
        assert who.uid == 0 or mine, f"{who} is told of {kind.name} {number}"
        source = Random(number)
        if source.random() < 0.2:
            return None
        sizes = [source.choice(SIZES) for _ in range(8)]
        return Quota(QuotaLimits(*sizes[:4]), *sizes[4:], enforced=source.random() < 0.8)

    def set_quota(
        self,
        who: Identity,
        file: bytes,  # noqa: ARG002  # of the interface
        kind: QuotaKind,
        number: int,
        limits: QuotaLimits,
    ) -> None:
        """Only root comes here."""
        assert who.uid == 0, f"{who} sets {kind.name} {number}"
        assert number != 0xFFFFFFFF
        assert min(limits) >= 0


def make(source: Random) -> bytes:
    """A few calls."""
    return made_calls(VERSIONS, source, likely=_make_likely)


def _make_likely(argument: Any, source: Random) -> None:
    match argument:
        case getquota_args():
            argument.gqa_pathp, argument.gqa_uid = source.choice(PATHS), source.choice(IDS)
        case ext_getquota_args():
            argument.gqa_pathp, argument.gqa_id = source.choice(PATHS), source.choice(IDS)
            argument.gqa_type = source.choice((0, 1))
        case setquota_args() | ext_setquota_args():
            argument.sqa_pathp, argument.sqa_id = source.choice(PATHS), source.choice(IDS)
            argument.sqa_qcmd = source.choice((0x40000, 0x70001, 0x50000))
            if isinstance(argument, ext_setquota_args):
                argument.sqa_type = source.choice((0, 1))


def run(data: bytes) -> None:
    """Have them answered."""
    site = Site(lambda: AnyQuotas(max_bytes=4 << 20, max_files=100))
    for service in RquotaProgram(site.shares, may_set=True, clock=lambda: 1e9).services():
        site.dispatcher.add(service)
    run_at(site, data, VERSIONS)


TARGET = Target("quota_calls", make, run)
