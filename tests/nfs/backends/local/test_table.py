"""Ids of files from a table on disk."""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from oncrpc.nfs.backends.local import table
from oncrpc.nfs.backends.local.marks import FileMark, mark_of
from oncrpc.nfs.backends.local.objects import looked_at
from oncrpc.nfs.backends.local.table import HandleTable
from oncrpc.nfs.backends.local.table_rows import Rows
from oncrpc.nfs.backends.local.table_search import Patience
from oncrpc.nfs.filesystem import MAX_ID_V2
from support.errnos import fails_with
from support.table_tree import TableTree


@pytest.fixture
def tree(tmp_path: Path) -> Iterator[TableTree]:
    tree = TableTree(tmp_path)
    yield tree
    tree.table.close()


@pytest.fixture
def weak(tmp_path: Path) -> Iterator[TableTree]:
    tree = TableTree(tmp_path, weak=True)
    yield tree
    tree.table.close()


def test_id_leads_to_its_file(tree: TableTree) -> None:
    tree.write("a/b/f")

    file = tree.id_of("a/b/f")

    assert tree.leads_to(file, "a/b/f")
    assert tree.id_of("a/b/f") == file
    assert len(file) <= MAX_ID_V2


def test_root_keeps_its_id(tree: TableTree) -> None:
    before = tree.table.root
    tree.restart()

    assert tree.table.root == before
    assert tree.leads_to(before, ".")


def test_id_is_valid_after_kill(tree: TableTree) -> None:
    tree.write("a/f")
    file = tree.id_of("a/f")

    tree.kill()

    assert tree.leads_to(file, "a/f")
    assert tree.id_of("a/f") == file


@pytest.mark.parametrize("wrong", [b"", b"x", b"\0" * 8, b"\xff" * 8, b"\0" * 9, b"x" * 44])
def test_bytes_that_were_never_an_id_are_stale(tree: TableTree, wrong: bytes) -> None:
    assert tree.is_stale(wrong)


def test_symbolic_link_is_opened_itself(tree: TableTree) -> None:
    (tree.top / "link").symlink_to("/etc/passwd")

    assert tree.leads_to(tree.id_of("link"), "link")


def unnamed(tree: TableTree, file: bytes, path: str, *, last: bool = False) -> None:
    """Report that a file lost a name."""
    above = tree.id_of(str(Path(path).parent))
    tree.table.unnamed(file, directory=above, name=os.fsencode(Path(path).name), last=last)


def test_removed_file_is_stale_after_restart_too(tree: TableTree) -> None:
    file = tree.write("f")
    gone = tree.id_of("f")
    file.unlink()

    assert tree.is_stale(gone)
    tree.restart()
    assert tree.is_stale(gone)


def test_new_file_of_same_name_has_another_id(tree: TableTree) -> None:
    seen = list[bytes]()
    for _ in range(20):
        file = tree.write("f")
        seen.append(tree.id_of("f"))
        file.unlink()
    tree.write("f")

    assert len({*seen, tree.id_of("f")}) == 21
    assert all(tree.is_stale(old) for old in seen)


def test_open_file_without_a_name_is_stale(tree: TableTree) -> None:
    path = tree.write("f")
    file = tree.id_of("f")
    with path.open():
        path.unlink()

        assert tree.is_stale(file)


# Renames through the server.


def rename(tree: TableTree, old: str, new: str) -> None:
    """Rename a file as the server does: the back end reports the names."""
    file = tree.id_of(old)
    target = tree.id_of(str(Path(new).parent))
    (tree.top / old).rename(tree.top / new)
    unnamed(tree, file, old)
    tree.table.named(file, directory=target, name=os.fsencode(Path(new).name))


