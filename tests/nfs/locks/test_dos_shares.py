"""DOS shares among themselves, and their bounds."""

from __future__ import annotations

import pytest

from oncrpc.nfs.locks.dos_shares import DosShare, DosShares
from oncrpc.nfs.locks.terms import LockClient, LockOwner
from support.locking import CLIENTS, FILE, OTHER_FILE, OWNERS


@pytest.mark.parametrize("mode", range(4))
@pytest.mark.parametrize("access", range(4))
def test_conflict_is_what_one_denies_and_one_allows(mode: int, access: int) -> None:
    first, second = DosShare(mode, 0), DosShare(0, access)

    assert first.conflicts(second) == second.conflicts(first) == bool(mode & access)


def test_own_share_is_replaced() -> None:
    shares = DosShares()
    shares.set(FILE, OWNERS[0], DosShare(3, 1))

    assert not shares.conflicts(FILE, OWNERS[0], DosShare(3, 3))
    shares.set(FILE, OWNERS[0], DosShare(0, 1))

    assert not shares.conflicts(FILE, OWNERS[1], DosShare(0, 3))
    assert len(shares) == 1


def test_other_files_have_their_own_shares() -> None:
    shares = DosShares()
    shares.set(FILE, OWNERS[0], DosShare(3, 3))

    assert not shares.conflicts(OTHER_FILE, OWNERS[1], DosShare(3, 3))


def test_cleared_share_leaves_nothing() -> None:
    shares = DosShares()
    shares.set(FILE, OWNERS[0], DosShare(3, 3))

    assert shares.clear(FILE, OWNERS[0])
    assert not shares.clear(FILE, OWNERS[0])
    assert [*shares, *shares.clients] == []


def test_freed_client_has_no_shares() -> None:
    shares = DosShares()
    for owner in (0, 3, 1):
        shares.set(FILE, OWNERS[owner], DosShare(0, 1))

    removed = shares.free(CLIENTS[0])

    assert removed == [(FILE, OWNERS[0]), (FILE, OWNERS[3])]
    assert [each.owner for each in shares] == [OWNERS[1]]


def test_address_has_at_most_half_of_the_shares() -> None:
    shares = DosShares(most=4, most_of_client=1)
    names = [LockOwner(LockClient("203.0.113.1", name), 0, b"") for name in (b"a", b"b", b"c")]

    outcomes = [shares.set(FILE, each, DosShare(0, 1)) for each in (*names, OWNERS[1])]

    assert outcomes == [True, True, False, True]
    shares.free(names[0].client)
    assert shares.set(FILE, names[2], DosShare(0, 1))


def test_number_of_shares_is_bounded() -> None:
    shares = DosShares(most=2, most_of_client=1)

    outcomes = [shares.set(FILE, OWNERS[owner], DosShare(0, 1)) for owner in (0, 3, 1, 2, 1)]

    assert outcomes == [True, False, True, False, True]
