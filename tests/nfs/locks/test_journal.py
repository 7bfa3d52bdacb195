"""The journal of locks: over restarts, crashes, full disks and damage."""

from __future__ import annotations

import asyncio
import logging
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Coroutine
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from oncrpc.daemon.state.directory import Directory
from oncrpc.nfs.locks.dos_shares import DosShare
from oncrpc.nfs.locks.journal import (
    JOURNAL_FILE,
    RETRY,
    LockJournal,
    Record,
    RecordedLock,
    RecordedShare,
)
from oncrpc.nfs.locks.terms import END, ByteRange, Lock, LockedFile
from oncrpc.testing import ManualClock
from support.locking import FILE, OTHER_FILE, OWNERS, lock
from support.loops import in_loop, run, until

LOCKS: list[Record] = [
    RecordedLock(FILE, lock(0, 0, 10)),
    RecordedLock(FILE, lock(0, 1 << 63, END, exclusive=False)),
    RecordedLock(OTHER_FILE, lock(1, END - 1, END)),
]
SHARE = RecordedShare(FILE, OWNERS[2], DosShare(3, 1))


def loaded(journal: LockJournal) -> tuple[list[Record], bool]:
    """What the journal has, and whether that is all."""
    records = list[Record]()
    journal.everything = lambda: records
    complete = journal.load(records.append)
    return records, complete


def opened(directory: Directory, **options: Any) -> LockJournal:
    journal = LockJournal(directory, **options)
    assert loaded(journal) == ([], True)
    return journal


def read(directory: Directory) -> list[Record]:
    """The records, and that there was no damage."""
    journal = LockJournal(directory)
    records, complete = loaded(journal)
    journal.close()
    assert complete
    return records


def life(directory: Directory, act: Callable[[LockJournal], Coroutine[Any, Any, None]]) -> None:
    """Use a new journal, then close it."""

    async def main() -> None:
        journal = opened(directory)
        await act(journal)
        await journal.stop()
        journal.close()

    run(main())


async def write_all(journal: LockJournal) -> None:
    for record in (*LOCKS, SHARE):
        journal.put(record)
    await journal.synced()


@pytest.mark.slow
def test_records_are_kept_over_a_restart(directory: Directory) -> None:
    life(directory, write_all)

    assert sorted(read(directory)[:3]) == sorted(LOCKS)
    assert read(directory)[3:] == [SHARE]


def test_removed_records_are_gone(directory: Directory) -> None:
    async def act(journal: LockJournal) -> None:
        await write_all(journal)
        for record in (*LOCKS[1:], SHARE):
            journal.remove(record)

    life(directory, act)

    assert read(directory) == LOCKS[:1]


def test_lock_of_another_kind_replaces(directory: Directory) -> None:
    async def act(journal: LockJournal) -> None:
        await write_all(journal)
        journal.remove(LOCKS[0])
        journal.put(RecordedLock(FILE, lock(0, 0, 20, exclusive=False)))

    life(directory, act)

    assert read(directory)[0] == RecordedLock(FILE, lock(0, 0, 20, exclusive=False))


CHILD = """
import asyncio, os, sys; sys.path.insert(0, sys.argv[2])
from oncrpc.daemon.state.directory import Directory
from nfs.locks.test_journal import opened, write_all
async def main():
    journal = opened(Directory(sys.argv[1]))
    os.write(1, b'begun\\n')
    await write_all(journal)
    os.write(1, b'synced\\n')
    sys.stdin.read()
asyncio.run(main())
"""
"""A process that writes all records, and waits."""


def writer_in(place: Path) -> list[str]:
    """The command of that process, with a new state directory."""
    place.mkdir(mode=0o700)
    return [sys.executable, "-c", CHILD, str(place), str(Path(__file__).parents[2])]


def read_in(place: Path) -> list[Record]:
    with closing(Directory(str(place))) as directory:
        return read(directory)


@pytest.mark.slow
def test_synced_records_survive_a_kill(tmp_path: Path) -> None:
    place = tmp_path / "state"
    pipe = subprocess.PIPE
    with subprocess.Popen(writer_in(place), stdin=pipe, stdout=pipe) as child:
        assert child.stdout is not None
        assert [child.stdout.readline() for _ in range(2)] == [b"begun\n", b"synced\n"]
        child.send_signal(signal.SIGKILL)

    assert len(read_in(place)) == 4


