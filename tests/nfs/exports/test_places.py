"""``oncrpc.nfs.exports.places``: lines and columns, and how problems are written."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oncrpc.nfs.exports.places import (
    LONGEST_SHOWN,
    ExportPlace,
    ExportProblem,
    ExportsText,
    FixedPlace,
    Severity,
    shown,
)


@pytest.mark.parametrize(
    ("offset", "line", "column"),
    [(0, 1, 1), (3, 1, 4), (4, 2, 1), (7, 2, 3), (9, 3, 1), (11, 3, 3)],
)
def test_columns_count_characters(offset: int, line: int, column: int) -> None:
    text = ExportsText("/a \n/é \n/b".encode(), "exports")

    assert text.place(offset) == ExportPlace("exports", line, column)


def test_problem_says_place_and_advice() -> None:
    place = ExportPlace("/etc/exports", 3, 7)

    assert str(ExportProblem(Severity.ERROR, place, "bad", "do this")) == (
        "/etc/exports:3:7: error: bad; do this"
    )
    assert str(ExportProblem(Severity.NOTE, ExportPlace("table"), "odd")) == "table: note: odd"


def test_fixed_place_is_the_same_everywhere() -> None:
    place = ExportPlace("table")

    assert FixedPlace(place).of(99) == place


@given(st.binary().map(lambda data: data.decode("latin-1")))
def test_shown_words_are_short_and_printable(word: str) -> None:
    found = shown(word)

    assert found.isprintable()
    assert len(found) <= LONGEST_SHOWN + len('""...')
