"""Linux kernels lock files of ``nfsd``, against each other and against processes of its host."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.lan_guests import SERVER
from support.lock_site import (
    CANCEL,
    FOLDER,
    GRANTED,
    GRANTED_MSG,
    UNLOCK,
    LockPlace,
    LockSite,
)

pytestmark = [pytest.mark.interop, pytest.mark.slow]

BEYOND = 5_000_000_000
"""A place that 32 bits do not reach."""

MOUNT_2 = (
    "mkdir -p /run/old && busybox mount -i -t nfs"
    f" -o vers=2,proto=tcp,mountproto=tcp,addr={SERVER} server:{FOLDER} /run/old"
)
MOUNT_6 = f"mkdir -p /run/six && mount.nfs server6:{FOLDER} /run/six -o vers=3,proto=tcp6"
GRANTED_WITHIN = 0.05
"""Seconds from a release to the call that grants the lock to another guest."""


@pytest.fixture(scope="module")
def site(guest_image: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LockSite]:
    with LockSite(guest_image, tmp_path_factory.mktemp("locks")) as site:
        yield site


@pytest.fixture(scope="module")
def guests(site: LockSite) -> list[LockPlace]:
    return site.clients("one", "two")


@pytest.fixture
def one(guests: list[LockPlace]) -> LockPlace:
    return guests[0]


@pytest.fixture
def two(guests: list[LockPlace]) -> LockPlace:
    return guests[1]


@pytest.fixture
def file(request: pytest.FixtureRequest) -> str:
    """A file of the test's own."""
    return str(request.node.name)


def test_second_guest_is_refused_and_told_why(one: LockPlace, two: LockPlace, file: str) -> None:
    held = one.locks(file, "set:w:10:10", "hold").held()

    asked = two.locks(file, "set:w:19:1", "set:r:0:11", "get:r:0:0", "set:w:20:5", "set:w:0:10")

    refused = "set EAGAIN"
    assert asked.outcomes() == [refused, refused, "get w 10 10", "set ok", "set ok"]
    held.go_on()
    held.outcomes()


def test_shared_locks_do_not_conflict(one: LockPlace, two: LockPlace, file: str) -> None:
    held = one.locks(file, "set:r:0:0", "hold").held()

    asked = two.locks(file, "set:r:0:0", "get:r:0:0", "get:w:0:0")

    assert asked.outcomes() == ["set ok", "get nobody", "get r 0 0"]
    held.go_on()
    held.outcomes()


def test_released_lock_is_granted_within_50_ms(
    site: LockSite, one: LockPlace, two: LockPlace, file: str
) -> None:
    begun = time.time()
    held = one.locks(file, "set:w:0:0", "hold", "free:0:0", "hold").held()
    waiting = two.locks(file, "wait:w:0:0")
    site.asked(two.address, after=begun)

    held.go_on()

    assert waiting.outcomes() == ["wait ok"]
    released = site.call(UNLOCK, source=one.address, after=begun)
    granted = site.call(GRANTED, GRANTED_MSG, target=two.address, after=begun)
    assert 0 < granted.time - released.time < GRANTED_WITHIN
    held.go_on()
    held.outcomes()


def test_interrupted_wait_leaves_nothing(
    site: LockSite, one: LockPlace, two: LockPlace, file: str
) -> None:
    begun = time.time()
    held = one.locks(file, "set:w:0:0", "hold").held()

    waiting = two.locks(file, "alarm:300", "wait:w:0:0", "hold")

    waiting.step("wait EINTR")
    site.call(CANCEL, source=two.address, after=begun)
    held.go_on()
    held.outcomes()
    assert site.local.locks(file, "set:w:0:0").outcomes() == ["set ok"]
    assert one.locks(file, "get:w:0:0").outcomes() == ["get nobody"]
    waiting.go_on()
    waiting.outcomes()


def test_flock_excludes_other_guests(one: LockPlace, two: LockPlace, file: str) -> None:
    held = one.locks(file, "flock:w", "hold", "flock:r", "hold", "flock:u", "hold").held()
    exclusive, shared = ("flock:w", "flock:u"), ("flock:r", "flock:u")
    seen = []

    for _ in range(3):
        seen.append(two.locks(file, *exclusive, *shared).outcomes())
        held.go_on()
        if len(seen) < 3:
            held.step("hold")

    held.outcomes()
    refused, taken = "flock EAGAIN", "flock ok"
    assert seen == [
        [refused, taken, refused, taken],
        [refused, taken, taken, taken],
        [taken, taken, taken, taken],
    ]


