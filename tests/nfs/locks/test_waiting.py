"""Requests that wait: their order, their bounds, and circles of owners."""

from __future__ import annotations

from oncrpc.nfs.locks.table import LockTable
from oncrpc.nfs.locks.terms import ByteRange, Lock, LockClient, LockedFile, LockOwner
from oncrpc.nfs.locks.waiting import (
    MAX_CIRCLE_STEPS,
    MAX_OWNER_WAITING_LOCKS,
    LockRequest,
    Steps,
    WaitingRequests,
)
from support.locking import CLIENTS, FILE, asks, lock

OTHER = LockOwner(LockClient("203.0.113.1", b"z"), 0, b"oh")
EVERYTHING = ByteRange(0, 1 << 64)


def one_lock_each(owners: int) -> tuple[LockTable, WaitingRequests]:
    """Owner 0 holds file 0, and so on; each one but the last waits for the next file."""
    table = LockTable()
    waiting = WaitingRequests(table, most=owners, most_of_client=owners)
    for number in range(owners):
        table.set(file(number), of(number), now=1)
    for number in range(owners - 1):
        assert waiting.add(LockRequest(file(number + 1), of(number), wait=True), now=1)
    return table, waiting


def file(number: int) -> LockedFile:
    return LockedFile(1, b"%d" % number)


def of(number: int) -> Lock:
    return Lock(LockOwner(CLIENTS[number % 3], number, b"oh"), EVERYTHING, exclusive=True)


def test_long_circle_is_found() -> None:
    _, waiting = one_lock_each(500)

    assert waiting.would_deadlock(LockRequest(file(0), of(499), wait=True))
    assert not waiting.would_deadlock(LockRequest(file(0), of(500), wait=True))


def test_search_for_a_circle_ends() -> None:
    _, waiting = one_lock_each(MAX_CIRCLE_STEPS + 10)

    assert not waiting.would_deadlock(LockRequest(file(0), of(MAX_CIRCLE_STEPS + 9), wait=True))


def test_circle_through_one_of_very_many_readers() -> None:
    table = LockTable(most_of_client=2 * MAX_CIRCLE_STEPS)
    waiting = WaitingRequests(table)
    for number in range(2 * MAX_CIRCLE_STEPS):
        table.set(FILE, of(number)._replace(exclusive=False), now=1)
    last = max(each.owner for each in table.held(FILE))
    asking = Lock(OTHER, EVERYTHING, exclusive=True)
    table.set(file(1), asking, now=1)
    waiting.add(LockRequest(file(1), Lock(last, EVERYTHING, exclusive=True), wait=True), now=1)

    assert waiting.would_deadlock(asks(asking, wait=True))


def test_circle_through_one_of_many_readers_is_found() -> None:
    table = LockTable()
    waiting = WaitingRequests(table)
    for number in range(100):
        table.set(FILE, of(number)._replace(exclusive=False), now=1)
    table.set(file(1), of(100), now=1)
    waiting.add(LockRequest(file(1), of(70), wait=True), now=1)

    assert waiting.would_deadlock(asks(of(100), wait=True))


def test_all_clients_have_at_most_their_number() -> None:
    waiting = WaitingRequests(LockTable(), most=2)

    outcomes = [waiting.add(asks(lock(owner), wait=True), now=1) for owner in range(3)]

    assert outcomes == [True, True, False]


def test_client_has_at_most_its_number() -> None:
    waiting = WaitingRequests(LockTable(), most_of_client=1)

    outcomes = [waiting.add(asks(lock(owner), wait=True), now=1) for owner in (0, 3, 1)]

    assert outcomes == [True, False, True]


def test_owner_has_at_most_its_number() -> None:
    waiting = WaitingRequests(LockTable())
    wanted = [lock(1, 0, end) for end in range(1, MAX_OWNER_WAITING_LOCKS + 2)]

    outcomes = [waiting.add(asks(each, wait=True), now=1) for each in wanted]

    assert outcomes == [True] * MAX_OWNER_WAITING_LOCKS + [False]
    assert waiting.add(asks(lock(4), wait=True), now=1)


def test_address_has_at_most_half() -> None:
    waiting = WaitingRequests(LockTable(), most=4, most_of_client=1)

    outcomes = [waiting.add(asks(named(name), wait=True), now=1) for name in (b"a", b"b", b"c")]

    assert outcomes == [True, True, False]
    assert waiting.add(asks(lock(1), wait=True), now=1)


def named(name: bytes) -> Lock:
    """A lock of a client with that name, at the address of the others."""
    owner = LockOwner(LockClient("203.0.113.1", name), 0, b"oh")
    return Lock(owner, EVERYTHING, exclusive=True)


def test_search_for_earlier_requests_ends() -> None:
    waiting = WaitingRequests(LockTable())
    for number in range(20):
        waiting.add(asks(lock(0, number, number + 1), wait=True), now=1)
    waiting.add(asks(lock(1, 19, 20), wait=True), now=1)

    assert waiting.comes_later(asks(lock(1, 19, 20), wait=True), Steps(30))
    assert not waiting.comes_later(asks(lock(1, 19, 20), wait=True), Steps(15))


def test_removed_request_makes_room() -> None:
    waiting = WaitingRequests(LockTable(), most=1)
    waiting.add(asks(lock(0), wait=True), now=1)
    [first] = waiting

    waiting.remove(first)

    assert (len(waiting), list(waiting.files)) == (0, [])
    assert waiting.add(asks(lock(0), wait=True), now=1)


def test_requests_for_other_bytes_do_not_queue() -> None:
    waiting = WaitingRequests(LockTable())
    waiting.add(asks(lock(0, 0, 10), wait=True), now=1)

    assert not waiting.comes_later(asks(lock(1, 10, 20), wait=True))
    assert waiting.comes_later(asks(lock(1, 9, 20), wait=True))


def reader_before_a_writer() -> WaitingRequests:
    """Owner 3 reads a file, 2 waits to write it; 1 has another lock, and wants to read the file."""
    table = LockTable()
    waiting = WaitingRequests(table)
    table.set(file(1), of(1), now=1)
    table.set(FILE, of(3)._replace(exclusive=False), now=1)
    waiting.add(LockRequest(FILE, of(2), wait=True), now=1)
    return waiting


READER = LockRequest(FILE, of(1)._replace(exclusive=False), wait=True)


def test_writer_waiting_for_the_reader_lets_it_pass() -> None:
    waiting = reader_before_a_writer()
    assert waiting.comes_later(READER)

    waiting.add(LockRequest(file(1), of(3), wait=True), now=1)

    assert not waiting.comes_later(READER)


def test_circle_of_the_queue_frees_the_reader() -> None:
    waiting = reader_before_a_writer()
    waiting.add(READER, now=1, behind=True)
    closes = LockRequest(file(1), of(3), wait=True)

    assert not waiting.would_deadlock(closes)
    waiting.add(closes, now=1)

    assert not list(waiting.ready(FILE, EVERYTHING))
    assert READER in [each.request for each in waiting.freed_by(closes)[FILE]]
    assert [each.request for each in waiting.ready(FILE, EVERYTHING)] == [READER]
