"""The ways back to clients that wait."""

from __future__ import annotations

from oncrpc.nfs.locks.terms import ByteRange, Lock, LockClient, LockedFile, LockOwner
from oncrpc.nfs.nlm.client_links import ClientPlace
from oncrpc.nfs.nlm.ways_back import MAX_WAYS, WayBack, WaysBack

ONE, TWO = LockClient("192.0.2.1", b"one"), LockClient("192.0.2.1", b"two")
FILE, OTHER = LockedFile(1, b"file"), LockedFile(1, b"other")
WAY = WayBack(ClientPlace("192.0.2.1", "192.0.2.9", "tcp", 4), b"handle", by_message=False)
LATER = WAY._replace(by_message=True)


def lock(start: int = 0, end: int = 10, *, client: LockClient = ONE, svid: int = 1) -> Lock:
    return Lock(LockOwner(client, svid, b"oh"), ByteRange(start, end), exclusive=True)


def filled() -> WaysBack:
    ways = WaysBack()
    for file in (FILE, OTHER):
        for each in (lock(), lock(10, 20), lock(svid=2), lock(client=TWO)):
            ways.keep(file, each, WAY)
    return ways


def test_way_is_returned_once() -> None:
    ways = WaysBack()
    assert ways.keep(FILE, lock(), WAY)

    assert ways.pop(OTHER, lock()) is None
    assert ways.pop(FILE, lock(svid=2)) is None
    assert ways.pop(FILE, lock()) == WAY
    assert ways.pop(FILE, lock()) is None
    assert len(ways) == 0


def test_later_way_replaces_the_former() -> None:
    ways = WaysBack()
    ways.keep(FILE, lock(), WAY)

    assert not ways.keep(FILE, lock(), LATER)
    assert list(ways) == [(FILE, lock(), LATER)]
    assert len(ways) == 1


def test_owner_that_waits_no_more_is_forgotten() -> None:
    ways = filled()

    ways.forget_unless(FILE, lock().owner, lambda each: each == lock(10, 20))

    assert ways.pop(FILE, lock()) is None
    assert ways.pop(FILE, lock(10, 20)) == WAY
    assert len(ways) == len(list(ways)) == 6


def test_client_is_forgotten() -> None:
    ways = filled()

    ways.forget_client(ONE)

    assert [each[:2] for each in ways] == [(FILE, lock(client=TWO)), (OTHER, lock(client=TWO))]
    assert len(ways) == 2
    ways.clear()
    assert (len(ways), list(ways)) == (0, [])


def test_full_list_keeps_what_it_has() -> None:
    ways = WaysBack()
    for number in range(MAX_WAYS):
        assert ways.keep(FILE, lock(svid=number), WAY)

    assert not ways.keep(FILE, lock(svid=MAX_WAYS), WAY)
    assert not ways.keep(FILE, lock(svid=0), LATER)

    assert ways.pop(FILE, lock(svid=MAX_WAYS)) is None
    assert ways.pop(FILE, lock(svid=0)) == LATER
    assert len(ways) == MAX_WAYS - 1
