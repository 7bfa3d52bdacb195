"""The daemon's process: its lock, its user, its descriptors."""

from __future__ import annotations

import errno
import os
import pwd
import resource
from pathlib import Path

import pytest

from oncrpc.daemon import privileges
from oncrpc.daemon import run as life
from oncrpc.daemon.config.values import Config, StartError
from oncrpc.daemon.run import take_lock
from support.passed_descriptors import Descriptors


def test_the_lock_is_held_once(tmp_path: Path) -> None:
    path = str(tmp_path / "lock")
    held = take_lock(path)

    with pytest.raises(StartError, match=r"already running \(it holds .*lock\); stop it first"):
        take_lock(path)

    os.close(held)
    os.close(take_lock(path))


def test_a_lock_that_cannot_be_opened_is_named(tmp_path: Path) -> None:
    with pytest.raises(StartError, match=r"no such file or directory; make that directory, or run"):
        take_lock(str(tmp_path / "gone" / "lock"))
    with pytest.raises(StartError, match=r"is a directory; remove what is there, or run"):
        take_lock(str(tmp_path))


def test_a_lock_that_is_a_pipe_does_not_hang_the_start(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    os.mkfifo(path)

    os.close(take_lock(str(path)))


def test_nobody_else_can_open_the_lock_and_so_hold_it(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    path.touch(0o444)

    os.close(take_lock(str(path)))

    assert path.stat().st_mode & 0o777 == 0o600


def user(name: str, number: int) -> pwd.struct_passwd:
    """An entry of passwd."""
    return pwd.struct_passwd((name, "x", number, number, "", "/", "/bin/false"))


class Process:
    """In place of our own: who runs it, and whom it became."""

    def __init__(self, uid: int, error: OSError | None = None) -> None:
        self.uid, self.error = uid, error
        self.became: list[int] = []

    def geteuid(self) -> int:
        return self.uid

    def drop(self, to: pwd.struct_passwd) -> None:
        if self.error is not None:
            raise self.error
        self.became.append(to.pw_uid)


def leave_root(
    monkeypatch: pytest.MonkeyPatch, process: Process, name: str | None, found: object
) -> None:
    """What the daemon does once its sockets are bound."""
    monkeypatch.setattr(life.os, "geteuid", process.geteuid)  # type: ignore[attr-defined]  # os
    monkeypatch.setattr(privileges, "user_of", lambda _: found)
    monkeypatch.setattr(privileges, "drop", process.drop)
    life._leave_root(Config(user=name))


def test_root_becomes_the_user(monkeypatch: pytest.MonkeyPatch) -> None:
    process = Process(0)

    leave_root(monkeypatch, process, None, user("_rpc", 102))

    assert process.became == [102]


def test_root_stays_root_if_that_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    process = Process(0)

    leave_root(monkeypatch, process, "root", user("root", 0))

    assert process.became == []


def test_where_there_is_no_user_to_become_that_is_said(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    leave_root(monkeypatch, Process(0), None, None)

    assert "going on as root" in caplog.text


def test_others_stay_who_they_are(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (None, "me"):
        process = Process(1000)
        leave_root(monkeypatch, process, name, user("me", 1000))
        assert process.became == []


def test_others_cannot_become_somebody_else(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(StartError, match="only root can become user 'you'"):
        leave_root(monkeypatch, Process(1000), "you", user("you", 1001))


def test_a_user_that_cannot_be_become_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    process = Process(0, OSError(errno.EPERM, "Operation not permitted"))

    with pytest.raises(StartError, match="cannot become user _rpc: Operation not permitted"):
        leave_root(monkeypatch, process, None, user("_rpc", 102))


def test_a_user_that_is_not_there_is_named() -> None:
    with pytest.raises(StartError, match="there is no user 'nobody-at-all'; see --user"):
        life._leave_root(Config(user="nobody-at-all"))


@pytest.mark.parametrize(
    ("soft", "hard", "raised"),
    [
        (1024, 524288, 8192),
        (1024, 4096, 4096),
        (1024, resource.RLIM_INFINITY, 8192),
        (20000, 20000, 20000),
        (resource.RLIM_INFINITY, resource.RLIM_INFINITY, resource.RLIM_INFINITY),
    ],
)
def test_descriptors_are_raised_as_far_as_that_goes(
    monkeypatch: pytest.MonkeyPatch, soft: int, hard: int, raised: int
) -> None:
    limit = Descriptors(soft, hard)
    monkeypatch.setattr(life, "resource", limit)

    life._raise_descriptors()

    assert limit.limits == (raised, hard)
