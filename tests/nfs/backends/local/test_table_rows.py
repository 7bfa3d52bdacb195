"""The rows of the table of handles, on disk."""

from __future__ import annotations

import errno
import os
import secrets
import shutil
import sqlite3
import stat
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oncrpc.nfs.backends.local import table_rows
from oncrpc.nfs.backends.local.table_rows import FileRow, Rows
from support.errnos import fails_with


@pytest.fixture
def path(tmp_path: Path) -> str:
    return str(tmp_path / "table")


@pytest.fixture
def rows(path: str) -> Iterator[Rows]:
    opened = Rows(path)
    yield opened
    opened.close()


def add(rows: Rows, name: bytes = b"f", *, ino: int = 5, birth: int = 100) -> FileRow:
    return rows.new(parent=1, name=name, volume=1, ino=ino, birth=birth)


def after_kill(path: str, folder: Path) -> Rows:
    """The rows as another process finds them if this one is killed now."""
    copy = folder / "copy"
    copy.mkdir(exist_ok=True)
    for file in Path(path).parent.glob("table*"):
        shutil.copy(file, copy)
    return Rows(str(copy / "table"))


def test_committed_rows_survive_kill(rows: Rows, path: str, tmp_path: Path) -> None:
    kept = [add(rows, b"%d" % number, ino=number) for number in range(100)]
    rows.commit()
    lost = add(rows, ino=1000)

    found = after_kill(path, tmp_path)

    assert [found.get(row.id) for row in kept] == kept
    assert found.get(lost.id) is None
    found.close()


def test_rows_are_the_same_after_reopening(path: str) -> None:
    rows = Rows(path)
    row = add(rows)
    rows.close()

    rows = Rows(path)

    assert rows.get(row.id) == row
    assert rows.with_ino(5) == [row]
    rows.close()


def test_file_is_only_for_the_server(rows: Rows, path: str) -> None:
    add(rows)
    rows.commit()

    modes = {stat.S_IMODE(os.stat(path + suffix).st_mode) for suffix in ("", "-wal")}
    assert modes == {0o600}


def test_symbolic_link_is_not_opened(tmp_path: Path) -> None:
    (tmp_path / "table").symlink_to(tmp_path / "elsewhere")

    with fails_with(errno.EPERM):
        Rows(str(tmp_path / "table"))


def test_file_of_others_is_not_opened(tmp_path: Path) -> None:
    (tmp_path / "table").touch(0o644)

    with fails_with(errno.EPERM):
        Rows(str(tmp_path / "table"))


@pytest.mark.parametrize("mode", [0o770, 0o707])
def test_directory_of_others_is_not_used(tmp_path: Path, mode: int) -> None:
    tmp_path.chmod(mode)

    with fails_with(errno.EPERM):
        Rows(str(tmp_path / "table"))


def test_second_process_is_refused(rows: Rows, path: str) -> None:
    with fails_with(errno.EBUSY):
        Rows(path)


def test_damaged_file_is_a_database_error(tmp_path: Path) -> None:
    (tmp_path / "table").write_bytes(b"nothing that SQLite knows" * 100)
    (tmp_path / "table").chmod(0o600)

    with pytest.raises(sqlite3.DatabaseError):
        Rows(str(tmp_path / "table"))


def test_file_of_another_version_is_a_database_error(path: str) -> None:
    Rows(path).close()
    database = sqlite3.connect(path)
    database.execute("PRAGMA user_version = 99")
    database.close()

    with pytest.raises(sqlite3.DatabaseError, match="99"):
        Rows(path)


def test_table_in_memory_needs_no_file() -> None:
    rows = Rows(None)
    row = add(rows)
    rows.sync()

    assert rows.get(row.id) == row
    rows.close()


def test_rows_are_found_by_inode_number(rows: Rows) -> None:
    first, second, other = add(rows, birth=1), add(rows, birth=2), add(rows, ino=6)
    rows.commit()
    third = add(rows, birth=3)

    assert rows.with_ino(5) == [first, second, third]
    assert rows.with_ino(6) == [other]
    assert rows.with_ino(7) == []


