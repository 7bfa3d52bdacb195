"""Forgetting the files that are gone."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from oncrpc.nfs.backends.local.table_sweep import LOST_FOR
from support.table_tree import TableTree


@pytest.fixture
def tree(tmp_path: Path) -> Iterator[TableTree]:
    tree = TableTree(tmp_path)
    yield tree
    tree.table.close()


def has_row(tree: TableTree, file: bytes) -> bool:
    return tree.rows.get(int.from_bytes(file, "big")) is not None


def churn(tree: TableTree, count: int = 200) -> None:
    """Show new files to a client, and remove them locally."""
    for number in range(count):
        path = tree.write(f"churn{number}")
        tree.id_of(path.name)
        path.unlink()


def test_lost_file_is_forgotten_after_a_day(tree: TableTree) -> None:
    path = tree.write("f")
    file = tree.id_of("f")
    path.unlink()
    assert tree.is_stale(file)

    tree.now += LOST_FOR
    tree.restart()
    assert has_row(tree, file)
    tree.now += 1
    tree.restart()

    assert not has_row(tree, file)


def test_lost_id_without_a_row_is_forgotten(tree: TableTree) -> None:
    tree.rows.lose(12345, 0)

    tree.restart()

    assert tree.rows.lost_since(12345) is None


def test_file_that_comes_back_is_not_forgotten(tree: TableTree, tmp_path: Path) -> None:
    path = tree.write("f")
    file = tree.id_of("f")
    path.rename(tmp_path / "f")
    assert tree.is_stale(file)
    (tmp_path / "f").rename(path)

    tree.now += LOST_FOR + 1
    tree.restart()

    assert tree.leads_to(file, "f")


def test_nothing_is_forgotten_below_another_root(tree: TableTree, tmp_path: Path) -> None:
    path = tree.write("f")
    file = tree.id_of("f")
    path.rename(tmp_path / "f")
    assert tree.is_stale(file)
    tree.top.rename(tmp_path / "unmounted")
    tree.top.mkdir()

    tree.now += LOST_FOR + 1
    tree.restart()
    churn(tree)

    assert has_row(tree, file)


def test_new_rows_make_old_ones_go(tree: TableTree) -> None:
    kept = tree.write("kept")
    file = tree.id_of("kept")

    for _ in range(20):
        tree.now += LOST_FOR / 2
        churn(tree, 20)

    assert len(tree.rows.after(0, 10_000)) < 200
    assert tree.leads_to(file, kept.name)


def test_unreadable_directory_keeps_its_files(
    tree: TableTree, monkeypatch: pytest.MonkeyPatch
) -> None:
    tree.write("d/f")
    file = tree.id_of("d/f")
    tree.rows.lose(int.from_bytes(file, "big"), 0)

    def refused(*_: object) -> int:
        raise PermissionError(13, "not for you")

    with monkeypatch.context() as patch:
        patch.setattr("oncrpc.nfs.backends.local.table_places.open_beneath", refused)
        tree.restart()

    assert has_row(tree, file)
