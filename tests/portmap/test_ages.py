"""Since when registrations are there, whatever becomes of the registry."""

from __future__ import annotations

from oncrpc.portmap.ages import Ages
from oncrpc.portmap.registry import Registry
from oncrpc.testing import ManualClock
from support.callers import registered

NFS, STATUS = registered(100003, 3), registered(100024, 1)


def watched(clock: ManualClock) -> tuple[Registry, Ages]:
    """A registry, and the ages of what it holds."""
    ages = Ages(clock)
    return Registry([ages]), ages


def test_a_registration_ages_from_its_first_set() -> None:
    clock = ManualClock(now=100)
    registry, ages = watched(clock)
    registry.set(NFS)
    clock.advance(5)

    assert registry.set(NFS)
    registry.set(STATUS)
    clock.advance(1)

    assert [ages.age(entry) for entry in registry] == [6, 1]


def test_reregistered_entry_starts_at_age_0() -> None:
    clock = ManualClock()
    registry, ages = watched(clock)
    registry.set(NFS)
    clock.advance(5)
    registry.unset(100003, 3, (b"TCP",), owner=b"superuser")

    registry.set(registered(100003, 3, "TCP"))

    assert ages.age(NFS) == 0
    assert len(ages) == len(registry) == 1


def test_ages_are_handed_over_in_order() -> None:
    clock = ManualClock()
    registry, ages = watched(clock)
    for entry in (NFS, STATUS):
        registry.set(entry)
        clock.advance(5)
    since = ages.since(registry)

    following, later = watched(clock)
    for entry in registry:
        following.set(entry)
    later.restore(registry, since)

    assert [later.age(entry) for entry in following] == [10, 5]


def test_unknown_age_counts_from_now() -> None:
    clock = ManualClock(now=7)
    registry, ages = watched(clock)
    registry.set(NFS)

    ages.restore([NFS, STATUS], [])

    assert ages.age(NFS) == 0
    assert ages.age(STATUS) == 0


def test_failed_registration_has_no_age() -> None:
    ages = Ages(ManualClock(now=7))

    ages.restore([NFS], [1.0])

    assert len(ages) == 0
