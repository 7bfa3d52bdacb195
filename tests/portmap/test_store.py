"""The registry on disk: what is read again after every kind of end, and after every damage."""

from __future__ import annotations

import errno
import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from oncrpc.portmap import statedir, statefile, store
from oncrpc.portmap.registry import SUPERUSER, Operation, Registry
from oncrpc.portmap.statedir import MAX_FILE, Directory
from oncrpc.portmap.statefile import header
from oncrpc.portmap.store import JOURNAL, LEAST_JOURNAL, SNAPSHOT, TRY_AGAIN, Store
from oncrpc.programs.rpcb import rpcb
from oncrpc.testing import ManualClock

from .callers import registered

BOOT, LAST_BOOT = b"this boot", b"the last boot"
FIRST = registered(400001, 1)
SECOND = registered(400002, 1, "udp", "0.0.0.0.8.2", "103")
THIRD = registered(400003, 1, "local", "/run/three", "unknown")
HISTORY: list[tuple[Operation, list[rpcb]]] = [
    (Operation.SET, [FIRST]),
    (Operation.SET, [SECOND]),
    (Operation.UNSET, [FIRST]),
    (Operation.SET, [THIRD]),
    (Operation.SET, [FIRST]),
    (Operation.UNSET, [SECOND]),
]


class Disk:
    """In place of write(2): a disk with so much room."""

    def __init__(self, room: int | None = None) -> None:
        self.room = room

    def write(self, descriptor: int, data: bytes) -> int:
        if self.room is None:
            return os.write(descriptor, data)
        if self.room == 0:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        taken = data[: self.room]
        self.room -= len(taken)
        return os.write(descriptor, taken)


class Kept:
    """A registry that is kept in a directory, and the disk below."""

    def __init__(self, path: str, boot: bytes = BOOT) -> None:
        self.registry, self.disk, self.clock = Registry(), Disk(), ManualClock()
        self.store = Store(
            path,
            lambda: iter(self.registry),
            boot=boot,
            write=self.disk.write,
            clock=self.clock,
        )

    def start(self) -> list[rpcb] | None:
        """As the daemon does it."""
        found = self.store.load()
        for entry in found or ():
            assert self.registry.set(entry)
        self.store.begin()
        self.registry.journal = self.store.append
        return found


@contextmanager
def kept(path: Path, boot: bytes = BOOT) -> Iterator[Kept]:
    """A registry that goes on from what is in the directory, and ends like a killed one."""
    path.chmod(0o700)
    made = Kept(str(path), boot)
    made.start()
    try:
        yield made
    finally:
        made.store.close()


def found(path: Path, boot: bytes = BOOT) -> list[rpcb] | None:
    """What would be restored."""
    path.chmod(0o700)
    made = Kept(str(path), boot)
    try:
        return made.store.load()
    finally:
        made.store.close()


def after(count: int) -> list[rpcb]:
    """What is registered after so many changes of the history."""
    table: dict[int, rpcb] = {}
    for operation, entries in HISTORY[:count]:
        for entry in entries:
            table.pop(entry.r_prog, None)
            if operation is Operation.SET:
                table[entry.r_prog] = entry
    return list(table.values())


def make_history(registry: Registry) -> None:
    """Make the changes of the history."""
    for operation, entries in HISTORY:
        for entry in entries:
            if operation is Operation.SET:
                assert registry.set(entry)
            else:
                assert registry.drop(entry)


PREFIXES = [after(count) for count in range(len(HISTORY) + 1)]


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> tuple[bytes, bytes]:
    """A snapshot of the third change, and a journal of the others."""
    path = tmp_path_factory.mktemp("written")
    with kept(path) as made:
        for _, entries in HISTORY[:2]:
            assert made.registry.set(entries[0])
        assert made.registry.drop(FIRST)
        made.store.begin()
        for operation, entries in HISTORY[3:]:
            if operation is Operation.SET:
                assert made.registry.set(entries[0])
            else:
                assert made.registry.drop(entries[0])
    return (path / SNAPSHOT).read_bytes(), (path / JOURNAL).read_bytes()


def put(path: Path, snapshot: bytes | None, journal: bytes | None) -> None:
    """Files as a daemon may find them."""
    for name, data in ((SNAPSHOT, snapshot), (JOURNAL, journal)):
        (path / name).unlink(missing_ok=True)
        (path / (name + ".corrupt")).unlink(missing_ok=True)
        if data is not None:
            (path / name).write_bytes(data)
            (path / name).chmod(0o600)


