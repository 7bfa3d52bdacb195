"""The state directory: which one, its owner, and its lock."""

from __future__ import annotations

import os
import pwd
import stat
from pathlib import Path
from typing import Any

import pytest

from oncrpc.daemon import privileges
from oncrpc.daemon.config.tables import DaemonTable
from oncrpc.daemon.config.values import StartError
from oncrpc.daemon.run import owner_of
from oncrpc.daemon.state import directory as statedir
from oncrpc.daemon.state.directory import Directory, Owner, prepared
from oncrpc.daemon.state.folders import RUN, Folders
from support.daemons import setup

ROOT = os.geteuid() == 0
NOBODY = pwd.struct_passwd(("somebody", "x", 12345, 12346, "", "/", "/bin/false"))


@pytest.fixture
def user(monkeypatch: pytest.MonkeyPatch) -> None:
    """Run the test as if by an ordinary user."""
    monkeypatch.setattr(statedir.os, "geteuid", lambda: 1000)  # type: ignore[attr-defined]  # os


def folders(environ: dict[str, str], *, run: str = RUN, **options: Any) -> Folders:
    """The directories of a port mapper with these options."""
    made = setup(**options)
    table = made.config.daemon
    return prepared(owner_of(made.app(), table), table, environ, run=run)


def chosen(tmp_path: Path, environ: dict[str, str], **options: object) -> str | None:
    """The chosen state directory."""
    return folders(environ, run=str(tmp_path / "run"), **options).state


@pytest.mark.usefixtures("user")
@pytest.mark.parametrize(
    ("environ", "options", "expected"),
    [
        ({"RUNTIME_DIRECTORY": "{}/one:{}/two"}, {}, "one/portmap"),
        ({"RUNTIME_DIRECTORY": "{}/one", "XDG_RUNTIME_DIR": "{}/two"}, {}, "one/portmap"),
        ({"XDG_RUNTIME_DIR": "{}/two"}, {}, "two/portmap"),
        ({"XDG_RUNTIME_DIR": "{}/two", "RUNTIME_DIRECTORY": ""}, {}, "two/portmap"),
        ({"XDG_RUNTIME_DIR": "{}/two"}, {"port": 10111}, "two/portmap-10111"),
    ],
)
def test_user_gets_a_subdirectory_of_runtime_directory(
    tmp_path: Path, environ: dict[str, str], options: dict[str, int], expected: str
) -> None:
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
    environ = {key: value.format(tmp_path, tmp_path) for key, value in environ.items()}

    assert chosen(tmp_path, environ, **options) == str(tmp_path / expected)
    assert stat.S_IMODE((tmp_path / expected).stat().st_mode) == 0o700


@pytest.mark.usefixtures("user")
@pytest.mark.parametrize("environ", [{}, {"XDG_RUNTIME_DIR": "relative"}])
def test_missing_runtime_directory_is_one_line(
    tmp_path: Path, environ: dict[str, str], caplog: pytest.LogCaptureFixture
) -> None:
    assert chosen(tmp_path, environ) is None
    assert len(caplog.records) == 1
    assert "registrations are not kept: neither $RUNTIME_DIRECTORY nor" in caplog.text


