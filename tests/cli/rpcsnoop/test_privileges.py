"""The file that is written, and the user who is asked for."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from oncrpc.cli.command import Failure
from oncrpc.cli.rpcsnoop.privileges import CALLERS, caller, give_up, open_output


@pytest.fixture(autouse=True)
def no_caller(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in CALLERS:
        monkeypatch.delenv(name, raising=False)


def test_only_the_owner_may_read_a_capture(tmp_path: Path) -> None:
    path = tmp_path / "capture"

    with open_output("rpcsnoop", str(path)) as file:
        file.write(b"frames")

    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert path.read_bytes() == b"frames"


def test_earlier_contents_are_replaced(tmp_path: Path) -> None:
    path = tmp_path / "capture"
    path.write_bytes(b"much longer than that")

    with open_output("rpcsnoop", str(path)) as file:
        file.write(b"frames")

    assert path.read_bytes() == b"frames"


def test_symbolic_link_is_not_followed(tmp_path: Path) -> None:
    target, link = tmp_path / "target", tmp_path / "link"
    link.symlink_to(target)

    with pytest.raises(Failure, match=f"cannot write {link}: it is a symbolic link"):
        open_output("rpcsnoop", str(link))

    assert not target.exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
def test_file_of_another_user_stays(tmp_path: Path) -> None:
    path = tmp_path / "capture"
    path.write_bytes(b"theirs")
    os.chown(path, 1000, 1000)

    with pytest.raises(Failure, match="it belongs to another user; remove it first"):
        open_output("rpcsnoop", str(path))

    assert path.read_bytes() == b"theirs"


def test_missing_directory_is_named(tmp_path: Path) -> None:
    with pytest.raises(Failure, match=r"cannot write .*/none/capture: No such file or directory"):
        open_output("rpcsnoop", f"{tmp_path}/none/capture")


@pytest.mark.parametrize("name", CALLERS)
def test_caller_of_sudo_is_known(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(name, "1000")

    assert caller() == "1000"


def test_root_is_no_caller(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SUDO_UID", "0")

    assert caller() is None


@pytest.mark.skipif(os.geteuid() != 0, reason="an ordinary user can become nobody else")
def test_unknown_user_is_refused() -> None:
    with pytest.raises(Failure, match="no user 'nobody-of-that-name'; -Z names another"):
        give_up("rpcsnoop", "nobody-of-that-name")
