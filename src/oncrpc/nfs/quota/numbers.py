"""The numbers of RQUOTA: 32 bits, in blocks of a size that is in the reply."""

from __future__ import annotations

from oncrpc.nfs.filesystem import Quota, QuotaLimits
from oncrpc.programs.rquota import rquota, sq_dqblk

BLOCK = 1024
"""Bytes of a block, unless the numbers need larger ones; SETQUOTA always has this size."""

LARGEST_BLOCK = 1 << 30
MAX32 = 0xFFFFFFFF
LONGEST = 0x7FFFFFFF
"""The longest time left, in seconds: clients read it as a signed number."""


def rquota_of(quota: Quota, *, now: float) -> rquota:
    """A quota as it is sent. The block is large enough for the largest number. Limits are rounded
    up, since 0 means that there is no limit.
    """
    limits = quota.limits
    block = BLOCK
    largest = max(limits.bytes_hard, limits.bytes_soft, quota.bytes_used)
    while block < LARGEST_BLOCK and _blocks(largest, block) > MAX32:
        block *= 2
    return rquota(
        block,
        quota.enforced,
        min(_blocks(limits.bytes_hard, block), MAX32),
        min(_blocks(limits.bytes_soft, block), MAX32),
        min(_blocks(quota.bytes_used, block), MAX32),
        min(limits.files_hard, MAX32),
        min(limits.files_soft, MAX32),
        min(quota.files_used, MAX32),
        _time_left(quota.bytes_until, now),
        _time_left(quota.files_until, now),
    )


def limits_of(sent: sq_dqblk) -> QuotaLimits:
    """The limits that SETQUOTA sets."""
    return QuotaLimits(
        sent.rq_bhardlimit * BLOCK,
        sent.rq_bsoftlimit * BLOCK,
        sent.rq_fhardlimit,
        sent.rq_fsoftlimit,
    )


def _blocks(size: int, block: int) -> int:
    return -(-size // block)


def _time_left(until: int, now: float) -> int:
    """Seconds until a soft limit holds, negative if it holds already; 0 if it is not exceeded."""
    if not until:
        return 0
    left = max(min(until - int(now), LONGEST), -LONGEST)
    return (left or -1) & MAX32
