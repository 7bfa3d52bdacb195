"""``oncrpc.nfs.backends.overlay.rows``: numbers that are never used again, and hidden names."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from pathlib import Path

import pytest

from oncrpc.nfs.backends.overlay.rows import ROOT, OverlayRows


@pytest.fixture
def rows() -> Iterator[OverlayRows]:
    """A table in memory."""
    rows = OverlayRows()
    yield rows
    rows.close()


def test_number_is_never_used_again(rows: OverlayRows) -> None:
    first = rows.lower_named(ROOT, b"a").number
    rows.forget(first)

    assert rows.lower_named(ROOT, b"a").number > first


def test_numbers_after_a_start_are_far_away(tmp_path: Path) -> None:
    """The last rows may be lost when the host loses power."""
    rows = OverlayRows(str(tmp_path / "table"))
    last = rows.lower_named(ROOT, b"a").number
    rows.close()

    rows = OverlayRows(str(tmp_path / "table"))

    assert rows.lower_named(ROOT, b"a").number == last
    assert rows.lower_named(ROOT, b"b").number > last + 1000
    rows.close()


def test_path_begins_where_a_directory_was(rows: OverlayRows) -> None:
    directory = rows.lower_named(ROOT, b"dir")
    file = rows.lower_named(directory.number, b"file")
    assert rows.lower_path(file) == b"dir/file"

    rows.place(directory.number, b"upper")
    rows.placed(directory.number, b"dir")

    assert rows.lower_path(file) == b"dir/file"
    assert rows.by_upper(b"upper") == rows.get(directory.number)


def test_file_below_a_removed_directory_is_stale(rows: OverlayRows) -> None:
    directory = rows.lower_named(ROOT, b"dir")
    file = rows.lower_named(directory.number, b"file")
    rows.forget(directory.number)

    with pytest.raises(OSError) as raised:  # noqa: PT011
        rows.lower_path(file)
    assert raised.value.errno == errno.ESTALE


def test_placed_copy_is_not_in_between(rows: OverlayRows) -> None:
    row = rows.lower_named(ROOT, b"a")
    rows.place(row.number, b"upper")
    assert [each.number for each in rows.in_between()] == [row.number]

    rows.placed(row.number, None)

    assert rows.in_between() == []


def test_names_that_stay_keep_their_cookies(rows: OverlayRows) -> None:
    rows.list(ROOT, [b"a", b"b", b"c"])
    before = {name: cookie for cookie, name in rows.after(ROOT, 0, 9)}

    rows.list(ROOT, [b"d", b"c", b"a"])

    found = [(name, cookie) for cookie, name in rows.after(ROOT, 0, 9)]
    assert found[:2] == [(b"a", before[b"a"]), (b"c", before[b"c"])]
    assert found[2][1] > before[b"c"] > 2


def test_hidden_name_is_forgotten_with_its_directory(rows: OverlayRows) -> None:
    directory = rows.lower_named(ROOT, b"dir")
    rows.hide(directory.number, b"a")
    assert rows.hidden(directory.number) == {b"a"}

    rows.forget(directory.number)

    assert not rows.is_hidden(directory.number, b"a")


def test_damaged_table_is_reported(tmp_path: Path) -> None:
    (tmp_path / "table").write_bytes(b"no database" * 1000)

    with pytest.raises(OSError, match="restore or remove it") as raised:
        OverlayRows(str(tmp_path / "table"))
    assert raised.value.errno == errno.EIO