def test_nothing_is_not_the_same_as_an_empty_registry(tmp_path: Path) -> None:
    assert found(tmp_path) is None

    with kept(tmp_path):
        pass

    assert found(tmp_path) == []


def test_what_was_registered_is_found_with_its_owners_and_in_order(tmp_path: Path) -> None:
    with kept(tmp_path) as made:
        make_history(made.registry)

        assert list(made.registry) == [THIRD, FIRST]

    assert found(tmp_path) == [THIRD, FIRST]


def test_an_unset_of_every_transport_is_one_change(tmp_path: Path) -> None:
    with kept(tmp_path) as made:
        before = (tmp_path / JOURNAL).stat().st_size
        for netid in ("tcp", "udp"):
            assert made.registry.set(registered(1, 1, netid))
        size = (tmp_path / JOURNAL).stat().st_size
        assert made.registry.unset(1, 1, b"", SUPERUSER)

        data = (tmp_path / JOURNAL).read_bytes()

    assert [len(change.entries) for change in statefile.read(data).changes] == [1, 1, 2]
    assert before < size < len(data)
    assert found(tmp_path) == []


def test_what_changes_nothing_is_not_written(tmp_path: Path) -> None:
    with kept(tmp_path) as made:
        assert made.registry.set(FIRST)
        size = (tmp_path / JOURNAL).stat().st_size

        assert made.registry.set(FIRST)
        assert not made.registry.set(registered(400001, 1, uaddr="0.0.0.0.8.9"))
        assert made.registry.unset(5, 5, b"", SUPERUSER)
        assert not made.registry.unset(400001, 1, b"", b"103")
        assert not made.registry.drop(SECOND)

        assert (tmp_path / JOURNAL).stat().st_size == size


