"""``oncrpc.nfs.server.cookies2``: listings of version 2 over cookies of 64 bits."""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oncrpc.nfs.server.cookies2 import END, LONG, ShortCookies
from oncrpc.programs.nfs2 import NFS_VERSION, readdirargs, stat
from support.exported2 import Exported2, ManyNames

HERE, THERE = (0, b"here"), (0, b"there")


def hashes(count: int, seed: int = 1) -> list[int]:
    """Cookies like those of ext4: ascending hashes of 63 bits."""
    drawn = random.Random(seed)
    return sorted({drawn.randrange(1 << 8, 1 << 63) for _ in range(count)})


COOKIES: dict[str, Callable[[int], list[int]]] = {
    "small": lambda count: list(range(1, count + 1)),
    "32 bits": lambda count: list(range(LONG - 5, LONG - 5 + count)),
    "hashes": hashes,
    "collisions": lambda count: sorted(cookie & ~(0xFFF << 40) for cookie in hashes(count)),
    "one upper half": lambda count: list(range(1 << 40, (1 << 40) + count)),
    "at the end": lambda count: list(range((1 << 63) - count, 1 << 63)),
    "64 bits": lambda count: list(range((1 << 64) - count, 1 << 64)),
    "descending": lambda count: hashes(count)[::-1],
    "unordered": lambda count: random.Random(2).sample(hashes(count), count),
}


def test_small_cookie_is_sent_as_it_is() -> None:
    cookies = ShortCookies()

    assert cookies.shorten(HERE, LONG - 1, after=0) == LONG - 1
    assert cookies.find(HERE, LONG - 1) == LONG - 1
    assert cookies.count == 0


def test_long_cookie_is_found_again() -> None:
    cookies = ShortCookies()

    number = cookies.shorten(HERE, 5 << 40, after=0)

    assert number == LONG | 5 << 8
    assert cookies.find(HERE, number) == 5 << 40
    assert cookies.find(THERE, number) is None


def test_cookie_has_one_number() -> None:
    cookies = ShortCookies()
    numbers = {cookies.shorten(HERE, 5 << 40, after=after) for after in (0, LONG, LONG + 7)}

    assert len(numbers) == cookies.count == 1


@given(st.lists(st.integers(1, (1 << 64) - 1), unique=True, max_size=60), st.data())
def test_different_cookies_have_different_numbers(long: list[int], data: st.DataObject) -> None:
    cookies, numbers = ShortCookies(), [0]

    for cookie in long:
        numbers.append(cookies.shorten(HERE, cookie, after=data.draw(st.sampled_from(numbers))))

    assert [cookies.find(HERE, number) for number in numbers[1:]] == long
    assert all(0 <= number < END for number in numbers)


def test_longest_unused_directory_is_forgotten_first() -> None:
    cookies = ShortCookies(most=4)
    here = [cookies.shorten(HERE, n << 40, after=0) for n in (1, 2)]
    there = [cookies.shorten(THERE, n << 40, after=0) for n in (1, 2)]
    here.append(cookies.shorten(HERE, 3 << 40, after=here[-1]))
    here.append(cookies.shorten(HERE, 4 << 40, after=here[-1]))

    assert cookies.count == 4
    assert [cookies.find(THERE, number) for number in there] == [None, None]
    assert [cookies.find(HERE, number) for number in here] == [n << 40 for n in (1, 2, 3, 4)]


def test_large_directory_forgets_its_first_cookies() -> None:
    cookies = ShortCookies(most=2)
    numbers = [cookies.shorten(HERE, n << 40, after=0) for n in (1, 2, 3)]

    assert [cookies.find(HERE, number) for number in numbers] == [None, 2 << 40, 3 << 40]


@pytest.mark.parametrize("kind", COOKIES)
@pytest.mark.parametrize("count", [64, 333, 8192])
def test_listing_is_complete_without_duplicates(kind: str, count: int) -> None:
    files = ManyNames(COOKIES[kind](500))

    assert Exported2(files).listed(count) == list(files.names.values())


@pytest.mark.slow
@pytest.mark.parametrize("kind", COOKIES)
def test_listing_of_10000_entries_is_complete(kind: str) -> None:
    files = ManyNames(COOKIES[kind](10_000))

    assert Exported2(files).listed(4096) == list(files.names.values())


@pytest.mark.parametrize("kind", COOKIES)
def test_listing_goes_on_after_restarts(kind: str) -> None:
    files = ManyNames(COOKIES[kind](300))
    exported = Exported2(files)

    def restart() -> None:
        exported.service2.cookies = ShortCookies()

    assert exported.listed(512, between=restart) == list(files.names.values())


@pytest.mark.parametrize("kind", COOKIES)
def test_listing_needs_few_remembered_cookies(kind: str) -> None:
    files = ManyNames(COOKIES[kind](300))

    found = Exported2(files, cookies=ShortCookies(most=3)).listed(512)

    assert found == list(files.names.values())


class Removing:
    """Removes all entries that were listed, as ``rm -r`` does."""

    def __init__(self, exported: Exported2, files: ManyNames, *, restarts: bool) -> None:
        self.exported, self.files, self.restarts = exported, files, restarts
        self.removed = 0

    def __call__(self) -> None:
        listed = list(self.files.names)[:11]
        for index in listed:
            del self.files.names[index]
        self.removed += len(listed)
        if self.restarts:
            self.exported.service2.cookies = ShortCookies()


@pytest.mark.parametrize("restarts", [False, True])
def test_listing_survives_removals(*, restarts: bool) -> None:
    files = ManyNames(hashes(300))
    names, exported = list(files.names.values()), Exported2(files)
    removing = Removing(exported, files, restarts=restarts)

    found = exported.listed(11 * 20 + 8, between=removing)

    assert found == names
    assert not files.names


def ask(exported: Exported2, number: int) -> stat:
    """The status of READDIR after a cookie."""
    cookie = number.to_bytes(4, "big")
    return exported.status2(NFS_VERSION.NFSPROC_READDIR, readdirargs(exported.root2, cookie, 512))


def test_removed_entry_of_an_unordered_directory_fails() -> None:
    files = ManyNames(hashes(30)[::-1])
    exported = Exported2(files)
    exported.listed()
    number = exported.service2.cookies.shorten((0, b"/"), files.cookies[3], after=0)
    del files.names[3]
    exported.service2.cookies = ShortCookies()

    assert ask(exported, number) is stat.NFSERR_IO


def test_cookie_after_the_last_one_is_the_end() -> None:
    exported = Exported2(ManyNames(hashes(30)))

    assert ask(exported, END - 1) is stat.NFS_OK


def test_directory_is_read_once_for_a_forgotten_cookie() -> None:
    files = ManyNames(hashes(3000))
    exported = Exported2(files)
    number = LONG | files.cookies[-1] >> 32

    assert ask(exported, number) is stat.NFS_OK
    assert exported.service2.cookies.find((0, b"/"), number) == files.cookies[-1]
