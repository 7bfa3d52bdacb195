"""``oncrpc.nfs.quota.numbers``: large numbers, and times, in 32 bits."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oncrpc.nfs.filesystem import Quota, QuotaLimits
from oncrpc.nfs.quota.numbers import limits_of, rquota_of
from oncrpc.programs.rquota import rquota, sq_dqblk
from oncrpc.xdr import encode

NOW = 1_000_000.5
sizes = st.integers(0, (1 << 63) - 1)


def blocks(*, hard: int = 0, soft: int = 0, used: int = 0) -> tuple[int, int, int, int]:
    """The size of a block, and the numbers of blocks, of these bytes."""
    found = rquota_of(Quota(QuotaLimits(hard, soft), used, 0), now=NOW)
    return found.rq_bsize, found.rq_bhardlimit, found.rq_bsoftlimit, found.rq_curblocks


@pytest.mark.parametrize(
    ("hard", "soft", "used", "expected"),
    [
        (0, 0, 0, (1024, 0, 0, 0)),
        (4096, 2048, 1025, (1024, 4, 2, 2)),
        (0xFFFFFFFF << 10, 0, 1, (1024, 0xFFFFFFFF, 0, 1)),
        (1 << 42, 1, 0, (2048, 1 << 31, 1, 0)),
        (0, 1 << 50, 1 << 51, (1 << 20, 0, 1 << 30, 1 << 31)),
        (0, 0, 1 << 62, (1 << 30, 0, 0, 0xFFFFFFFF)),
    ],
)
def test_blocks_are_as_large_as_needed(
    hard: int, soft: int, used: int, expected: tuple[int, int, int, int]
) -> None:
    assert blocks(hard=hard, soft=soft, used=used) == expected


@given(sizes, sizes, sizes)
def test_any_number_of_bytes_has_room(hard: int, soft: int, used: int) -> None:
    found = rquota_of(Quota(QuotaLimits(hard, soft, hard, soft), used, used), now=NOW)

    assert encode(rquota, found)
    assert (found.rq_bhardlimit == 0) == (hard == 0)
    assert (found.rq_bsoftlimit == 0) == (soft == 0)


@pytest.mark.parametrize(
    ("until", "left"),
    [
        (0, 0),
        (1_000_060, 60),
        (1_000_000, 0xFFFFFFFF),
        (999_990, 0xFFFFFFF6),
        (1 << 60, 0x7FFFFFFF),
        (1, 0xFFF0BDC1),
    ],
)
def test_time_left_has_a_sign(until: int, left: int) -> None:
    quota = Quota(QuotaLimits(), 0, 0, until, until)

    found = rquota_of(quota, now=NOW)

    assert (found.rq_btimeleft, found.rq_ftimeleft) == (left, left)


def test_limits_to_set_are_in_blocks_of_1024() -> None:
    sent = sq_dqblk(0xFFFFFFFF, 1, 99, 7, 6, 99, 99, 99)

    assert limits_of(sent) == QuotaLimits(0xFFFFFFFF << 10, 1024, 7, 6)