@pytest.mark.parametrize("committed", [False, True])
def test_changed_row_is_found_as_changed(rows: Rows, committed: bool) -> None:
    row = add(rows)
    rows.commit()
    changed = row._replace(parent=9, name=b"moved")

    rows.put(changed)
    if committed:
        rows.commit()

    assert rows.get(row.id) == changed
    assert rows.with_ino(5) == [changed]


@pytest.mark.parametrize("committed", [False, True])
def test_removed_row_is_not_found(rows: Rows, committed: bool) -> None:
    row = add(rows)
    rows.commit()
    rows.add_link(row.id, 9, b"other")

    rows.remove(row.id)
    if committed:
        rows.commit()

    assert rows.get(row.id) is None
    assert rows.with_ino(5) == []
    assert not committed or rows.links(row.id) == []


def test_links_are_kept_once_and_removed(rows: Rows) -> None:
    row = add(rows)
    rows.add_link(row.id, 9, b"other")
    rows.add_link(row.id, 9, b"other")
    rows.add_link(row.id, 9, b"third")

    rows.remove_link(row.id, 9, b"third")

    assert rows.links(row.id) == [(9, b"other")]


def test_volumes_have_new_numbers(rows: Rows) -> None:
    first = rows.new_volume()
    rows.new(parent=None, name=b"", volume=first, ino=1, birth=1)
    second = rows.new_volume()
    rows.commit()

    assert first != second
    assert rows.new_volume() == second


def test_root_is_its_own_parent(rows: Rows) -> None:
    root = rows.new(parent=None, name=b"", volume=1, ino=1, birth=1)

    assert root.parent == root.id


def test_rows_follow_in_the_order_of_ids(rows: Rows) -> None:
    added = [add(rows, ino=number) for number in range(10)]
    rows.commit()
    rows.remove(added[4].id)

    assert rows.after(added[2].id, 3) == [added[3], added[5]]
    assert rows.after(added[9].id, 3) == []


def test_lost_ids_are_those_of_a_volume(rows: Rows) -> None:
    here, there = add(rows), rows.new(parent=1, name=b"x", volume=2, ino=7, birth=1)
    rows.commit()
    for id_ in (here.id, there.id, 12345):
        rows.lose(id_, 50)
        rows.lose(id_, 100)

    assert rows.lost_since(here.id) == 50
    assert rows.lost(1, before=50, most=10) == [12345]
    assert set(rows.lost(1, before=51, most=10)) == {here.id, 12345}
    rows.found(here.id)
    assert rows.lost(1, before=51, most=10) == [12345]
    assert rows.lost_since(here.id) is None


def test_ids_of_two_runs_differ(path: str) -> None:
    seen = set[int]()
    for _ in range(3):
        rows = Rows(path)
        ids = {add(rows, ino=number).id for number in range(10)}
        assert not ids & seen
        seen |= ids
        rows.close()

    assert all(0 <= id_ < 1 << 63 for id_ in seen)


