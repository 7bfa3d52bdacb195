"""The index of ranges, compared with a list."""

from __future__ import annotations

from random import Random
from typing import NamedTuple

from oncrpc.nfs.locks.ranges import LONGEST, RangeIndex


class Numbered(NamedTuple):
    """A range with a number."""

    start: int
    end: int
    owner: int


def some(random: Random, count: int) -> list[Numbered]:
    starts = [random.randrange(5000) for _ in range(count)]
    return [
        Numbered(start, start + 1 + random.randrange(60), number)
        for number, start in enumerate(starts)
    ]


def agrees(index: RangeIndex[Numbered], ranges: list[Numbered], random: Random) -> bool:
    start = random.randrange(5000)
    end = start + 1 + random.randrange(100)
    expected = [each for each in ranges if each.start < end and start < each.end]
    return [*index.overlapping(start, end)] == sorted(
        expected, key=lambda each: (each.start, each.owner)
    )


def test_index_finds_what_a_list_finds() -> None:
    random = Random(1)
    ranges = some(random, 3 * LONGEST)
    index = RangeIndex[Numbered](ranges[:LONGEST])
    for each in ranges[LONGEST:]:
        index.add(each)

    assert all(agrees(index, ranges, random) for _ in range(100))


def test_removed_ranges_are_not_found() -> None:
    random = Random(2)
    ranges = some(random, 2 * LONGEST)
    index = RangeIndex[Numbered]()
    for each in ranges:
        index.add(each)
    random.shuffle(ranges)
    while ranges:
        index.remove(ranges.pop())
        assert len(ranges) % 100 or agrees(index, ranges, random)

    assert [*index] == []


def test_ranges_with_one_start_are_all_found() -> None:
    ranges = [Numbered(0, 10, number) for number in range(3 * LONGEST)]
    index = RangeIndex[Numbered]()
    for each in reversed(ranges):
        index.add(each)

    index.remove(ranges[LONGEST])

    assert [*index.overlapping(9, 20)] == ranges[:LONGEST] + ranges[LONGEST + 1 :]