@in_loop
async def test_files_of_a_moment_have_what_was_synced(directory: Directory, tmp_path: Path) -> None:
    journal = opened(directory)
    await write_all(journal)

    shutil.copytree(directory.path, tmp_path / "copy")
    journal.close()

    assert len(read_in(tmp_path / "copy")) == 4


@in_loop
async def test_written_release_survives_a_kill(directory: Directory, tmp_path: Path) -> None:
    journal = opened(directory)
    await write_all(journal)
    for record in (LOCKS[0], SHARE):
        journal.remove(record)

    await journal.written()

    shutil.copytree(directory.path, tmp_path / "copy")
    journal.close()
    assert read_in(tmp_path / "copy") == LOCKS[1:]


@in_loop
async def test_torn_log_loses_only_its_end(directory: Directory, tmp_path: Path) -> None:
    journal = opened(directory)
    for record in LOCKS:
        journal.put(record)
        await journal.synced()
    copy = tmp_path / "copy"
    shutil.copytree(directory.path, copy)
    journal.close()
    wal = copy / f"{JOURNAL_FILE}-wal"
    os.truncate(wal, wal.stat().st_size - 100)

    assert read_in(copy) == LOCKS[:2]


@in_loop
async def test_many_calls_share_a_transaction(directory: Directory) -> None:
    journal, transactions = opened(directory), list[object]()
    for number in range(100):
        journal.put(RecordedLock(FILE, lock(0, number * 2, number * 2 + 1)))
        transactions.append(journal.write())
    await journal.synced()
    journal.close()

    assert len({id(each) for each in transactions}) <= 2
    assert len(read(directory)) == 100


@in_loop
async def test_nothing_to_write_is_not_waited_for(directory: Directory) -> None:
    journal = opened(directory)

    assert journal.write() is None
    await journal.synced()
    journal.close()


@in_loop
async def test_journal_without_directory_keeps_nothing() -> None:
    journal = LockJournal(None)
    assert loaded(journal) == ([], True)

    journal.put(LOCKS[0])
    await journal.synced()
    journal.close()


def long_lock(number: int) -> RecordedLock:
    """A record of more than 1,000 bytes."""
    owner = OWNERS[0]._replace(oh=b"%d" % number + bytes(1000))
    return RecordedLock(FILE, Lock(owner, ByteRange(0, 10), exclusive=False))


@pytest.mark.slow
@in_loop
async def test_full_disk_fails_and_keeps_the_rest(directory: Directory) -> None:
    journal = opened(directory, most_pages=32)
    await write_all(journal)
    journal.everything = lambda: [*LOCKS, SHARE]

    for number in range(200):
        journal.put(long_lock(number))
    with pytest.raises(OSError, match="No space left on device"):
        await journal.synced()

    assert journal.fault.startswith("locks cannot be kept: No space left")
    journal.close()
    assert len(read(directory)) == 4


@in_loop
async def test_everything_is_written_after_a_failure(directory: Directory) -> None:
    clock = ManualClock()
    journal = opened(directory, most_pages=32, clock=clock)
    for number in range(200):
        journal.put(long_lock(number))
    with pytest.raises(OSError, match="No space"):
        await journal.synced()
    journal.everything = lambda: LOCKS

    with pytest.raises(OSError, match="No space"):
        await journal.synced()
    clock.advance(RETRY)
    await journal.synced()

    assert journal.fault == ""
    journal.close()
    assert sorted(read(directory)) == sorted(LOCKS)


def spoil_header(path: Path) -> None:
    path.write_bytes(b"not a database" * 1000)


def make_foreign(path: Path) -> None:
    path.unlink()
    with sqlite3.connect(path) as database:
        database.execute("CREATE TABLE recipes (name TEXT)")
    database.close()
    path.chmod(0o600)


def make_newer(path: Path) -> None:
    with sqlite3.connect(path) as database:
        database.execute("PRAGMA user_version = 99")
    database.close()


def open_to_others(path: Path) -> None:
    path.chmod(0o644)


