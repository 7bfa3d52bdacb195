"""Finding the files that a local process has moved."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from oncrpc.nfs.backends.local import table_repair
from oncrpc.nfs.backends.local.table_search import directories_with
from support.table_tree import TableTree


@pytest.fixture
def tree(tmp_path: Path) -> Iterator[TableTree]:
    tree = TableTree(tmp_path)
    yield tree
    tree.table.close()


def test_file_renamed_locally_is_found(tree: TableTree) -> None:
    tree.write("a/f")
    file = tree.id_of("a/f")
    (tree.top / "a/f").rename(tree.top / "a/g")

    assert tree.leads_to(file, "a/g")
    tree.kill()
    assert tree.leads_to(file, "a/g")


def test_file_moved_locally_is_found_in_unknown_directory(tree: TableTree) -> None:
    tree.write("a/f")
    file = tree.id_of("a/f")
    (tree.top / "x/y/z").mkdir(parents=True)
    (tree.top / "a/f").rename(tree.top / "x/y/z/g")

    assert tree.leads_to(file, "x/y/z/g")
    assert tree.id_of("x/y/z/g") == file


def test_directories_renamed_locally_keep_ids_below(tree: TableTree) -> None:
    tree.write("a/b/c/f")
    file = tree.id_of("a/b/c/f")
    (tree.top / "a/b").rename(tree.top / "a/b2")
    (tree.top / "a").rename(tree.top / "a2")
    (tree.top / "a2/b2/c").rename(tree.top / "c2")

    assert tree.leads_to(file, "c2/f")


def test_directories_swapped_locally_keep_their_ids(tree: TableTree) -> None:
    tree.write("a/b/f")
    outer, inner, file = tree.id_of("a"), tree.id_of("a/b"), tree.id_of("a/b/f")
    (tree.top / "a/b").rename(tree.top / "b")
    (tree.top / "a").rename(tree.top / "b/a")

    assert tree.leads_to(outer, "b/a")
    assert tree.leads_to(inner, "b")
    assert tree.leads_to(file, "b/f")


def test_one_search_finds_files_moved_together_locally(
    tree: TableTree, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = [f"f{number}" for number in range(50)]
    for name in names:
        tree.write(f"a/{name}")
    ids = {name: tree.id_of(f"a/{name}") for name in names}
    (tree.top / "b").mkdir()
    for name in names:
        (tree.top / "a" / name).rename(tree.top / "b" / name)
    searches = list[object]()

    def counted(*arguments: object, **named: object) -> Iterator[tuple[bytes, ...]]:
        searches.append(arguments)
        return directories_with(*arguments, **named)  # type: ignore[arg-type]  # passed on as they came

    monkeypatch.setattr(table_repair, "directories_with", counted)

    assert all(tree.leads_to(file, f"b/{name}") for name, file in ids.items())
    assert len(searches) == 1


def test_file_replaced_locally_is_stale(tree: TableTree) -> None:
    tree.write("f")
    file = tree.id_of("f")
    tree.write("g").replace(tree.top / "f")

    assert tree.is_stale(file)
    assert tree.id_of("f") != file


def test_dead_row_of_the_place_hides_nothing(tree: TableTree) -> None:
    tree.write("a/f")
    (tree.top / "b").mkdir()
    file, above = tree.id_of("a/f"), int.from_bytes(tree.id_of("b"), "big")
    inode = (tree.top / "a/f").stat().st_ino
    # A file that had the name and the number before, and was removed locally.
    tree.rows.new(parent=above, name=b"g", volume=1, ino=inode, birth=12345)
    tree.rows.commit()
    (tree.top / "a/f").rename(tree.top / "b/g")

    assert tree.leads_to(file, "b/g")


def test_unreadable_directory_is_passed_over(tree: TableTree) -> None:
    tree.write("a/f")
    file = tree.id_of("a/f")
    for name in ("x", "y"):
        (tree.top / name).mkdir()
    (tree.top / "x").chmod(0)
    (tree.top / "a/f").rename(tree.top / "y/f")

    assert tree.leads_to(file, "y/f")


def test_local_link_is_found_when_the_name_goes(tree: TableTree) -> None:
    tree.write("a/f")
    file = tree.id_of("a/f")
    (tree.top / "b").mkdir()
    os.link(tree.top / "a/f", tree.top / "b/g")
    (tree.top / "a/f").unlink()

    assert tree.leads_to(file, "b/g")


def test_file_moved_out_of_the_export_is_stale(tree: TableTree, tmp_path: Path) -> None:
    tree.write("a/f")
    file = tree.id_of("a/f")
    (tree.top / "a/f").rename(tmp_path / "f")
    (tmp_path / "f").rename(tmp_path / "g")
    assert tree.is_stale(file)

    (tree.top / "out").symlink_to(tmp_path)
    assert tree.is_stale(file)


def test_directory_replaced_by_a_link_leads_nowhere(tree: TableTree, tmp_path: Path) -> None:
    tree.write("a/f")
    file = tree.id_of("a/f")
    (tree.top / "a").rename(tmp_path / "a")
    (tree.top / "a").symlink_to(tmp_path / "a")

    assert tree.is_stale(file)
