"""The lock file: its holder, and the text that it contains."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path
from types import SimpleNamespace

import pytest

from oncrpc.daemon import lockfile as pidfile
from oncrpc.daemon.config.values import StartError
from oncrpc.daemon.lockfile import SERVING, Holder, take
from oncrpc.host.processes import started_at


def me(said: str = SERVING) -> Holder:
    started = started_at(os.getpid())
    assert started is not None
    return Holder(os.getpid(), started, 2, 5, said)


def written(path: Path, *holders: Holder) -> str:
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT)
    for holder in holders:
        pidfile.write([descriptor], holder)
    os.close(descriptor)
    return str(path)


def test_lock_file_begins_with_the_process_id(tmp_path: Path) -> None:
    path = written(tmp_path / "lock", me("a much longer text"), me())

    assert pidfile.read(path) == me()
    assert Path(path).read_text().splitlines()[0] == str(os.getpid())


def test_text_is_joined_and_cut_to_length(tmp_path: Path) -> None:
    path = written(tmp_path / "lock", me("restart failed:\n" + "x" * 5000))

    found = pidfile.read(path)

    assert found is not None
    assert found.said.startswith("restart failed: xxx")
    assert os.path.getsize(path) <= pidfile.LONGEST + 1


@pytest.mark.parametrize("text", ["", "12\n", "12\n3 4\n", "x\n1 2 3 serving\n", "\xff\n"])
def test_unrelated_file_names_no_holder(tmp_path: Path, text: str) -> None:
    path = tmp_path / "lock"
    path.write_text(text)

    assert pidfile.read(str(path)) is None


def test_cleared_lock_file_names_no_holder(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    written(path, me())
    with path.open("r+b") as file:
        pidfile.clear([file.fileno()])

    assert pidfile.read(str(path)) is None


def test_pipe_as_lock_file_is_not_written() -> None:
    reading, writing = os.pipe()
    pidfile.write([writing], me())
    os.close(writing)

    assert os.read(reading, 1) == b""
    os.close(reading)


def test_reused_process_id_is_not_the_holder() -> None:
    assert me().alive
    assert not me()._replace(started=1).alive
    assert not Holder(2**30, 1, 1, 0, SERVING).alive


def test_kernel_lock_confirms_the_named_holder(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    with path.open("w") as file:
        assert not pidfile.is_locked_by(str(path), os.getpid())
        fcntl.flock(file, fcntl.LOCK_EX)

        assert pidfile.is_locked_by(str(path), os.getpid())
        assert not pidfile.is_locked_by(str(path), os.getppid())


def test_without_kernel_list_the_file_is_believed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "lock"
    path.touch()
    monkeypatch.setattr(pidfile, "LOCKS", str(tmp_path / "nowhere"))

    assert pidfile.is_locked_by(str(path), os.getpid())


REMEDY = "with --no-local"


def test_the_lock_is_held_once(tmp_path: Path) -> None:
    path = str(tmp_path / "lock")
    held = take(path, "port mapper", REMEDY)

    with pytest.raises(StartError, match=r"already running \(it holds .*lock\); stop it first"):
        take(path, "port mapper", REMEDY)

    os.close(held)
    os.close(take(path, "port mapper", REMEDY))


def test_own_lock_file_is_removed(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    held = take(str(path), "port mapper", REMEDY)

    pidfile.remove(str(path), [held])
    pidfile.remove(str(path), [held])

    assert not path.exists()
    os.close(held)


def test_lock_file_of_another_daemon_stays(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    held = take(str(path), "port mapper", REMEDY)
    path.unlink()
    other = take(str(path), "port mapper", REMEDY)

    pidfile.remove(str(path), [held])

    assert path.exists()
    os.close(held)
    os.close(other)


def test_lock_removed_meanwhile_is_taken_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "lock"
    locked = []

    def flock(descriptor: int, operation: int) -> None:
        fcntl.flock(descriptor, operation)
        locked.append(descriptor)
        if len(locked) == 1:
            path.unlink()

    monkeypatch.setattr(pidfile, "fcntl", SimpleNamespace(**{**vars(fcntl), "flock": flock}))
    held = take(str(path), "port mapper", REMEDY)

    assert os.path.samestat(path.stat(), os.fstat(held))
    assert len(locked) == 2
    os.close(held)


def test_a_lock_that_cannot_be_opened_is_named(tmp_path: Path) -> None:
    with pytest.raises(StartError, match=r"no such file or directory; make that directory, or run"):
        take(str(tmp_path / "gone" / "lock"), "port mapper", REMEDY)
    with pytest.raises(StartError, match=r"is a directory; remove what is there, or run"):
        take(str(tmp_path), "port mapper", REMEDY)


def test_lock_path_that_is_a_pipe_never_blocks(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    os.mkfifo(path)

    os.close(take(str(path), "port mapper", REMEDY))


def test_other_users_cannot_open_the_lock(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    path.touch(0o444)

    os.close(take(str(path), "port mapper", REMEDY))

    assert path.stat().st_mode & 0o777 == 0o600