def add_row_of_texts(path: Path) -> None:
    with sqlite3.connect(path) as database:
        database.execute("INSERT INTO locks VALUES ('z','z','z','z','z','z','z','z','z')")
    database.close()


SPOILERS = [spoil_header, make_foreign, make_newer, open_to_others, add_row_of_texts]


@pytest.mark.slow
@pytest.mark.parametrize("spoil", SPOILERS)
def test_damaged_file_is_set_aside_with_one_line(
    spoil: Callable[[Path], None], directory: Directory, caplog: pytest.LogCaptureFixture
) -> None:
    life(directory, write_all)
    path = Path(directory.path) / JOURNAL_FILE
    spoil(path)

    async def act() -> None:
        journal = LockJournal(directory)
        _, complete = loaded(journal)
        assert not complete
        journal.put(RecordedLock(LockedFile(2, b"new"), lock(3)))
        await journal.synced()
        journal.close()

    with caplog.at_level(logging.ERROR, "oncrpc.nfs"):
        run(act())

    assert len(caplog.records) == 1
    assert path.with_name(f"{JOURNAL_FILE}.corrupt").exists()
    assert RecordedLock(LockedFile(2, b"new"), lock(3)) in read(directory)


def test_rows_before_a_damaged_one_are_kept(directory: Directory) -> None:
    life(directory, write_all)
    add_row_of_texts(Path(directory.path) / JOURNAL_FILE)

    journal = LockJournal(directory)
    records, _ = loaded(journal)
    journal.close()

    assert sorted(records) == sorted(LOCKS)
    assert sorted(read(directory)) == sorted(LOCKS)


def test_journal_in_use_is_left_alone(directory: Directory) -> None:
    first, second = opened(directory), LockJournal(directory)

    assert loaded(second) == ([], False)

    assert second.fault
    assert os.listdir(directory.path).count(f"{JOURNAL_FILE}.corrupt") == 0
    first.close()
    second.close()


@pytest.mark.slow
def test_transaction_is_on_disk_before_synced_returns(tmp_path: Path) -> None:
    """strace shows that a sync of the log comes between the change and its answer."""
    if shutil.which("strace") is None:
        pytest.skip("strace is not installed")
    trace, calls = tmp_path / "trace", "trace=fsync,fdatasync,pwrite64,write"
    command = ["strace", "-f", "-y", "-o", str(trace), "-e", calls, *writer_in(tmp_path / "state")]

    subprocess.run(command, check=True, capture_output=True, timeout=60, input=b"")

    _, _, after = trace.read_text().partition("begun")
    between, _, _ = after.partition("synced")
    log_calls = [line for line in between.splitlines() if f"{JOURNAL_FILE}-wal>" in line]
    assert "sync(" in log_calls[-1]
    assert any("pwrite64" in line for line in log_calls)


@in_loop
async def test_changes_while_everything_is_written_are_kept(directory: Directory) -> None:
    journal = opened(directory)
    journal.everything = lambda: LOCKS[:1]
    journal.write_everything()
    written = journal.write()
    await asyncio.sleep(0)

    journal.put(LOCKS[1])
    assert written is not None
    assert await written is None
    await journal.stop()
    journal.close()

    assert read(directory) == LOCKS[:2]


@in_loop
async def test_changes_are_written_soon_without_waiting(directory: Directory) -> None:
    journal = opened(directory)
    journal.put(LOCKS[0])
    journal.write_soon()

    def is_written() -> bool:
        return (Path(directory.path) / f"{JOURNAL_FILE}-wal").stat().st_size > size

    size = (Path(directory.path) / f"{JOURNAL_FILE}-wal").stat().st_size
    await until(is_written)
    await journal.stop()
    journal.close()

    assert read(directory) == LOCKS[:1]


@in_loop
async def test_settle_writes_all_that_is_pending(directory: Directory) -> None:
    journal = opened(directory)
    journal.put(LOCKS[0])
    journal.write()
    await asyncio.sleep(0)
    journal.put(LOCKS[1])

    journal.settle()

    shutil.copytree(directory.path, f"{directory.path}-copy")
    assert read_in(Path(f"{directory.path}-copy")) == LOCKS[:2]
    await journal.stop()
    journal.close()
