"""The grace period: who may claim what, and when it ends."""

from __future__ import annotations

from oncrpc.nfs.locks.dos_shares import DosShare
from oncrpc.nfs.locks.grace import GracePeriod, GraceReport
from oncrpc.nfs.locks.journal import Record, RecordedLock, RecordedShare
from support.locking import CLIENTS, FILE, OTHER_FILE, OWNERS, lock

SHARE = DosShare(2, 1)


def grace(*records: Record, complete: bool = True) -> GracePeriod:
    period = GracePeriod(records, until=100.0)
    if not complete:
        period.allow([CLIENTS[2]])
    return period


def of_two_hosts() -> GracePeriod:
    return grace(RecordedLock(FILE, lock(0, 0, 10)), RecordedLock(OTHER_FILE, lock(1)))


def test_host_with_locks_may_claim() -> None:
    period = of_two_hosts()

    assert period.may_claim(FILE, lock(0, 0, 10))
    assert period.may_claim(FILE, lock(3, 20, 30))


def test_host_without_locks_may_not_claim() -> None:
    assert not of_two_hosts().may_claim(FILE, lock(2, 20, 30))


def test_recorded_lock_of_another_is_in_the_way() -> None:
    period = of_two_hosts()

    assert not period.may_claim(FILE, lock(1, 9, 20))
    assert not period.may_claim(FILE, lock(3, 9, 20))


def test_recorded_lock_is_known_by_owner_and_kind() -> None:
    period = grace(RecordedLock(FILE, lock(0, 0, 10, exclusive=False)))

    assert period.has(FILE, lock(0, 2, 10, exclusive=False))
    assert not period.has(FILE, lock(0, 2, 10))
    assert not period.has(FILE, lock(0, 2, 11, exclusive=False))
    assert not period.has(FILE, lock(1, 2, 10, exclusive=False))


def test_claimed_lock_is_in_the_way_no_more() -> None:
    period = of_two_hosts()

    period.settled(FILE, OWNERS[0], lock(0, 0, 10).range)

    assert period.may_claim(FILE, lock(1, 0, 10, exclusive=False))


def test_period_is_over_when_all_is_claimed() -> None:
    period = of_two_hosts()
    period.settled(FILE, OWNERS[0], lock(0, 0, 4).range)
    period.settled(OTHER_FILE, OWNERS[1], lock(1).range)
    assert not period.over

    period.settled(FILE, OWNERS[0], lock(0, 4, 10).range)

    assert period.over


def test_partial_claim_leaves_the_rest() -> None:
    period = of_two_hosts()

    removed, added = period.settled(FILE, OWNERS[0], lock(0, 0, 4).range)

    assert removed == [RecordedLock(FILE, lock(0, 0, 10))]
    assert added == [RecordedLock(FILE, lock(0, 4, 10))]


def test_restarted_host_is_not_awaited() -> None:
    period = of_two_hosts()
    period.settled(OTHER_FILE, OWNERS[1], lock(1).range)

    assert period.give_up(CLIENTS[0]) == [RecordedLock(FILE, lock(0, 0, 10))]

    assert period.over
    assert not period.may_claim(FILE, lock(0, 0, 10))


def test_nothing_recorded_is_over_at_once() -> None:
    assert grace().over


def test_share_is_awaited_and_claimed() -> None:
    period = grace(RecordedShare(FILE, OWNERS[0], SHARE))

    assert not period.over
    assert period.may_claim_share(FILE, OWNERS[0], SHARE)
    assert not period.may_claim_share(FILE, OWNERS[3], DosShare(0, 2))
    assert not period.may_claim_share(OTHER_FILE, OWNERS[1], SHARE)

    period.settled_share(FILE, OWNERS[0])

    assert period.over


def test_restarted_host_has_no_shares_either() -> None:
    period = grace(RecordedShare(FILE, OWNERS[0], SHARE))

    assert len(period.give_up(CLIENTS[0])) == 1

    assert period.over


def test_damaged_journal_lets_watched_hosts_claim() -> None:
    period = grace(RecordedLock(FILE, lock(0)), complete=False)

    assert period.may_claim(OTHER_FILE, lock(2))
    assert not period.may_claim(FILE, lock(2))
    period.settled(FILE, OWNERS[0], lock(0).range)
    assert not period.over


def test_report_names_the_awaited_hosts() -> None:
    period = grace(RecordedLock(FILE, lock(0)), RecordedShare(FILE, OWNERS[1], SHARE))

    assert period.report(70.0) == GraceReport([CLIENTS[0], CLIENTS[1]], 2, 30.0)
    assert period.report(200.0).seconds_left == 0


def test_left_are_the_unclaimed_records() -> None:
    records: list[Record] = [RecordedLock(FILE, lock(0)), RecordedShare(FILE, OWNERS[1], SHARE)]

    assert grace(*records).left() == records
