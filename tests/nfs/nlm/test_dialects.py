"""Ranges and outcomes in 32 and 64 bits."""

from __future__ import annotations

import errno

import pytest

from oncrpc.nfs.locks.terms import (
    END,
    ByteRange,
    LocalHolder,
    Lock,
    LockClient,
    LockOutcome,
    LockOwner,
)
from oncrpc.nfs.nlm.dialects import DIALECTS, LONG, OF_OUTCOME, SHORT, outcome_of
from oncrpc.nfs.status import NfsError
from oncrpc.programs.nfs3 import nfsstat3
from oncrpc.programs.nlm import (
    nlm4_holder,
    nlm4_lock,
    nlm4_stats,
    nlm4_testargs,
    nlm_holder,
    nlm_lock,
    nlm_stats,
)

OWNER = LockOwner(LockClient("192.0.2.1", b"one"), 77, b"oh")
GIB4 = 1 << 32


def short(start: int, length: int) -> nlm_lock:
    return nlm_lock(b"one", b"handle", b"oh", 77, start, length)


def long(start: int, length: int) -> nlm4_lock:
    return nlm4_lock(b"one", b"handle", b"oh", 77, start, length)


@pytest.mark.parametrize(
    ("start", "length", "expected"),
    [
        (0, 0, (0, END)),
        (5, 0, (5, END)),
        (5, 1, (5, 6)),
        (GIB4 - 1, 1, (GIB4 - 1, GIB4)),
        (GIB4 - 1, GIB4 - 1, (GIB4 - 1, 2 * GIB4 - 2)),
        (0, GIB4 - 1, (0, GIB4 - 1)),
    ],
)
def test_range_of_32_bits(start: int, length: int, expected: tuple[int, int]) -> None:
    assert SHORT.range_of(short(start, length)) == expected


@pytest.mark.parametrize(
    ("start", "length", "expected"),
    [
        (0, 0, (0, END)),
        (END - 1, 0, (END - 1, END)),
        (END - 1, 1, (END - 1, END)),
        (1, END - 1, (1, END)),
        (GIB4, GIB4, (GIB4, 2 * GIB4)),
    ],
)
def test_range_of_64_bits(start: int, length: int, expected: tuple[int, int]) -> None:
    assert LONG.range_of(long(start, length)) == expected


@pytest.mark.parametrize(("start", "length"), [(END - 1, 2), (2, END - 1), (END - 1, END - 1)])
def test_range_beyond_64_bits_is_refused(start: int, length: int) -> None:
    with pytest.raises(NfsError) as caught:
        LONG.range_of(long(start, length))

    assert outcome_of(caught.value) is nlm4_stats.NLM4_FBIG


@pytest.mark.parametrize(
    ("held", "shown"),
    [
        ((0, END), (0, 0)),
        ((5, 9), (5, 4)),
        ((5, GIB4), (5, GIB4 - 5)),
        ((5, GIB4 + 1), (5, 0)),
        ((GIB4, GIB4 + 1), (GIB4 - 1, 0)),
        ((GIB4 + 7, END), (GIB4 - 1, 0)),
        ((0, GIB4), (0, 0)),
    ],
)
def test_holder_is_cut_to_32_bits(held: tuple[int, int], shown: tuple[int, int]) -> None:
    found = SHORT.test_outcome(b"", Lock(OWNER, ByteRange(*held), exclusive=False))

    assert found.stat.stat is nlm_stats.nlm_denied
    assert found.stat.body == nlm_holder(False, 77, b"oh", *shown)


@pytest.mark.parametrize(
    ("held", "shown"),
    [((0, END), (0, 0)), ((5, END), (5, 0)), ((GIB4, GIB4 + 9), (GIB4, 9))],
)
def test_holder_in_64_bits(held: tuple[int, int], shown: tuple[int, int]) -> None:
    found = LONG.test_outcome(b"", LocalHolder(4, ByteRange(*held), exclusive=True))

    assert found.stat.body == nlm4_holder(True, 4, b"local", *shown)


@pytest.mark.parametrize("range_", [(0, END), (5, 9), (END - 1, END), (0, END - 1)])
def test_granted_names_the_range_of_the_lock(range_: tuple[int, int]) -> None:
    lock = Lock(OWNER, ByteRange(*range_), exclusive=True)

    found = LONG.granted(b"cookie", lock, b"handle")

    assert found == nlm4_testargs(b"cookie", True, found.alock)
    assert found.alock == long(found.alock.l_offset, found.alock.l_len)
    assert LONG.range_of(found.alock) == range_


@pytest.mark.parametrize("range_", [(GIB4 - 1, 2 * GIB4 - 2), (3, END)])
def test_granted_in_32_bits_names_it_too(range_: tuple[int, int]) -> None:
    lock = Lock(OWNER, ByteRange(*range_), exclusive=True)

    assert SHORT.range_of(SHORT.granted(b"", lock, b"").alock) == range_


def test_every_outcome_has_a_code() -> None:
    assert OF_OUTCOME.keys() == set(LockOutcome)
    assert len(set(OF_OUTCOME.values())) == len(LockOutcome)
    assert [LONG.stats[each] for each in nlm4_stats] == list(nlm4_stats)


def test_outcomes_that_32_bits_lack_are_no_locks() -> None:
    """Not denied, which would mean that another has the lock."""
    lacking = {"NLM4_ROFS", "NLM4_STALE_FH", "NLM4_FBIG", "NLM4_FAILED"}

    for each in nlm4_stats:
        expected = 2 if each.name in lacking else each.value
        assert SHORT.outcome(b"", each).stat.stat == nlm_stats(expected)
        assert SHORT.share_outcome(b"", each).stat == nlm_stats(expected)
        assert SHORT.test_outcome(b"", each).stat.stat == nlm_stats(expected)


def test_versions_have_their_dialect() -> None:
    assert DIALECTS == {1: SHORT, 2: SHORT, 3: SHORT, 4: LONG}


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (NfsError(nfsstat3.NFS3ERR_BADHANDLE), nlm4_stats.NLM4_STALE_FH),
        (OSError(errno.ESTALE, ""), nlm4_stats.NLM4_STALE_FH),
        (OSError(errno.EROFS, ""), nlm4_stats.NLM4_ROFS),
        (OSError(errno.EFBIG, ""), nlm4_stats.NLM4_FBIG),
        (OSError(errno.ENOSPC, ""), nlm4_stats.NLM4_DENIED_NOLOCKS),
        (OSError(errno.EMFILE, ""), nlm4_stats.NLM4_DENIED_GRACE_PERIOD),
        (OSError(errno.EACCES, ""), nlm4_stats.NLM4_FAILED),
        (OSError(errno.EIO, ""), nlm4_stats.NLM4_FAILED),
    ],
)
def test_error_has_an_outcome(error: OSError, expected: nlm4_stats) -> None:
    assert outcome_of(error) is expected
