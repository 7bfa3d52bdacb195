"""``oncrpc.nfs.backends.fsspec.rows``: numbers stay with files, cookies with names."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from oncrpc.nfs.backends.fsspec.rows import ROOT, StoredRows


@pytest.fixture
def rows() -> Iterator[StoredRows]:
    rows = StoredRows()
    yield rows
    rows.close()


def test_paths_follow_a_rename_above(rows: StoredRows) -> None:
    folder = rows.named(ROOT, b"folder")
    file = rows.named(folder.number, b"file")

    rows.rename(folder, ROOT, b"other")

    assert rows.path(rows.get(file.number)) == b"other/file"


def test_removed_directory_makes_files_below_stale(rows: StoredRows) -> None:
    folder = rows.named(ROOT, b"folder")
    file = rows.named(folder.number, b"file")

    rows.remove(folder)

    with pytest.raises(OSError, match="Stale"):
        rows.path(file)


def test_number_is_never_used_again(rows: StoredRows) -> None:
    first = rows.named(ROOT, b"file")
    rows.remove(first)

    assert rows.named(ROOT, b"file").number > first.number


def test_replaced_name_keeps_its_cookie(rows: StoredRows) -> None:
    kept, moved = rows.named(ROOT, b"a"), rows.named(ROOT, b"b")

    rows.rename(moved, ROOT, b"a")

    (listed,) = rows.listed(ROOT, [b"a"])
    assert (listed.number, listed.cookie) == (moved.number, kept.cookie)


def test_listing_follows_the_store(rows: StoredRows) -> None:
    first = [row.number for row in rows.listed(ROOT, [b"b", b"a"])]
    rows.change(rows.named(ROOT, b"made").number, made=1)

    second = {row.name: row.number for row in rows.listed(ROOT, [b"c", b"b"])}

    assert second.keys() == {b"b", b"c", b"made"}
    assert second[b"b"] in first


def test_table_in_a_file_is_kept(tmp_path: Path) -> None:
    before = StoredRows(str(tmp_path / "table"))
    number, life = before.named(ROOT, b"file").number, before.life
    before.close()

    after = StoredRows(str(tmp_path / "table"))

    assert (after.get(number).name, after.life) == (b"file", life)
    after.close()


def test_table_is_private(tmp_path: Path) -> None:
    StoredRows(str(tmp_path / "table")).close()

    assert (tmp_path / "table").stat().st_mode & 0o777 == 0o600