def test_renamed_directory_keeps_all_ids_below(tree: TableTree) -> None:
    tree.write("a/b/c/f")
    (tree.top / "z").mkdir()
    ids = {path: tree.id_of(path) for path in ("a", "a/b", "a/b/c", "a/b/c/f")}

    rename(tree, "a/b", "z/moved")
    tree.kill()

    assert tree.leads_to(ids["a/b/c/f"], "z/moved/c/f")
    assert tree.id_of("z/moved/c/f") == ids["a/b/c/f"]
    assert tree.parent(ids["a/b"]) == tree.id_of("z")


def test_names_may_come_before_the_old_name_goes(tree: TableTree) -> None:
    tree.write("f")
    file = tree.id_of("f")
    (tree.top / "f").rename(tree.top / "g")

    tree.table.named(file, directory=tree.table.root, name=b"g")
    unnamed(tree, file, "f")

    assert tree.leads_to(file, "g")


def test_linked_file_lives_as_long_as_a_name(tree: TableTree) -> None:
    tree.write("a/one")
    file = tree.id_of("a/one")
    os.link(tree.top / "a/one", tree.top / "two")
    tree.table.named(file, directory=tree.table.root, name=b"two")

    (tree.top / "a/one").unlink()
    unnamed(tree, file, "a/one")
    tree.kill()
    assert tree.leads_to(file, "two")
    assert tree.id_of("two") == file

    (tree.top / "two").unlink()
    unnamed(tree, file, "two", last=True)
    assert tree.is_stale(file)


def test_names_of_a_linked_file_have_one_id(tree: TableTree) -> None:
    tree.write("one")
    os.link(tree.top / "one", tree.top / "two")

    assert tree.id_of("one") == tree.id_of("two")


def test_other_name_may_go_first(tree: TableTree) -> None:
    tree.write("one")
    os.link(tree.top / "one", tree.top / "two")
    file = tree.id_of("one")
    assert tree.id_of("two") == file
    (tree.top / "two").unlink()

    unnamed(tree, file, "two")

    assert tree.rows.links(int.from_bytes(file, "big")) == []
    assert tree.leads_to(file, "one")


# The directory above.


def test_parent_is_the_directory_where_it_is_now(tree: TableTree) -> None:
    tree.write("a/d/f")
    directory = tree.id_of("a/d")
    (tree.top / "b").mkdir()
    (tree.top / "a/d").rename(tree.top / "b/d")

    assert tree.parent(directory) == tree.id_of("b")


def test_parent_that_was_replaced_has_a_new_id(tree: TableTree) -> None:
    tree.write("a/d/f")
    above, directory = tree.id_of("a"), tree.id_of("a/d")
    (tree.top / "new").mkdir()
    (tree.top / "a/d").rename(tree.top / "new/d")
    (tree.top / "a").rmdir()
    (tree.top / "new").rename(tree.top / "a")

    assert tree.parent(directory) == tree.id_of("a") != above


def test_parent_outside_of_the_export_is_refused(tree: TableTree, tmp_path: Path) -> None:
    tree.write("a/d/f")
    directory = tree.id_of("a/d")
    found = tree.table.open(directory)
    (tree.top / "a/d").rename(tmp_path / "d")

    with fails_with(errno.EACCES):
        tree.table.parent(found, directory=directory)
    os.close(found.descriptor)


def test_deep_directories_are_opened(tree: TableTree) -> None:
    here, above = tree.table.root, os.open(tree.top, os.O_PATH)
    for _ in range(50):
        os.mkdir(b"n" * 200, dir_fd=above)
        here = tree.lookup(here, b"n" * 200)
        below = os.open(b"n" * 200, os.O_PATH, dir_fd=above)
        os.close(above)
        above = below

    assert tree.ino(here) == os.fstat(above).st_ino
    os.close(above)


# Limits and faults.


