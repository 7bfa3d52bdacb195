"""``oncrpc.nfs.backends.table_database``: failures of SQLite are those of a file system."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from pathlib import Path

import pytest

from oncrpc.nfs.backends.table_database import TableDatabase

SCHEMA = "CREATE TABLE IF NOT EXISTS t (a BLOB);"


@pytest.fixture
def database(tmp_path: Path) -> Iterator[TableDatabase]:
    """A database with room for few pages."""
    database = TableDatabase(str(tmp_path / "table"), SCHEMA)
    database.execute("PRAGMA max_page_count = 4")
    yield database
    database.close()


def test_full_database_is_enospc(database: TableDatabase) -> None:
    with pytest.raises(OSError) as raised:  # noqa: PT011
        database.execute("INSERT INTO t VALUES (?)", bytes(1 << 16))
    assert raised.value.errno == errno.ENOSPC


@pytest.mark.parametrize("on_disk", [False, True])
def test_failed_transaction_changes_nothing(database: TableDatabase, on_disk: bool) -> None:
    def change() -> None:
        with database.transaction(on_disk=on_disk):
            database.execute("INSERT INTO t VALUES (?)", b"first")
            database.execute("INSERT INTO t VALUES (?)", bytes(1 << 16))

    with pytest.raises(OSError):  # noqa: PT011
        change()

    assert database.all("SELECT * FROM t") == []
    with database.transaction():
        database.many("INSERT INTO t VALUES (?)", [(b"a",), (b"b",)])
    assert database.one("SELECT count(*) FROM t") == (2,)


def test_only_the_owner_reads_the_file(tmp_path: Path, database: TableDatabase) -> None:
    assert (tmp_path / "table").stat().st_mode & 0o777 == 0o600


def test_exclusive_database_has_one_user(tmp_path: Path) -> None:
    first = TableDatabase(str(tmp_path / "own"), SCHEMA, exclusive=True)
    first.execute("INSERT INTO t VALUES (?)", b"x")

    with pytest.raises(OSError, match="another server may use it") as raised:
        TableDatabase(str(tmp_path / "own"), SCHEMA, exclusive=True)
    assert raised.value.errno == errno.EBUSY
    first.close()


def test_other_mistakes_are_eio(database: TableDatabase) -> None:
    with pytest.raises(OSError, match="no such table") as raised:
        database.all("SELECT * FROM missing")
    assert raised.value.errno == errno.EIO
