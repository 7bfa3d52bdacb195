"""Leaving root."""

from __future__ import annotations

import errno
import pwd
import sys

import pytest

from oncrpc.daemon import privileges, run
from oncrpc.daemon.config.values import StartError, UserName
from oncrpc.portmap.app import PortMapper
from oncrpc.portmap.config import PortmapConfig, PortmapDaemonTable


def user(name: str, number: int) -> pwd.struct_passwd:
    """An entry of passwd."""
    return pwd.struct_passwd((name, "x", number, number, "", "/", "/bin/false"))


class Process:
    """A fake process: its user, and the users that it changed to."""

    def __init__(self, uid: int, error: OSError | None = None) -> None:
        self.uid, self.error = uid, error
        self.became: list[int] = []

    def geteuid(self) -> int:
        return self.uid

    def drop(self, to: pwd.struct_passwd, kept: object = ()) -> None:
        if self.error is not None:
            raise self.error
        self.became.append(to.pw_uid)


def config_of(name: str | None) -> PortmapConfig:
    """A configuration with this user."""
    user = None if name is None else UserName(name)
    return PortmapConfig(daemon=PortmapDaemonTable(user=user))


def become_user(
    monkeypatch: pytest.MonkeyPatch, process: Process, name: str | None, found: object
) -> None:
    """Leave root, as the daemon does once its sockets are bound."""
    monkeypatch.setattr(run.os, "geteuid", process.geteuid)  # type: ignore[attr-defined]  # os
    monkeypatch.setattr(privileges, "user_of", lambda *_: found)
    monkeypatch.setattr(privileges, "drop", process.drop)
    run.become_user(PortMapper(), config_of(name))


def test_root_becomes_the_user(monkeypatch: pytest.MonkeyPatch) -> None:
    process = Process(0)

    become_user(monkeypatch, process, None, user("_rpc", 102))

    assert process.became == [102]


def test_seldom_modules_are_loaded_as_root(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "tomllib", raising=False)
    loaded = []
    process = Process(0)
    monkeypatch.setattr(process, "drop", lambda *_: loaded.append("tomllib" in sys.modules))

    become_user(monkeypatch, process, None, user("_rpc", 102))

    assert loaded == [True]


def test_root_stays_root_if_that_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    process = Process(0)

    become_user(monkeypatch, process, "root", user("root", 0))

    assert process.became == []


def test_missing_user_is_logged(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    become_user(monkeypatch, Process(0), None, None)

    assert "continuing as root" in caplog.text


def test_ordinary_user_keeps_its_identity(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (None, "me"):
        process = Process(1000)
        become_user(monkeypatch, process, name, user("me", 1000))
        assert process.became == []


def test_others_cannot_become_somebody_else(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(StartError, match="only root can become user 'you'"):
        become_user(monkeypatch, Process(1000), "you", user("you", 1001))


def test_a_user_that_cannot_be_become_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    process = Process(0, OSError(errno.EPERM, "Operation not permitted"))

    with pytest.raises(StartError, match="cannot become user _rpc: Operation not permitted"):
        become_user(monkeypatch, process, None, user("_rpc", 102))


def test_a_user_that_is_not_there_is_named() -> None:
    with pytest.raises(StartError, match="unknown user 'nobody-at-all'; see --user"):
        run.become_user(PortMapper(), config_of("nobody-at-all"))