@pytest.mark.usefixtures("user")
def test_failure_to_create_default_is_one_line(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    assert chosen(tmp_path, {"XDG_RUNTIME_DIR": str(tmp_path / "gone")}) is None
    assert "gone/portmap: No such file or directory; name another directory" in caplog.text


@pytest.mark.usefixtures("user")
def test_a_host_without_boot_id_keeps_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def none() -> bytes:
        return Path(tmp_path / "boot_id").read_bytes()

    monkeypatch.setattr(statedir, "boot_id", none)

    assert chosen(tmp_path, {"XDG_RUNTIME_DIR": str(tmp_path)}) is None
    assert "boot_id: No such file or directory" in caplog.text


@pytest.mark.usefixtures("user")
def test_free_port_keeps_state_only_if_named(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    environ, named = {"XDG_RUNTIME_DIR": str(tmp_path)}, str(tmp_path / "named")

    assert chosen(tmp_path, environ, port=0) is None
    assert chosen(tmp_path, environ, port=0, state_dir=named) == named
    assert os.listdir(tmp_path) == ["named"]
    assert caplog.text == ""


@pytest.mark.usefixtures("user")
def test_nothing_is_kept_if_that_is_asked_for(tmp_path: Path) -> None:
    assert chosen(tmp_path, {"XDG_RUNTIME_DIR": str(tmp_path)}, state=False) is None
    assert not os.path.exists(tmp_path / "portmap" / "snapshot")


@pytest.mark.usefixtures("user")
@pytest.mark.parametrize(
    ("options", "place"),
    [({}, "portmap"), ({"state": False}, "portmap"), ({"state": False, "port": 0}, None)],
)
def test_control_folder_does_not_depend_on_state(
    tmp_path: Path, options: dict[str, Any], place: str | None
) -> None:
    environ = {"XDG_RUNTIME_DIR": str(tmp_path)}

    found = folders(environ, run=str(tmp_path / "run"), **options)

    assert found.control == (place and str(tmp_path / place))
    assert os.listdir(tmp_path) == ([place] if place else [])


@pytest.mark.usefixtures("user")
def test_named_directory_has_the_control_socket_too(tmp_path: Path) -> None:
    named = str(tmp_path / "named")

    assert folders({}, state_dir=named).control == named


@pytest.mark.usefixtures("user")
@pytest.mark.parametrize("environ", [{}, {"XDG_RUNTIME_DIR": "/gone"}], ids=["none", "gone"])
def test_no_warning_when_state_is_disabled(
    caplog: pytest.LogCaptureFixture, environ: dict[str, str]
) -> None:
    found = folders(environ, state=False)

    assert (found.control, caplog.text) == (None, "")


@pytest.mark.usefixtures("user")
def test_failure_to_create_named_directory_is_error(tmp_path: Path) -> None:
    with pytest.raises(StartError, match=r"cannot make .*gone/state: no such file or directory;"):
        chosen(tmp_path, {}, state_dir=str(tmp_path / "gone" / "state"))


class Given:
    """A fake root and chown(2) that record the changes of owners."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, user: object = NOBODY) -> None:
        self.given: list[tuple[str, int, int]] = []
        self.user = user
        monkeypatch.setattr(statedir.os, "geteuid", lambda: 0)  # type: ignore[attr-defined]  # os
        monkeypatch.setattr(statedir.os, "chown", self.chown)  # type: ignore[attr-defined]  # os
        monkeypatch.setattr(statedir.os, "fchown", self.fchown)  # type: ignore[attr-defined]  # os
        monkeypatch.setattr(privileges, "user_of", self.user_of)

    def user_of(self, name: str | None, usual: object) -> object:
        if name is not None:
            raise KeyError(name)
        return self.user

    def chown(self, path: str, uid: int, gid: int, *, follow_symlinks: bool) -> None:
        assert not follow_symlinks
        self.given.append((path, uid, gid))

    def fchown(self, opened: int, uid: int, gid: int) -> None:
        self.given.append((os.readlink(f"/proc/self/fd/{opened}"), uid, gid))


def test_root_creates_it_for_the_daemon_s_user(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "run").mkdir()
    root = Given(monkeypatch)

    path = chosen(tmp_path, {"XDG_RUNTIME_DIR": "/not/this/one"})

    assert path == str(tmp_path / "run" / "portmap")
    assert {uid for _, uid, _ in root.given} == {12345}


def test_root_gives_its_directory_to_configured_user(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "run").mkdir()
    made = tmp_path / "run" / "portmap"
    made.mkdir(0o755)
    root = Given(monkeypatch)

    assert chosen(tmp_path, {}) == str(made)

    assert root.given == [(str(made), 12345, 12346)]
    assert stat.S_IMODE(made.stat().st_mode) == 0o700


def test_link_is_not_given_to_the_user(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "portmap").symlink_to(tmp_path)
    root = Given(monkeypatch)

    assert chosen(tmp_path, {}) is None
    assert root.given == []
    assert "portmap: Not a directory" in caplog.text


def test_existing_named_directory_keeps_its_owner(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = Given(monkeypatch)

    chosen(tmp_path, {}, state_dir=str(tmp_path))
    chosen(tmp_path, {}, state_dir=str(tmp_path / "new"))

    assert root.given == [(str(tmp_path / "new"), 12345, 12346)]


def test_directory_put_in_its_place_is_not_given(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "file").touch()
    root = Given(monkeypatch)

    def made(path: str, mode: int) -> None:
        (tmp_path / "other").rename(path)

    monkeypatch.setattr(statedir.os, "mkdir", made)  # type: ignore[attr-defined]  # os

    with pytest.raises(StartError, match="was replaced while it was made"):
        chosen(tmp_path, {}, state_dir=str(tmp_path / "new"))
    assert root.given == []


@pytest.mark.parametrize("name", [None, "nobody-at-all"])
def test_without_a_user_to_become_it_is_roots(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str | None
) -> None:
    (tmp_path / "run").mkdir()
    root = Given(monkeypatch, None)

    assert chosen(tmp_path, {}, user=name) is not None
    assert root.given == []


def opened(path: Path) -> Directory:
    """Open the directory, with the required mode."""
    path.chmod(0o700)
    return Directory(str(path))


def test_it_is_used_once(tmp_path: Path) -> None:
    held = opened(tmp_path)

    with pytest.raises(StartError, match=r"another daemon keeps its state in .*; stop"):
        Directory(str(tmp_path))

    held.close()
    opened(tmp_path).close()


@pytest.mark.parametrize("mode", [0o755, 0o770, 0o701])
def test_a_directory_that_others_can_enter_is_refused(tmp_path: Path, mode: int) -> None:
    tmp_path.chmod(mode)

    with pytest.raises(StartError, match="is open to others; chmod it to 700, or name another"):
        Directory(str(tmp_path))


@pytest.mark.skipif(not ROOT, reason="needs root, to give a directory away")
def test_somebody_elses_directory_is_refused(tmp_path: Path) -> None:
    os.chown(tmp_path, 12345, 12345)

    with pytest.raises(
        StartError, match="belongs to uid 12345, and the daemon is uid 0; run 'chown -R 0 "
    ):
        opened(tmp_path)


def test_only_a_real_directory_is_accepted(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path)
    (tmp_path / "file").touch()

    for name in ("link", "file", "gone"):
        with pytest.raises(StartError, match=f"cannot open .*{name}: .*; create it, or "):
            Directory(str(tmp_path / name))


def test_a_link_in_it_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "secret").write_bytes(b"secret")
    (tmp_path / "secret").chmod(0o600)
    (tmp_path / "snapshot").symlink_to(tmp_path / "secret")
    held = opened(tmp_path)

    with pytest.raises(OSError, match="symbolic link"):
        held.read("snapshot")
    descriptor, size = held.replace("snapshot", [b"ours"])

    os.close(descriptor)
    held.close()
    assert size == 4
    assert (tmp_path / "secret").read_bytes() == b"secret"
    assert (tmp_path / "snapshot").read_bytes() == b"ours"


def test_its_descriptor_ends_with_the_program(tmp_path: Path) -> None:
    held = opened(tmp_path)

    assert not os.get_inheritable(held.fileno())

    held.close()


@pytest.mark.usefixtures("user")
@pytest.mark.parametrize(
    ("environ", "place"),
    [
        ({"XDG_STATE_HOME": "{}/state", "HOME": "{}/home"}, "state/keeper"),
        ({"HOME": "{}/home"}, "home/.local/state/keeper"),
        ({"STATE_DIRECTORY": "{}/one:{}/two", "HOME": "{}/home"}, "one/keeper"),
    ],
)
def test_lasting_state_of_a_user_is_below_home(
    tmp_path: Path, environ: dict[str, str], place: str
) -> None:
    environ = {key: value.format(tmp_path, tmp_path) for key, value in environ.items()}
    owner = Owner("keeper", 7, None, lasting=True)

    found = prepared(owner, DaemonTable(port=7), environ)

    assert found == Folders(str(tmp_path / place), str(tmp_path / place))
    assert stat.S_IMODE((tmp_path / place).stat().st_mode) == 0o700


@pytest.mark.usefixtures("user")
def test_missing_home_is_one_line(caplog: pytest.LogCaptureFixture) -> None:
    owner = Owner("keeper", 7, None, lasting=True, lost="handles are not kept")

    assert prepared(owner, DaemonTable(port=7), {}) == Folders()
    assert "handles are not kept: neither $STATE_DIRECTORY, $XDG_STATE_HOME" in caplog.text


@pytest.mark.parametrize("files", [["key"], []])
def test_lasting_state_of_another_user_is_not_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, files: list[str]
) -> None:
    monkeypatch.setattr(statedir, "LASTING", str(tmp_path))
    place = tmp_path / "keeper"
    place.mkdir(0o700)
    for name in files:
        (place / name).touch()
    root = Given(monkeypatch)

    def found() -> Folders:
        return prepared(Owner("keeper", 7, NOBODY, lasting=True), DaemonTable(port=7), {})

    if files:
        with pytest.raises(StartError, match=f"run 'chown -R 12345 {place}'; or name another"):
            found()
    else:
        assert found().state == str(place)
    assert root.given == ([] if files else [(str(place), 12345, 12346)])


def test_lasting_state_of_root_is_in_var_lib(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(statedir.os, "geteuid", lambda: 0)  # type: ignore[attr-defined]  # os

    assert Owner("keeper", 7, None, lasting=True).base({}) == "/var/lib"
    assert Owner("keeper", 7, None).base({}) == "/run"