def test_a_boot_ends_all_registrations(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    with kept(tmp_path, LAST_BOOT) as made:
        assert made.registry.set(FIRST)

    with kept(tmp_path) as made:
        assert list(made.registry) == []
        assert made.registry.set(SECOND)

    assert caplog.text.count("is of an earlier boot, and forgotten") == 2
    assert found(tmp_path) == [SECOND]


def test_the_files_are_for_nobody_else(tmp_path: Path) -> None:
    with kept(tmp_path):
        modes = {path.name: path.stat().st_mode & 0o777 for path in tmp_path.iterdir()}

    assert modes == {SNAPSHOT: 0o600, JOURNAL: 0o600}


def test_a_long_journal_becomes_a_snapshot(tmp_path: Path) -> None:
    with kept(tmp_path) as made:
        assert made.registry.set(SECOND)
        longest = 0
        for _ in range(1200):
            assert made.registry.set(FIRST)
            assert made.registry.drop(FIRST)
            longest = max(longest, (tmp_path / JOURNAL).stat().st_size)

        assert LEAST_JOURNAL < longest < LEAST_JOURNAL + 1000
        assert (tmp_path / JOURNAL).stat().st_size < LEAST_JOURNAL

    assert found(tmp_path) == [SECOND]


def test_the_changes_after_a_snapshot_are_read_too(
    tmp_path: Path, written: tuple[bytes, bytes]
) -> None:
    put(tmp_path, *written)

    assert found(tmp_path) == PREFIXES[-1]


def test_a_crash_between_snapshot_and_journal_changes_nothing(
    tmp_path: Path, written: tuple[bytes, bytes]
) -> None:
    put(tmp_path, *written)
    with kept(tmp_path):
        pass

    (tmp_path / JOURNAL).write_bytes(written[1])

    assert found(tmp_path) == PREFIXES[-1]


def test_every_truncation_of_the_journal_gives_a_prefix_of_history(
    tmp_path: Path, written: tuple[bytes, bytes]
) -> None:
    snapshot, journal = written
    first = len(header(BOOT, 3))
    for size in range(first, len(journal)):
        put(tmp_path, snapshot, journal[:size])

        assert found(tmp_path) in PREFIXES[3:]
        assert not (tmp_path / "journal.corrupt").exists()


def test_a_torn_tail_is_cut_off_and_told(
    tmp_path: Path, written: tuple[bytes, bytes], caplog: pytest.LogCaptureFixture
) -> None:
    put(tmp_path, written[0], written[1][:-1])

    with kept(tmp_path) as made:
        assert list(made.registry) == PREFIXES[-2]
        assert made.registry.set(registered(1, 1))

    assert "journal ends within a record: that change is cut off" in caplog.text
    assert found(tmp_path) == [*PREFIXES[-2], registered(1, 1)]


def test_every_damaged_byte_of_the_journal_gives_a_prefix_and_a_file_set_aside(
    tmp_path: Path, written: tuple[bytes, bytes]
) -> None:
    snapshot, journal = written
    for at in range(len(journal)):
        damaged = bytearray(journal)
        damaged[at] ^= 0x41
        put(tmp_path, snapshot, bytes(damaged))

        assert found(tmp_path) in PREFIXES[3:]
        assert (tmp_path / "journal.corrupt").read_bytes() == damaged


def test_every_damaged_byte_of_the_snapshot_leaves_the_journal(
    tmp_path: Path, written: tuple[bytes, bytes]
) -> None:
    snapshot, journal = written
    for at in range(len(snapshot)):
        damaged = bytearray(snapshot)
        damaged[at] ^= 0x41
        put(tmp_path, bytes(damaged), journal)

        assert found(tmp_path) == [THIRD, FIRST]
        assert (tmp_path / "snapshot.corrupt").read_bytes() == damaged


def test_every_truncation_of_the_snapshot_leaves_the_journal(
    tmp_path: Path, written: tuple[bytes, bytes]
) -> None:
    snapshot, journal = written
    for size in range(len(snapshot)):
        put(tmp_path, snapshot[:size], journal)

        assert found(tmp_path) == [THIRD, FIRST]
        assert (tmp_path / "snapshot.corrupt").exists()


def test_a_missing_snapshot_is_told(
    tmp_path: Path, written: tuple[bytes, bytes], caplog: pytest.LogCaptureFixture
) -> None:
    put(tmp_path, None, written[1])

    assert found(tmp_path) == [THIRD, FIRST]
    assert "a snapshot is missing; what it held is lost" in caplog.text


def test_damage_is_told_once_and_the_next_start_finds_whole_files(
    tmp_path: Path, written: tuple[bytes, bytes], caplog: pytest.LogCaptureFixture
) -> None:
    damaged = bytearray(written[1])
    damaged[-1] ^= 1
    put(tmp_path, written[0], bytes(damaged))

    with kept(tmp_path) as made:
        assert list(made.registry) == PREFIXES[-2]
    assert "what precedes is kept; set aside as journal.corrupt" in caplog.text
    caplog.clear()

    assert found(tmp_path) == PREFIXES[-2]
    assert caplog.text == ""


def test_a_crash_after_damage_was_found_loses_nothing_more(
    tmp_path: Path, written: tuple[bytes, bytes]
) -> None:
    damaged = bytearray(written[1])
    damaged[-1] ^= 1
    put(tmp_path, written[0], bytes(damaged))

    assert found(tmp_path) == PREFIXES[-2]
    assert found(tmp_path) == PREFIXES[-2]


def test_where_files_cannot_have_two_names_a_damaged_one_is_renamed(
    tmp_path: Path, written: tuple[bytes, bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    def none(*_: object, **__: object) -> None:
        raise OSError(errno.EPERM, os.strerror(errno.EPERM))

    monkeypatch.setattr(statedir.os, "link", none)  # type: ignore[attr-defined]  # os
    put(tmp_path, written[0], written[1][:-1] + b"x")

    assert found(tmp_path) == PREFIXES[-2]
    assert sorted(os.listdir(tmp_path)) == ["journal.corrupt", SNAPSHOT]


def test_a_format_of_the_future_is_refused_and_set_aside(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    with kept(tmp_path) as made, monkeypatch.context() as future:
        future.setattr(statefile, "VERSION", 2)
        made.store.begin()

    assert found(tmp_path) is None
    assert "format has version 2, and this program knows 1 only" in caplog.text
    assert {path.name for path in tmp_path.iterdir()} == {"snapshot.corrupt", "journal.corrupt"}


def _link(path: Path) -> None:
    path.rename(path.with_suffix(".real"))
    path.symlink_to(path.with_suffix(".real"))


def _pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path, 0o600)


def _directory(path: Path) -> None:
    path.unlink()
    path.mkdir()


def _open_to_others(path: Path) -> None:
    path.chmod(0o644)


def _too_long(path: Path) -> None:
    os.truncate(path, MAX_FILE + 1)


@pytest.mark.parametrize("spoil", [_link, _pipe, _directory, _open_to_others, _too_long])
def test_a_file_that_is_not_surely_ours_is_set_aside(
    tmp_path: Path,
    written: tuple[bytes, bytes],
    spoil: Callable[[Path], None],
    caplog: pytest.LogCaptureFixture,
) -> None:
    put(tmp_path, *written)
    spoil(tmp_path / JOURNAL)

    with kept(tmp_path) as made:
        assert list(made.registry) == PREFIXES[3]

    assert "set aside as journal.corrupt" in caplog.text
    assert os.path.lexists(tmp_path / "journal.corrupt")
    assert found(tmp_path) == PREFIXES[3]


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to give a file away")
def test_somebody_elses_file_is_set_aside(
    tmp_path: Path, written: tuple[bytes, bytes], caplog: pytest.LogCaptureFixture
) -> None:
    put(tmp_path, *written)
    os.chown(tmp_path / JOURNAL, 12345, 12345)

    assert found(tmp_path) == PREFIXES[3]
    assert "it belongs to uid 12345; set aside as journal.corrupt" in caplog.text


def test_a_file_that_cannot_be_set_aside_is_told_and_replaced(
    tmp_path: Path, written: tuple[bytes, bytes], caplog: pytest.LogCaptureFixture
) -> None:
    put(tmp_path, written[0], b"junk")
    (tmp_path / "journal.corrupt").mkdir()
    (tmp_path / "journal.corrupt" / "full").touch()

    with kept(tmp_path) as made:
        assert made.registry.set(registered(1, 1))

    assert "it has no header; it cannot be set aside" in caplog.text
    assert found(tmp_path) == [*PREFIXES[3], registered(1, 1)]


def test_what_a_crash_left_of_a_new_file_is_replaced(tmp_path: Path) -> None:
    (tmp_path / "snapshot.new").write_bytes(b"half")

    with kept(tmp_path) as made:
        assert made.registry.set(FIRST)

    assert sorted(os.listdir(tmp_path)) == [JOURNAL, SNAPSHOT]
    assert found(tmp_path) == [FIRST]


@pytest.mark.parametrize("room", [0, 1, 12, 60])
def test_on_a_full_disk_a_change_is_refused_and_is_not_made(
    tmp_path: Path, room: int, caplog: pytest.LogCaptureFixture
) -> None:
    with kept(tmp_path) as made:
        for entry in (FIRST, SECOND):
            assert made.registry.set(entry)
        generation = made.registry.generation

        changes: list[Callable[[], bool]] = [
            lambda: made.registry.set(THIRD),
            lambda: made.registry.unset(400001, 1, b"", SUPERUSER),
            lambda: made.registry.drop(FIRST),
        ]
        for change in changes:
            made.disk.room = room
            with pytest.raises(OSError, match="No space left"):
                change()

        assert list(made.registry) == [FIRST, SECOND]
        assert made.registry.generation == generation
        assert "No space left on device; changes are refused until that works" in caplog.text
        made.disk.room = None
        assert made.registry.set(THIRD)

    assert found(tmp_path) == [FIRST, SECOND, THIRD]
    assert (tmp_path / JOURNAL).read_bytes() == b"".join(
        [
            header(BOOT, 0),
            *(
                statefile.change(number, Operation.SET, [entry])
                for number, entry in enumerate((FIRST, SECOND, THIRD), 1)
            ),
        ]
    )


def test_what_could_not_be_cut_off_at_once_is_cut_off_before_the_next_change(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(descriptor: int, size: int) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    with kept(tmp_path) as made:
        assert made.registry.set(FIRST)
        made.disk.room = 20
        with monkeypatch.context() as bad:
            bad.setattr(store.os, "ftruncate", broken)  # type: ignore[attr-defined]  # os
            with pytest.raises(OSError, match="Input/output error"):
                made.registry.set(SECOND)
            made.disk.room = None
            with pytest.raises(OSError, match="Input/output error"):
                made.registry.set(SECOND)

        assert found_beside(tmp_path) == [FIRST]
        assert made.registry.set(THIRD)

    assert found(tmp_path) == [FIRST, THIRD]


def found_beside(path: Path) -> list[rpcb]:
    """What the journal has, while it is written."""
    contents = statefile.read((path / JOURNAL).read_bytes())
    return [entry for change in contents.changes for entry in change.entries]


def test_a_disk_that_is_full_at_the_start_refuses_changes_until_there_is_room(
    tmp_path: Path, written: tuple[bytes, bytes]
) -> None:
    put(tmp_path, *written)
    tmp_path.chmod(0o700)
    made = Kept(str(tmp_path))
    made.disk.room = 0
    assert made.start() == PREFIXES[-1]
    made.disk.room = None

    with pytest.raises(OSError, match="the last attempt failed"):
        made.registry.set(registered(1, 1))
    made.clock.advance(TRY_AGAIN)
    assert made.registry.set(registered(1, 1))

    made.store.close()
    assert found(tmp_path) == [*PREFIXES[-1], registered(1, 1)]


@pytest.mark.parametrize("room", [0, 200, 700])
def test_a_snapshot_that_cannot_be_written_leaves_the_journal(tmp_path: Path, room: int) -> None:
    with kept(tmp_path) as made:
        for number in range(5):
            assert made.registry.set(registered(number, 1))
        made.disk.room = room
        made.store.begin()
        made.disk.room = None
        assert made.registry.set(FIRST)

    assert [entry.r_prog for entry in found(tmp_path) or ()] == [0, 1, 2, 3, 4, 400001]
    assert sorted(os.listdir(tmp_path)) == [JOURNAL, SNAPSHOT]


def test_a_file_is_never_longer_than_can_be_read_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with kept(tmp_path) as made:
        assert made.registry.set(FIRST)
        monkeypatch.setattr(store, "MAX_FILE", (tmp_path / JOURNAL).stat().st_size + 20)

        with pytest.raises(OSError, match="File too large"):
            made.registry.set(SECOND)

        assert list(made.registry) == [FIRST]


def test_after_the_end_a_change_is_refused(tmp_path: Path) -> None:
    with kept(tmp_path) as made:
        pass

    with pytest.raises(OSError, match="the last attempt failed"):
        made.registry.set(FIRST)


PROGRAMS, NETIDS = st.integers(1, 3), st.sampled_from(["tcp", "TCP", "udp"])
OWNERS = st.sampled_from(["superuser", "103"])


class KeptOverTime(RuleBasedStateMachine):
    """Any changes, compactions, ends and full disks: the files always hold the registry."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.kept = Kept(self.folder.name)
        self.kept.start()

    def teardown(self) -> None:
        self.kept.store.close()
        self.folder.cleanup()

    @rule(prog=PROGRAMS, netid=NETIDS, port=st.integers(1, 2), owner=OWNERS)
    def set(self, prog: int, netid: str, port: int, owner: str) -> None:
        self.kept.registry.set(registered(prog, 1, netid, f"0.0.0.0.8.{port}", owner))

    @rule(prog=PROGRAMS, netid=st.one_of(NETIDS, st.just("")), owner=OWNERS)
    def unset(self, prog: int, netid: str, owner: str) -> None:
        self.kept.registry.unset(prog, 1, netid.encode(), owner.encode())

    @rule()
    def compact(self) -> None:
        self.kept.store.begin()

    @rule(room=st.integers(0, 300))
    def compact_on_a_full_disk(self, room: int) -> None:
        self.kept.disk.room = room
        self.kept.store.begin()
        self.kept.disk.room = None

    @rule(prog=PROGRAMS, netid=NETIDS, room=st.integers(0, 60))
    def set_on_a_full_disk(self, prog: int, netid: str, room: int) -> None:
        before = list(self.kept.registry)
        self.kept.disk.room = room
        try:
            self.kept.registry.set(registered(prog, 1, netid))
        except OSError:
            assert list(self.kept.registry) == before
        self.kept.disk.room = None

    @rule()
    def restart(self) -> None:
        registered_before = list(self.kept.registry)
        self.kept.store.close()
        self.kept = Kept(self.folder.name)
        assert self.kept.start() == registered_before

    @invariant()
    def the_files_hold_the_registry(self) -> None:
        self.kept.store._directory.close()
        beside = Kept(self.folder.name)
        try:
            assert beside.store.load() == list(self.kept.registry)
        finally:
            beside.store.close()
        self.kept.store._directory = Directory(self.folder.name, write=self.kept.disk.write)


KeptOverTime.TestCase.settings = settings(max_examples=30, stateful_step_count=30, deadline=None)
TestKeptOverTime = KeptOverTime.TestCase


@settings(max_examples=50, deadline=None)
@given(data=st.binary(max_size=300), which=st.sampled_from([SNAPSHOT, JOURNAL]))
def test_whatever_a_file_holds_the_store_starts(data: bytes, which: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        put(Path(folder), *((data, None) if which == SNAPSHOT else (None, data)))

        with kept(Path(folder)) as made:
            assert made.registry.set(FIRST)
