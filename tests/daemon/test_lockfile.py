"""The file of the lock: who holds it, and what became of what was asked."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

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


def test_what_is_written_is_read_and_the_first_line_is_the_process(tmp_path: Path) -> None:
    path = written(tmp_path / "lock", me("a much longer text"), me())

    assert pidfile.read(path) == me()
    assert Path(path).read_text().splitlines()[0] == str(os.getpid())


def test_a_text_of_several_lines_is_one_line_and_a_long_one_is_cut(tmp_path: Path) -> None:
    path = written(tmp_path / "lock", me("not restarted:\n" + "x" * 5000))

    found = pidfile.read(path)

    assert found is not None
    assert found.said.startswith("not restarted: xxx")
    assert os.path.getsize(path) <= pidfile.LONGEST + 1


@pytest.mark.parametrize("text", ["", "12\n", "12\n3 4\n", "x\n1 2 3 serving\n", "\xff\n"])
def test_a_file_that_says_nothing_of_the_kind_names_nobody(tmp_path: Path, text: str) -> None:
    path = tmp_path / "lock"
    path.write_text(text)

    assert pidfile.read(str(path)) is None


def test_who_has_let_go_is_not_named(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    written(path, me())
    with path.open("r+b") as file:
        pidfile.clear([file.fileno()])

    assert pidfile.read(str(path)) is None


def test_what_is_no_file_is_not_written_to() -> None:
    reading, writing = os.pipe()
    pidfile.write([writing], me())
    os.close(writing)

    assert os.read(reading, 1) == b""
    os.close(reading)


def test_another_process_of_that_number_is_not_taken_for_the_holder() -> None:
    assert me().alive
    assert not me()._replace(started=1).alive
    assert not Holder(2**30, 1, 1, 0, SERVING).alive


def test_the_lock_tells_whether_the_file_speaks_of_its_holder(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    with path.open("w") as file:
        assert not pidfile.is_locked_by(str(path), os.getpid())
        fcntl.flock(file, fcntl.LOCK_EX)

        assert pidfile.is_locked_by(str(path), os.getpid())
        assert not pidfile.is_locked_by(str(path), os.getppid())


def test_where_the_kernel_does_not_list_locks_the_file_is_believed(
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


def test_a_lock_that_cannot_be_opened_is_named(tmp_path: Path) -> None:
    with pytest.raises(StartError, match=r"no such file or directory; make that directory, or run"):
        take(str(tmp_path / "gone" / "lock"), "port mapper", REMEDY)
    with pytest.raises(StartError, match=r"is a directory; remove what is there, or run"):
        take(str(tmp_path), "port mapper", REMEDY)


def test_a_lock_that_is_a_pipe_does_not_hang_the_start(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    os.mkfifo(path)

    os.close(take(str(path), "port mapper", REMEDY))


def test_nobody_else_can_open_the_lock_and_so_hold_it(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    path.touch(0o444)

    os.close(take(str(path), "port mapper", REMEDY))

    assert path.stat().st_mode & 0o777 == 0o600
