"""``oncrpc.cli.nfs.rows``: columns, and suffixes of types."""

from __future__ import annotations

import pytest

from oncrpc.cli.nfs.rows import columns

NAMES = ["a", "bb", "ccc", "dddd", "e"]


def test_names_are_sorted_downwards() -> None:
    assert list(columns(NAMES, 14)) == ["a   ccc   e", "bb  dddd"]


@pytest.mark.parametrize(("width", "lines"), [(80, 1), (3, 5), (0, 5)])
def test_columns_fit_the_width(width: int, lines: int) -> None:
    found = list(columns(NAMES, width))

    assert len(found) == lines
    assert sorted(" ".join(found).split()) == NAMES


def test_no_names_give_no_line() -> None:
    assert list(columns([], 80)) == []