def test_other_root_makes_ids_stale_but_keeps_them(tree: TableTree, tmp_path: Path) -> None:
    tree.write("f")
    file, root = tree.id_of("f"), tree.table.root
    tree.top.rename(tmp_path / "unmounted")
    tree.top.mkdir()
    tree.write("f")
    tree.restart()
    assert tree.table.root != root
    assert tree.is_stale(file)
    assert tree.is_stale(root)

    shutil.rmtree(tree.top)
    (tmp_path / "unmounted").rename(tree.top)
    tree.restart()
    assert tree.leads_to(file, "f")


def test_lost_files_cannot_keep_the_server_searching(tmp_path: Path) -> None:
    (tmp_path / "top").mkdir()
    now = 0.0

    def clock() -> float:
        nonlocal now
        now += 0.4  # each search takes so long
        return now

    rows = Rows(None)
    opened = HandleTable(bytes(tmp_path / "top"), rows, patience=Patience(clock))
    outcomes = list[int | None]()
    for number in range(6):
        path = tmp_path / "top" / f"f{number}"
        path.touch()
        found = looked_at(os.open(path, os.O_PATH))
        file = opened.id_of(found, directory=opened.root, name=path.name.encode())
        os.close(found.descriptor)
        path.unlink()
        try:
            opened.open(file)
        except OSError as error:
            outcomes.append(error.errno)
    opened.close()

    assert outcomes[0] == errno.ESTALE
    assert errno.EAGAIN in outcomes


def test_unwritten_ids_are_refused_at_keep(tmp_path: Path) -> None:
    (tmp_path / "top").mkdir()
    rows = Rows(str(tmp_path / "table"))
    opened = HandleTable(bytes(tmp_path / "top"), rows)
    rows.limit_pages(1)
    for number in range(300):
        (tmp_path / "top" / f"f{number}").touch()
        found = looked_at(os.open(tmp_path / "top" / f"f{number}", os.O_PATH))
        opened.id_of(found, directory=opened.root, name=b"f%d" % number)
        os.close(found.descriptor)

    with fails_with(errno.ENOSPC):
        opened.keep()
    rows.limit_pages(10_000)
    opened.close()


