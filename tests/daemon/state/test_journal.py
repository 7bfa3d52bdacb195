"""The registry on disk: the content after every kind of end and of damage."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from oncrpc.daemon.state import directory as statedir
from oncrpc.daemon.state import records
from oncrpc.daemon.state.directory import MAX_FILE
from oncrpc.daemon.state.journal import JOURNAL, LEAST_JOURNAL, SNAPSHOT
from oncrpc.daemon.state.records import header
from oncrpc.portmap.registry import SUPERUSER
from oncrpc.portmap.store import FORM
from support.callers import registered
from support.stored_registry import (
    BOOT,
    FIRST,
    LAST_BOOT,
    PREFIXES,
    SECOND,
    THIRD,
    found,
    kept,
    make_history,
    put,
)


def test_missing_files_differ_from_an_empty_registry(tmp_path: Path) -> None:
    assert found(tmp_path) is None

    with kept(tmp_path):
        pass

    assert found(tmp_path) == []


def test_registrations_return_with_owners_and_in_order(tmp_path: Path) -> None:
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
        assert made.registry.unset(1, 1, (b"",), owner=SUPERUSER)

        data = (tmp_path / JOURNAL).read_bytes()

    assert [len(change.entries) for change in FORM.read(data).changes] == [1, 1, 2]
    assert before < size < len(data)
    assert found(tmp_path) == []


def test_change_without_effect_is_not_written(tmp_path: Path) -> None:
    with kept(tmp_path) as made:
        assert made.registry.set(FIRST)
        size = (tmp_path / JOURNAL).stat().st_size

        assert made.registry.set(FIRST)
        assert not made.registry.set(registered(400001, 1, uaddr="0.0.0.0.8.9"))
        assert made.registry.unset(5, 5, (b"",), owner=SUPERUSER)
        assert not made.registry.unset(400001, 1, (b"",), owner=b"103")
        assert not made.registry.drop(SECOND)

        assert (tmp_path / JOURNAL).stat().st_size == size


def test_a_boot_ends_all_registrations(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    with kept(tmp_path, LAST_BOOT) as made:
        assert made.registry.set(FIRST)

    with kept(tmp_path) as made:
        assert list(made.registry) == []
        assert made.registry.set(SECOND)

    assert caplog.text.count("is of an earlier boot, and ignored") == 2
    assert found(tmp_path) == [SECOND]


def test_files_are_readable_by_owner_only(tmp_path: Path) -> None:
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


def test_truncated_journal_gives_a_prefix_of_history(
    tmp_path: Path, written: tuple[bytes, bytes]
) -> None:
    snapshot, journal = written
    first = len(header(BOOT, 3))
    for size in range(first, len(journal)):
        put(tmp_path, snapshot, journal[:size])

        assert found(tmp_path) in PREFIXES[3:]
        assert not (tmp_path / "journal.corrupt").exists()


def test_torn_tail_is_cut_off_and_logged(
    tmp_path: Path, written: tuple[bytes, bytes], caplog: pytest.LogCaptureFixture
) -> None:
    put(tmp_path, written[0], written[1][:-1])

    with kept(tmp_path) as made:
        assert list(made.registry) == PREFIXES[-2]
        assert made.registry.set(registered(1, 1))

    assert "journal ends within a record: that change is cut off" in caplog.text
    assert found(tmp_path) == [*PREFIXES[-2], registered(1, 1)]


def test_damaged_journal_gives_prefix_and_backup(
    tmp_path: Path, written: tuple[bytes, bytes]
) -> None:
    snapshot, journal = written
    for at in range(len(journal)):
        damaged = bytearray(journal)
        damaged[at] ^= 0x41
        put(tmp_path, snapshot, bytes(damaged))

        assert found(tmp_path) in PREFIXES[3:]
        assert (tmp_path / "journal.corrupt").read_bytes() == damaged


def test_damaged_snapshot_leaves_the_journal(tmp_path: Path, written: tuple[bytes, bytes]) -> None:
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


def test_missing_snapshot_is_logged(
    tmp_path: Path, written: tuple[bytes, bytes], caplog: pytest.LogCaptureFixture
) -> None:
    put(tmp_path, None, written[1])

    assert found(tmp_path) == [THIRD, FIRST]
    assert "a snapshot is missing; what it held is lost" in caplog.text


def test_damage_is_logged_once_and_repaired(
    tmp_path: Path, written: tuple[bytes, bytes], caplog: pytest.LogCaptureFixture
) -> None:
    damaged = bytearray(written[1])
    damaged[-1] ^= 1
    put(tmp_path, written[0], bytes(damaged))

    with kept(tmp_path) as made:
        assert list(made.registry) == PREFIXES[-2]
    assert "what precedes it is used; set aside as journal.corrupt" in caplog.text
    caplog.clear()

    assert found(tmp_path) == PREFIXES[-2]
    assert caplog.text == ""


def test_crash_after_damage_loses_nothing_more(
    tmp_path: Path, written: tuple[bytes, bytes]
) -> None:
    damaged = bytearray(written[1])
    damaged[-1] ^= 1
    put(tmp_path, written[0], bytes(damaged))

    assert found(tmp_path) == PREFIXES[-2]
    assert found(tmp_path) == PREFIXES[-2]


def test_damaged_file_is_renamed_without_hard_links(
    tmp_path: Path, written: tuple[bytes, bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    def none(*_: object, **__: object) -> None:
        raise OSError(errno.EPERM, os.strerror(errno.EPERM))

    monkeypatch.setattr(statedir.os, "link", none)  # type: ignore[attr-defined]  # os
    put(tmp_path, written[0], written[1][:-1] + b"x")

    assert found(tmp_path) == PREFIXES[-2]
    assert sorted(os.listdir(tmp_path)) == ["journal.corrupt", SNAPSHOT]


def test_future_format_is_refused_and_set_aside(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    with kept(tmp_path) as made, monkeypatch.context() as future:
        future.setattr(records, "VERSION", 2)
        made.store.begin()

    assert found(tmp_path) is None
    assert "format has version 2, and this program reads only 1" in caplog.text
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
def test_file_of_uncertain_origin_is_set_aside(
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


def test_failure_to_set_aside_is_logged(
    tmp_path: Path, written: tuple[bytes, bytes], caplog: pytest.LogCaptureFixture
) -> None:
    put(tmp_path, written[0], b"junk")
    (tmp_path / "journal.corrupt").mkdir()
    (tmp_path / "journal.corrupt" / "full").touch()

    with kept(tmp_path) as made:
        assert made.registry.set(registered(1, 1))

    assert "it has no header; it cannot be set aside" in caplog.text
    assert found(tmp_path) == [*PREFIXES[3], registered(1, 1)]


def test_leftover_new_file_of_crash_is_replaced(tmp_path: Path) -> None:
    (tmp_path / "snapshot.new").write_bytes(b"half")

    with kept(tmp_path) as made:
        assert made.registry.set(FIRST)

    assert sorted(os.listdir(tmp_path)) == [JOURNAL, SNAPSHOT]
    assert found(tmp_path) == [FIRST]
