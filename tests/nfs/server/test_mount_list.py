"""``oncrpc.nfs.server.mount_list``: what it keeps, and for how long."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oncrpc.nfs.server.mount_list import (
    MAX_AGE,
    MAX_BYTES,
    MAX_MOUNTS,
    MAX_OF_HOST,
    NOTICED,
    Mount,
    MountList,
    plain,
)
from oncrpc.programs.mount import mountbody, mountlist
from oncrpc.testing import ManualClock
from oncrpc.xdr import encode


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


def filled(*hosts: str, clock: ManualClock | None = None, **options: int) -> MountList:
    mounts = MountList(clock=clock or ManualClock(), **options)
    for host in hosts:
        mounts.add(host, b"/srv", proven=True)
    return mounts


def test_mounts_are_listed_in_order() -> None:
    mounts = MountList()

    mounts.add("192.0.2.1", b"/b", proven=True)
    mounts.add("192.0.2.1", b"/a", proven=True)
    mounts.add("192.0.2.2", b"/a", proven=False)

    assert list(mounts) == [
        Mount("192.0.2.1", b"/b"),
        Mount("192.0.2.1", b"/a"),
        Mount("192.0.2.2", b"/a"),
    ]
    assert len(mounts) == 3


def test_the_same_mount_is_listed_once() -> None:
    mounts = filled("a", "a", "a")

    assert list(mounts) == [Mount("a", b"/srv")]


def test_unmount_removes_one_entry_of_one_host() -> None:
    mounts = filled("a", "b")
    mounts.add("a", b"/other", proven=True)

    assert mounts.remove("a", b"/srv")

    assert list(mounts) == [Mount("b", b"/srv"), Mount("a", b"/other")]
    assert not mounts.remove("a", b"/srv")
    assert not mounts.remove("c", b"/srv")


def test_unmount_all_removes_all_of_one_host() -> None:
    mounts = filled("a", "b")
    mounts.add("a", b"/other", proven=True)

    assert mounts.remove_all("a") == 2

    assert list(mounts) == [Mount("b", b"/srv")]
    assert mounts.remove_all("a") == 0
    assert mounts.remove_all("c") == 0


def test_host_that_unmounted_is_still_known() -> None:
    """A forged UMNT does not take the trust of a host."""
    mounts = filled("a")

    mounts.remove_all("a")

    assert mounts.has("a")
    assert not mounts.has("b")


def test_only_a_connection_proves_an_address() -> None:
    mounts = MountList()
    mounts.add("a", b"/srv", proven=False)
    assert (mounts.has("a"), mounts.proved("a")) == (True, False)

    mounts.add("a", b"/srv", proven=True)
    mounts.add("a", b"/srv", proven=False)

    assert mounts.proved("a")
    assert not mounts.proved("b")


def test_silent_host_is_dropped(clock: ManualClock) -> None:
    mounts = filled("a", clock=clock)
    clock.now += MAX_AGE / 2
    mounts.add("b", b"/srv", proven=True)
    clock.now += MAX_AGE / 2 + 1

    assert not mounts.has("a")
    assert not mounts.proved("a")
    assert mounts.drop_old() == 1

    assert list(mounts) == [Mount("b", b"/srv")]
    assert mounts.drop_old() == 0


def test_active_host_stays(clock: ManualClock) -> None:
    mounts = filled("a", "b", clock=clock)
    clock.now += MAX_AGE / 2
    mounts.touch("a")
    mounts.touch("unknown")
    clock.now += MAX_AGE / 2 + 1

    mounts.drop_old()

    assert list(mounts) == [Mount("a", b"/srv")]


def test_activity_is_noticed_once_an_hour(clock: ManualClock) -> None:
    mounts = filled("a", clock=clock)
    before = mounts.generation

    mounts.touch("a")
    assert mounts.generation == before
    clock.now += NOTICED
    mounts.touch("a")

    assert mounts.generation == before + 1


def test_host_silent_for_longest_is_evicted() -> None:
    clock = ManualClock()
    mounts = filled("a", "b", "c", clock=clock, most=3)
    clock.now += NOTICED
    mounts.touch("a")

    mounts.add("d", b"/srv", proven=True)

    assert {host for host, _ in mounts} == {"a", "c", "d"}


def test_forged_mounts_do_not_evict_real_ones() -> None:
    mounts = filled("a", "b", most=4)

    for number in range(100):
        mounts.add(f"forged{number}", b"/srv", proven=False)

    assert mounts.proved("a")
    assert mounts.proved("b")
    assert len(mounts) == 4


def test_one_host_does_not_evict_others() -> None:
    mounts = filled("a")

    for number in range(MAX_MOUNTS + 10):
        mounts.add("b", b"/%d" % number, proven=True)

    assert mounts.has("a")
    assert len(mounts) == 1 + MAX_OF_HOST
    assert Mount("b", b"/%d" % (MAX_MOUNTS + 9)) in list(mounts)


def test_hosts_without_mounts_are_bounded() -> None:
    mounts = MountList(most=10)

    for number in range(100):
        mounts.add(f"h{number}", b"/srv", proven=True)
        mounts.remove_all(f"h{number}")

    assert len(list(mounts.hosts())) == 10


def test_mapped_address_is_the_same_host() -> None:
    mounts = filled("::ffff:192.0.2.1")

    assert list(mounts) == [Mount("192.0.2.1", b"/srv")]
    assert mounts.has("192.0.2.1")
    assert mounts.remove("::ffff:192.0.2.1", b"/srv")


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("::ffff:c000:201", "192.0.2.1"),
        ("2001:db8::1", "2001:db8::1"),
        ("192.0.2.1", "192.0.2.1"),
        ("::ffff:x", "::ffff:x"),
        ("", ""),
    ],
)
def test_address_is_plain(host: str, expected: str) -> None:
    assert plain(host) == expected


def test_each_change_is_reported() -> None:
    clock = ManualClock()
    mounts = MountList(clock=clock)
    reported: list[int] = []
    mounts.changed = lambda: reported.append(mounts.generation)

    mounts.add("a", b"/srv", proven=True)
    mounts.remove("a", b"/srv")
    mounts.add("a", b"/srv", proven=True)
    mounts.remove_all("a")
    clock.now += MAX_AGE + 1
    mounts.drop_old()

    assert reported == [1, 2, 3, 4, 5]


HOSTS = st.sampled_from(["a", "bb", "192.0.2.1", "2001:db8::1", "h" * 255])
PATHS = st.sampled_from([b"/", b"/srv", b"/" + b"x" * 1023, b"/a b"])
STEPS = st.lists(
    st.tuples(st.sampled_from(["add", "add", "udp", "remove", "all"]), HOSTS, PATHS), max_size=40
)


@given(steps=STEPS, most=st.integers(1, 6), most_bytes=st.integers(0, 3000))
def test_bounds_hold_and_size_is_exact(
    steps: list[tuple[str, str, bytes]], most: int, most_bytes: int
) -> None:
    mounts = MountList(most=most, most_bytes=most_bytes, most_of_host=3, clock=ManualClock())
    for what, host, path in steps:
        match what:
            case "remove":
                mounts.remove(host, path)
            case "all":
                mounts.remove_all(host)
            case _:
                mounts.add(host, path, proven=what == "add")

        entries = list(mounts)
        wire = encode(
            mountlist, [mountbody(each.host.encode(), each.directory) for each in entries]
        )
        assert len(wire) == mounts.size + 4
        assert len(entries) == len(set(entries)) == len(mounts) <= most
        assert mounts.size <= most_bytes
        assert len(list(mounts.hosts())) <= most


def test_longest_list_fits_its_bound() -> None:
    mounts = MountList()
    for number in range(MAX_MOUNTS):
        mounts.add(f"2001:db8::{number:x}", b"/" + b"d" * 1000, proven=True)

    assert 0.9 * MAX_BYTES < mounts.size <= MAX_BYTES
