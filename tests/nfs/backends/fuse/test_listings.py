"""``oncrpc.nfs.backends.fuse.listings``."""

from __future__ import annotations

import pytest

from oncrpc.nfs.backends.fuse.listings import (
    LISTING_AGE,
    MAX_LISTINGS,
    KeptListings,
    ListedName,
    page,
)

NAMES = [(b"%d" % number, number) for number in range(50)]
SAME = [ListedName(5, b"a"), ListedName(7, b"b"), ListedName(7, b"c"), ListedName(9, b"d")]


@pytest.mark.parametrize("count", [1, 2, 7])
def test_pages_have_each_name_once(count: int) -> None:
    entries = KeptListings().put(1, NAMES, now=0.0)

    found, cookie = list[bytes](), 0
    while part := page(entries, cookie, count):
        found += [entry.name for entry in part]
        cookie = part[-1].cookie

    assert sorted(found) == sorted(name for name, _ in NAMES)


def test_equal_cookies_are_in_one_page() -> None:
    assert page(SAME, 0, 2) == SAME[:3]
    assert page(SAME, 7, 2) == SAME[3:]


def test_cookie_of_a_name_stays() -> None:
    listings = KeptListings()

    before = {entry.name: entry.cookie for entry in listings.put(1, NAMES, now=0.0)}
    after = listings.put(1, [*NAMES, (b"new", 0)], now=1.0)

    assert before.items() <= {entry.name: entry.cookie for entry in after}.items()
    assert all(2 < entry.cookie < 1 << 31 for entry in after)


def test_old_listing_is_read_again() -> None:
    listings = KeptListings()
    listings.put(1, NAMES, now=0.0)

    assert listings.get(1, now=LISTING_AGE) is not None
    assert listings.get(1, now=LISTING_AGE + 0.1) is None


def test_dropped_name_is_not_listed() -> None:
    listings = KeptListings()
    listings.put(1, NAMES, now=0.0)

    for name in (b"7", b"missing"):
        listings.drop(1, name)
        listings.drop(2, name)

    found = listings.get(1, now=0.0)
    assert found is not None
    assert {entry.name for entry in found} == {name for name, _ in NAMES} - {b"7"}


def test_number_of_listings_is_bounded() -> None:
    listings = KeptListings()

    for directory in range(MAX_LISTINGS + 1):
        listings.put(directory, NAMES, now=0.0)

    assert listings.get(0, now=0.0) is None
    assert listings.get(1, now=0.0) is not None
