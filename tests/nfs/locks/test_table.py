"""The lock table, compared byte by byte with a simple model, and at its bounds."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from random import Random

import pytest

from oncrpc.nfs.locks.table import HeldLock, LockChange, LockTable
from oncrpc.nfs.locks.terms import END, ByteRange, Lock, LockClient, LockedFile, LockOwner

FILE, OTHER_FILE = LockedFile(1, b"file"), LockedFile(1, b"other")
CLIENTS = [LockClient(f"192.0.2.{number}", b"client") for number in range(3)]
OWNERS = [LockOwner(CLIENTS[number % 3], number, b"oh") for number in range(6)]
BYTES = 24


def lock(owner: int, start: int, end: int, *, exclusive: bool = True) -> Lock:
    return Lock(OWNERS[owner], ByteRange(start, end), exclusive)


def held(table: LockTable, file: LockedFile = FILE) -> list[Lock]:
    return sorted(each.lock for each in table.held(file))


def take(table: LockTable, *locks: Lock, file: LockedFile = FILE) -> None:
    for each in locks:
        assert table.set(file, each, now=1) is not None


def test_shared_locks_of_two_owners_overlap() -> None:
    table = LockTable()
    take(table, lock(0, 0, 10, exclusive=False))

    assert table.conflict(FILE, lock(1, 5, 15, exclusive=False)) is None


def test_exclusive_lock_is_in_the_way() -> None:
    table = LockTable()
    take(table, lock(0, 0, 10))

    assert table.conflict(FILE, lock(1, 9, 15, exclusive=False)) == lock(0, 0, 10)
    assert table.conflict(FILE, lock(1, 10, 15)) is None
    assert table.conflict(OTHER_FILE, lock(1, 0, 15)) is None


def test_locks_of_one_kind_merge_when_they_touch() -> None:
    table = LockTable()
    take(table, lock(0, 0, 10), lock(0, 20, 30), lock(0, 10, 20))

    assert held(table) == [lock(0, 0, 30)]


def test_upgrade_in_the_middle_splits() -> None:
    table = LockTable()
    take(table, lock(0, 0, 30, exclusive=False), lock(0, 10, 20))

    assert held(table) == [
        lock(0, 0, 10, exclusive=False),
        lock(0, 10, 20),
        lock(0, 20, 30, exclusive=False),
    ]


def test_downgrade_lets_others_share() -> None:
    table = LockTable()
    take(table, lock(0, 0, 30), lock(0, 0, 30, exclusive=False))

    assert table.conflict(FILE, lock(1, 0, 30, exclusive=False)) is None


def test_unlock_in_the_middle_splits() -> None:
    table = LockTable()
    take(table, lock(0, 0, END))

    table.clear(FILE, OWNERS[0], ByteRange(1 << 32, 1 << 33))

    assert held(table) == [lock(0, 0, 1 << 32), lock(0, 1 << 33, END)]


def test_unlock_of_the_last_lock_forgets_all() -> None:
    table = LockTable()
    take(table, lock(0, 0, END))

    table.clear(FILE, OWNERS[0], ByteRange(0, END))

    assert (table.locks, list(table.files), list(table.clients)) == (0, [], [])


def test_free_releases_all_owners_of_a_client() -> None:
    table = LockTable()
    take(table, lock(0, 0, 10), lock(3, 10, 20), lock(1, 20, 30))
    take(table, lock(3, 0, 10), file=OTHER_FILE)

    freed = table.free(CLIENTS[0])

    assert sorted(file for file, _ in freed) == [FILE, OTHER_FILE]
    assert held(table) == [lock(1, 20, 30)]
    assert list(table.files) == [FILE]


def test_client_has_at_most_its_number_of_locks() -> None:
    table = LockTable(most_of_client=2)
    take(table, lock(0, 0, 1), lock(3, 2, 3))

    assert table.set(FILE, lock(0, 4, 5), now=1) is None
    assert table.set(FILE, lock(1, 4, 5), now=1) is not None


def test_all_clients_have_at_most_their_number() -> None:
    table = LockTable(most=2)
    take(table, lock(0, 0, 1), lock(1, 2, 3))

    assert table.set(FILE, lock(2, 4, 5), now=1) is None
    assert len(held(table)) == 2


def test_host_has_at_most_half_of_all() -> None:
    table = LockTable(most=8, most_of_client=3)
    names = [LockOwner(LockClient("192.0.2.1", b"%d" % number), 1, b"oh") for number in range(6)]
    wanted = [Lock(owner, ByteRange(0, 1), exclusive=False) for owner in names]

    kept = [table.set(FILE, each, now=1) is not None for each in wanted]

    assert kept == [True] * 4 + [False] * 2
    assert table.set(FILE, lock(0, 0, 1, exclusive=False), now=1) is not None


def test_long_names_take_more_room() -> None:
    table = LockTable(most=8, most_of_client=8)
    long = Lock(OWNERS[0]._replace(oh=bytes(1024)), ByteRange(0, 1), exclusive=False)
    take(table, long)

    assert table.set(FILE, long._replace(range=ByteRange(2, 3)), now=1) is None
    table.clear(FILE, long.owner, long.range)
    assert table.set(FILE, long._replace(range=ByteRange(2, 3)), now=1) is not None


def test_unlock_that_splits_needs_room() -> None:
    table = LockTable(most=1)
    take(table, lock(0, 0, 10))

    assert table.clear(FILE, OWNERS[0], ByteRange(4, 5)) is None
    assert held(table) == [lock(0, 0, 10)]


def test_merged_lock_has_the_age_of_the_oldest() -> None:
    table = LockTable()
    table.set(FILE, lock(0, 0, 10), now=100)
    table.set(FILE, lock(0, 10, 20), now=200)

    assert [each.since for each in table.held(FILE)] == [100]


def test_change_names_what_was_replaced() -> None:
    table = LockTable()
    take(table, lock(0, 0, 10, exclusive=False), lock(0, 20, 30))

    change = table.set(FILE, lock(0, 5, 20), now=1)

    assert change is not None
    assert [each.lock for each in change.removed] == [
        lock(0, 0, 10, exclusive=False),
        lock(0, 20, 30),
    ]
    assert [each.lock for each in change.added] == [
        lock(0, 0, 5, exclusive=False),
        lock(0, 5, 30),
    ]


def test_lock_that_is_held_already_changes_nothing() -> None:
    table = LockTable()
    take(table, lock(0, 0, 10))

    assert table.set(FILE, lock(0, 2, 3), now=1) == ([], [])
    assert table.covers(FILE, lock(0, 2, 3))
    assert not table.covers(FILE, lock(0, 2, 3, exclusive=False))


class Model:
    """Byte by byte: the owner of the exclusive lock, or the owners of shared ones."""

    def __init__(self) -> None:
        self.bytes: list[dict[LockOwner, bool]] = [{} for _ in range(BYTES)]

    def conflicts(self, wanted: Lock) -> bool:
        return any(
            owner != wanted.owner and (exclusive or wanted.exclusive)
            for byte in self.bytes[slice(*wanted.range)]
            for owner, exclusive in byte.items()
        )

    def set(self, wanted: Lock) -> None:
        for byte in self.bytes[slice(*wanted.range)]:
            byte[wanted.owner] = wanted.exclusive

    def clear(self, owner: LockOwner, range_: ByteRange) -> None:
        for byte in self.bytes[slice(*range_)]:
            byte.pop(owner, None)

    def free(self, client: LockClient) -> None:
        for owner in OWNERS:
            if owner.client == client:
                self.clear(owner, ByteRange(0, BYTES))

    def union(self) -> list[bool | None]:
        return [any(byte.values()) if byte else None for byte in self.bytes]

    def locks(self) -> Iterator[Lock]:
        """The longest possible ranges of each owner and kind."""
        for owner in OWNERS:
            kinds = [byte.get(owner) for byte in self.bytes]
            edges = [0, *(at for at in range(1, BYTES) if kinds[at] != kinds[at - 1]), BYTES]
            for start, end in pairwise(edges):
                kind = kinds[start]
                if kind is not None:
                    yield Lock(owner, ByteRange(start, end), kind)


def union_by_byte(table: LockTable) -> list[bool | None]:
    found: list[bool | None] = [None] * BYTES
    for part, exclusive in table.union(FILE, ByteRange(0, BYTES)):
        for at in range(*part):
            assert found[at] is None
            found[at] = exclusive
    return found


def apply_change(known: set[HeldLock], change: LockChange | None) -> None:
    """What a journal of the changes knows."""
    assert change is not None
    assert known.issuperset(change.removed)
    known.difference_update(change.removed)
    known.update(change.added)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(4))
def test_random_operations_agree_with_bytes(seed: int) -> None:
    random, table, model = Random(seed), LockTable(), Model()
    journal = set[HeldLock]()

    for step in range(12_500):
        owner = random.choice(OWNERS)
        start = random.randrange(BYTES)
        wanted = Lock(
            owner, ByteRange(start, random.randrange(start, BYTES) + 1), random.random() < 0.5
        )
        match random.randrange(20):
            case 0:
                model.free(owner.client)
                for _, change in table.free(owner.client):
                    apply_change(journal, change)
            case 1 | 2 | 3 | 4 | 5 | 6:
                model.clear(owner, wanted.range)
                apply_change(journal, table.clear(FILE, owner, wanted.range))
            case _:
                conflict = table.conflict(FILE, wanted)
                assert (conflict is not None) == model.conflicts(wanted)
                assert conflict is None or conflict.conflicts(wanted)
                if conflict is None:
                    model.set(wanted)
                    apply_change(journal, table.set(FILE, wanted, now=step))
        assert held(table) == sorted(model.locks())
        assert union_by_byte(table) == model.union()
        assert journal == set(table.held(FILE))
        assert table.locks == len(journal)
