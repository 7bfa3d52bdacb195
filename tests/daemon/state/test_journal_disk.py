"""The registry on disk: full disks, the end, and random orders of events."""

from __future__ import annotations

import errno
import os
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from oncrpc.daemon.state import journal as store
from oncrpc.daemon.state.directory import Directory
from oncrpc.daemon.state.journal import JOURNAL, SNAPSHOT, TRY_AGAIN
from oncrpc.daemon.state.records import TableOperation, header
from oncrpc.portmap.registry import SUPERUSER
from oncrpc.portmap.store import FORM
from oncrpc.programs.rpcb import rpcb
from support.callers import registered
from support.stored_registry import BOOT, FIRST, PREFIXES, SECOND, THIRD, Kept, found, kept, put


@pytest.mark.parametrize("room", [0, 1, 12, 60])
def test_full_disk_refuses_changes_and_applies_none(
    tmp_path: Path, room: int, caplog: pytest.LogCaptureFixture
) -> None:
    with kept(tmp_path) as made:
        for entry in (FIRST, SECOND):
            assert made.registry.set(entry)
        generation = made.registry.generation

        changes: list[Callable[[], bool]] = [
            lambda: made.registry.set(THIRD),
            lambda: made.registry.unset(400001, 1, (b"",), owner=SUPERUSER),
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
                FORM.change(number, TableOperation.SET, [entry])
                for number, entry in enumerate((FIRST, SECOND, THIRD), 1)
            ),
        ]
    )


def test_partial_record_is_removed_before_next_change(
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
    """The changes in the journal, read while it is open for writing."""
    contents = FORM.read((path / JOURNAL).read_bytes())
    return [entry for change in contents.changes for entry in change.entries]


def test_disk_full_at_start_refuses_until_room(
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
def test_failed_snapshot_leaves_the_journal(tmp_path: Path, room: int) -> None:
    with kept(tmp_path) as made:
        for number in range(5):
            assert made.registry.set(registered(number, 1))
        made.disk.room = room
        made.store.begin()
        made.disk.room = None
        assert made.registry.set(FIRST)

    assert [entry.r_prog for entry in found(tmp_path) or ()] == [0, 1, 2, 3, 4, 400001]
    assert sorted(os.listdir(tmp_path)) == [JOURNAL, SNAPSHOT]


def test_file_never_exceeds_the_readable_length(
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
    """Random changes, compactions, ends and full disks: the files always hold the registry."""

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
        self.kept.registry.unset(prog, 1, (netid.encode(),), owner=owner.encode())

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
        self.kept.store.directory.close()
        beside = Kept(self.folder.name)
        try:
            assert beside.store.load() == list(self.kept.registry)
        finally:
            beside.store.close()
        self.kept.store.directory = Directory(self.folder.name, write=self.kept.disk.write)


KeptOverTime.TestCase.settings = settings(max_examples=30, stateful_step_count=30, deadline=None)
TestKeptOverTime = pytest.mark.slow(KeptOverTime.TestCase)


@settings(max_examples=50, deadline=None)
@given(data=st.binary(max_size=300), which=st.sampled_from([SNAPSHOT, JOURNAL]))
def test_store_starts_with_any_file_content(data: bytes, which: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        put(Path(folder), *((data, None) if which == SNAPSHOT else (None, data)))

        with kept(Path(folder)) as made:
            assert made.registry.set(FIRST)