def test_ranges_beyond_4_gib_are_distinct(one: LockPlace, two: LockPlace, file: str) -> None:
    far = (1 << 63) - 10
    held = one.locks(file, f"set:w:{BEYOND}:10", f"set:w:{far}:5", "hold").held()

    asked = two.locks(
        file,
        f"set:w:{BEYOND + 9}:1", f"set:w:{BEYOND + 10}:10", f"set:w:{BEYOND % (1 << 32)}:10",
        f"get:w:{BEYOND}:1", f"set:r:{far}:1", f"set:r:{far + 5}:5", "set:w:0:0",
    )  # fmt: skip

    assert asked.outcomes() == [
        "set EAGAIN", "set ok", "set ok",
        f"get w {BEYOND} 10", "set EAGAIN", "set ok", "set EAGAIN",
    ]  # fmt: skip
    held.go_on()
    held.outcomes()


def test_guest_sees_a_local_lock(site: LockSite, one: LockPlace, file: str) -> None:
    held = site.local.locks(file, "set:w:5:10", "hold").held()

    asked = one.locks(file, "set:r:0:6", "set:r:0:5", "get:w:0:0")

    assert asked.outcomes() == ["set EAGAIN", "set ok", "get w 5 10"]
    held.go_on()
    held.outcomes()


def test_local_process_sees_a_guests_lock(site: LockSite, one: LockPlace, file: str) -> None:
    held = one.locks(file, "set:w:5:10", "hold", "free:5:5", "hold").held()

    asked = site.local.locks(file, "set:r:0:6", "set:r:0:5", "get:w:0:0")

    assert asked.outcomes() == ["set EAGAIN", "set ok", "get w 5 10"]
    held.go_on()
    held.step("hold")
    assert site.local.locks(file, "set:w:0:10", "set:w:0:11").outcomes() == ["set ok", "set EAGAIN"]
    held.go_on()
    held.outcomes()


def test_guest_waits_for_a_local_process(site: LockSite, one: LockPlace, file: str) -> None:
    begun = time.time()
    held = site.local.locks(file, "set:w:0:0", "hold").held()
    waiting = one.locks(file, "wait:w:0:0")
    site.asked(one.address, after=begun)
    assert not waiting.has_done("wait")

    held.go_on()

    assert waiting.outcomes() == ["wait ok"]
    site.call(GRANTED, GRANTED_MSG, target=one.address, after=begun)


def test_local_process_waits_for_a_guest(site: LockSite, one: LockPlace, file: str) -> None:
    held = one.locks(file, "set:w:0:0", "hold").held()
    waiting = site.local.locks(file, "wait:w:0:0")
    assert not waiting.has_done("wait")

    held.kill()

    assert waiting.outcomes() == ["wait ok"]


def test_waiting_guest_is_called_back_over_ipv6(
    site: LockSite, one: LockPlace, two: LockPlace, file: str
) -> None:
    held = one.locks(file, "set:w:0:0", "hold").held()
    two.run(MOUNT_6)
    begun = time.time()
    waiting = two.at("/run/six").locks(file, "wait:w:0:0")
    site.asked(two.address6, after=begun)

    held.go_on()

    assert waiting.outcomes() == ["wait ok"]
    site.call(GRANTED, GRANTED_MSG, target=two.address6, after=begun)
    two.run("umount /run/six")


def test_guests_that_wait_for_each_other_are_told(
    site: LockSite, one: LockPlace, two: LockPlace, file: str
) -> None:
    first = one.locks(file, "set:w:0:10", "hold", "wait:w:10:10").held()
    second = two.locks(file, "set:w:10:10", "hold", "wait:w:0:10").held()
    begun = time.time()
    first.go_on()
    site.asked(one.address, after=begun)

    second.go_on()

    assert second.outcomes() == ["set ok", "hold", "wait EDEADLK"]
    assert first.outcomes() == ["set ok", "hold", "wait ok"]


def test_counts_under_a_lock_are_not_lost(
    site: LockSite, one: LockPlace, two: LockPlace, file: str
) -> None:
    places = (one, one, two, two, site.local, site.local)

    processes = [place.locks(file, "count:30") for place in places]

    assert [each.outcomes() for each in processes] == [["count ok"]] * len(places)
    assert Path(site.host.path(f"{FOLDER}/{file}")).read_text() == str(30 * len(places))


def test_nfs_2_locks_by_the_first_version(
    site: LockSite, one: LockPlace, two: LockPlace, file: str
) -> None:
    held = one.locks(file, "set:w:0:10", "hold").held()
    two.run(MOUNT_2)
    old = two.at("/run/old")
    refused = old.locks(file, "set:w:5:0", "get:w:5:0", "set:w:10:0").outcomes()
    begun = time.time()
    waiting = old.locks(file, "wait:w:5:0")
    asked = site.asked(two.address, after=begun)

    held.go_on()

    assert refused == ["set EAGAIN", "get w 0 10", "set ok"]
    assert waiting.outcomes() == ["wait ok"]
    granted = site.call(GRANTED, GRANTED_MSG, target=two.address, after=begun)
    assert asked.vers == granted.vers == 1
    two.run("umount /run/old")