def test_rename_that_cannot_be_written_holds(
    tree: TableTree, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full() -> None:
        raise OSError(errno.ENOSPC, "no space")

    tree.write("f")
    file = tree.id_of("f")
    with monkeypatch.context() as patch:
        patch.setattr(tree.rows, "commit", full)
        (tree.top / "f").rename(tree.top / "g")
        unnamed(tree, file, "f")
        tree.table.named(file, directory=tree.table.root, name=b"g")

        assert tree.leads_to(file, "g")
    tree.table.keep()
    tree.kill()
    assert tree.leads_to(file, "g")


def test_other_file_system_has_no_ids(tree: TableTree) -> None:
    found = looked_at(os.open("/proc/self", os.O_PATH))

    with fails_with(errno.EACCES):
        tree.table.id_of(found, directory=tree.table.root, name=b"self")
    os.close(found.descriptor)


def test_failing_file_system_is_no_stale_file(tmp_path: Path) -> None:
    broken = False

    def mark(descriptor: int) -> FileMark:
        if broken:
            raise OSError(errno.EIO, "broken disk")
        return mark_of(descriptor)

    opened = HandleTable(bytes(tmp_path), Rows(None), mark=mark)
    (tmp_path / "f").touch()
    found = looked_at(os.open(tmp_path / "f", os.O_PATH))
    file = opened.id_of(found, directory=opened.root, name=b"f")
    os.close(found.descriptor)
    before, broken = os.listdir("/proc/self/fd"), True

    with fails_with(errno.EIO):
        opened.open(file)

    assert set(os.listdir("/proc/self/fd")) <= set(before)
    opened.close()


def test_lost_ids_in_memory_are_bounded(tree: TableTree, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(table, "MAX_LOST_IDS", 2)
    gone = [tree.id_of(tree.write(f"f{number}").name) for number in range(5)]
    for number in range(5):
        (tree.top / f"f{number}").unlink()

    assert all(tree.is_stale(file) for file in gone + gone)


@pytest.mark.parametrize("exists", [True, False])
def test_loop_of_directories_ends(tree: TableTree, exists: bool) -> None:
    tree.write("a/b/f")
    file, outer, inner = tree.id_of("a/b/f"), tree.id_of("a"), tree.id_of("a/b")
    row = tree.rows.get(int.from_bytes(outer, "big"))
    assert row is not None
    tree.rows.put(row._replace(parent=int.from_bytes(inner, "big")))
    if not exists:
        shutil.rmtree(tree.top / "a")

    assert tree.is_stale(file) is not exists


def test_unwritable_table_cannot_be_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full() -> None:
        raise OSError(errno.ENOSPC, "no space")

    rows = Rows(None)
    before = os.listdir("/proc/self/fd")
    with monkeypatch.context() as patch, fails_with(errno.ENOSPC):
        patch.setattr(rows, "sync", full)
        HandleTable(bytes(tmp_path), rows)

    assert set(os.listdir("/proc/self/fd")) <= set(before)
    rows.close()


def test_missing_directory_cannot_be_exported(tmp_path: Path) -> None:
    rows = Rows(None)

    with fails_with(errno.ENOENT):
        HandleTable(bytes(tmp_path / "none"), rows)
    rows.close()


# File systems that tell nothing about births.


def test_weak_id_follows_renames_through_the_server(weak: TableTree) -> None:
    weak.write("f")
    file = weak.id_of("f")

    rename(weak, "f", "g")
    weak.kill()

    assert weak.leads_to(file, "g")
    assert weak.id_of("g") == file


def test_weak_id_is_stale_after_local_rename(weak: TableTree) -> None:
    weak.write("f")
    file = weak.id_of("f")
    (weak.top / "f").rename(weak.top / "g")

    assert weak.is_stale(file)
    assert weak.id_of("g") != file


def test_weak_id_is_dead_once_seen_elsewhere(weak: TableTree) -> None:
    weak.write("f")
    file = weak.id_of("f")
    (weak.top / "f").rename(weak.top / "g")
    other = weak.id_of("g")
    (weak.top / "g").rename(weak.top / "f")

    assert weak.is_stale(file)
    assert weak.id_of("f") not in (file, other)


def test_weak_id_leads_to_no_later_file(weak: TableTree) -> None:
    for _ in range(20):
        weak.write("f")
        file = weak.id_of("f")
        (weak.top / "f").rename(weak.top / "g")
        other = weak.id_of("g")
        (weak.top / "g").unlink()
        weak.table.unnamed(other, directory=weak.table.root, name=b"g", last=True)
        weak.write("f")  # with the number of the former one, on many file systems

        assert weak.is_stale(file)
        (weak.top / "f").unlink()


def test_weak_link_keeps_its_id_when_renamed(weak: TableTree) -> None:
    weak.write("one")
    os.link(weak.top / "one", weak.top / "two")
    file = weak.id_of("one")
    assert weak.id_of("two") == file
    (weak.top / "one").rename(weak.top / "three")

    assert weak.id_of("two") == file
    assert weak.leads_to(file, "two")


def test_weak_id_of_removed_file_stays_stale(weak: TableTree) -> None:
    seen = list[bytes]()
    for _ in range(20):
        path = weak.write("f")
        file = weak.id_of("f")
        path.unlink()
        unnamed(weak, file, "f", last=True)
        seen.append(file)
    weak.write("f")

    assert len({*seen, weak.id_of("f")}) == 21
    assert all(weak.is_stale(old) for old in seen)


def test_weak_names_of_linked_file_share_id(weak: TableTree) -> None:
    weak.write("one")
    os.link(weak.top / "one", weak.top / "two")

    file = weak.id_of("one")
    assert weak.id_of("two") == file
    (weak.top / "one").unlink()
    assert weak.leads_to(file, "two")