def test_run_of_another_table_is_not_drawn_again(
    path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn = iter([7, 7, 8])
    monkeypatch.setattr(secrets, "randbits", lambda _: next(drawn))
    rows = Rows(path)
    first = add(rows)
    rows.close()

    rows = Rows(path)
    second = add(rows)

    assert (first.id >> 24, second.id >> 24) == (7, 8)
    rows.close()


def test_run_with_all_ids_used_draws_another(rows: Rows, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(table_rows, "COUNT_BITS", 2)

    ids = [add(rows, ino=number).id for number in range(9)]

    assert len(set(ids)) == 9


def test_full_disk_refuses_commit_and_keeps_rows_waiting(path: str) -> None:
    rows = Rows(path)
    rows.limit_pages(10)
    waiting = [add(rows, b"n" * 200, ino=number) for number in range(1000)]

    with fails_with(errno.ENOSPC):
        rows.commit()
    rows.limit_pages(100_000)
    rows.commit()
    rows.close()

    rows = Rows(path)
    assert [rows.get(row.id) for row in waiting] == waiting
    rows.close()


def test_rows_that_wait_are_bounded(rows: Rows, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(table_rows, "MAX_UNWRITTEN_ROWS", 3)
    for number in range(3):
        add(rows, ino=number)

    with fails_with(errno.ENOSPC):
        add(rows, ino=3)
    rows.commit()
    add(rows, ino=3)


def test_cache_is_bounded_and_right(rows: Rows, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(table_rows, "MAX_CACHED_ROWS", 2)
    added = [add(rows, ino=number) for number in range(10)]
    rows.commit()

    assert [rows.get(row.id) for row in added] == added


def test_commit_is_synced_in_a_thread(path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    synced = threading.Event()
    monkeypatch.setattr(os, "fdatasync", lambda _: synced.set())
    rows = Rows(path, sync_after=0.0)
    add(rows)

    rows.commit()

    assert synced.wait(10)
    rows.close()


def test_failed_sync_is_an_error(path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(_: int) -> None:
        raise OSError(errno.EIO, "broken disk")

    rows = Rows(path, sync_after=1000.0)
    add(rows)
    monkeypatch.setattr(os, "fdatasync", broken)

    with fails_with(errno.EIO):
        rows.sync()
    rows.close()


def test_failures_without_a_caller_are_logged(
    path: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    tried = threading.Event()

    def broken(_: int) -> None:
        if tried.is_set():  # so the first failure is logged by now
            again.set()
        tried.set()
        raise OSError(errno.EIO, "broken disk")

    again = threading.Event()
    monkeypatch.setattr(os, "fdatasync", broken)
    rows = Rows(path, sync_after=0.0)
    while not again.wait(0.001):
        add(rows)
        rows.commit()
    rows.limit_pages(1)
    for number in range(1000):
        add(rows, b"n" * 200, ino=number)
    rows.close()

    assert "cannot sync" in caplog.text
    assert "cannot write the table of handles" in caplog.text


COMMITS = 5


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> tuple[bytes, bytes, list[list[FileRow]]]:
    """A table after some commits: its two files, and the rows of each commit."""
    folder = tmp_path_factory.mktemp("written")
    rows = Rows(str(folder / "table"))
    commits = list[list[FileRow]]()
    for number in range(COMMITS):
        commits.append([add(rows, ino=10 * number + each) for each in range(3)])
        rows.commit()
    files = (folder / "table").read_bytes(), (folder / "table-wal").read_bytes()
    rows.close()
    return (*files, commits)


def kept_of(
    folder: Path, database: bytes, journal: bytes, commits: list[list[FileRow]]
) -> list[int]:
    """How many rows of each commit are found in these files."""
    (folder / "table").write_bytes(database)
    (folder / "table").chmod(0o600)
    (folder / "table-wal").write_bytes(journal)
    rows = Rows(str(folder / "table"))
    found = [sum(rows.get(row.id) == row for row in commit) for commit in commits]
    rows.close()
    return found


@pytest.mark.slow
@given(data=st.data())
def test_torn_journal_has_whole_commits_from_the_start(
    data: st.DataObject,
    written: tuple[bytes, bytes, list[list[FileRow]]],
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    database, journal, commits = written
    end = data.draw(st.integers(0, len(journal)))

    found = kept_of(tmp_path_factory.mktemp("torn"), database, journal[:end], commits)

    assert set(found) <= {0, 3}
    assert found == sorted(found, reverse=True)
    assert end < len(journal) or found == [3] * COMMITS


@pytest.mark.slow
@given(data=st.data())
def test_damaged_journal_has_whole_commits_from_the_start(
    data: st.DataObject,
    written: tuple[bytes, bytes, list[list[FileRow]]],
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    database, journal, commits = written
    at = data.draw(st.integers(0, len(journal) - 1))
    changed = bytearray(journal)
    changed[at] ^= data.draw(st.integers(1, 255))

    found = kept_of(tmp_path_factory.mktemp("damaged"), database, bytes(changed), commits)

    assert set(found) <= {0, 3}
    assert found == sorted(found, reverse=True)
