"""The command portmap config: whether a file is right, what holds, and who says so."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace

import pytest

from oncrpc.cli import portmap
from oncrpc.cli.nfsd import config as nfsd_config
from oncrpc.cli.portmap.config import main
from oncrpc.portmap.config import SCHEMA

FILE = """
trusted = ["10.0.0.0/8"]
[daemon]
port = 1111
loopback = true
user = "nobody"
[liveness]
interval = 5
watch = true
[[rule]]
then = "deny"
"""


@pytest.fixture(autouse=True)
def nothing_in_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PORTMAP_OPTIONS", raising=False)


def written(folder: Path, text: str = FILE) -> str:
    path = folder / "portmap.toml"
    path.write_text(text)
    path.chmod(0o644)
    return str(path)


def shown(capsys: pytest.CaptureFixture[str], *arguments: str) -> dict[str, tuple[object, str]]:
    """What each key is, and where that is from."""
    assert main(["show", "--json", *arguments]) == 0
    found = json.loads(capsys.readouterr().out)
    return {key: (each["value"], each["from"]) for key, each in found.items()}


def test_it_is_a_word_of_portmap(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = written(tmp_path)

    assert portmap.main(["config", "check", path]) == 0
    assert capsys.readouterr().out == f"{path}: ok, 1 rule\n"


def test_rules_are_counted(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = written(tmp_path, "")

    assert main(["check", path]) == 0
    assert capsys.readouterr().out == f"{path}: ok, 0 rules\n"


def test_every_mistake_is_a_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = written(tmp_path, "[daemon]\nport = -1\nlocal = 1\n")

    assert main(["check", path]) == 1
    assert capsys.readouterr() == (
        "",
        f"{path}: daemon.port: has to be at least 0\n"
        f"{path}: daemon.local: has to be true or false, not a whole number\n",
    )


def test_missing_file_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", str(tmp_path / "none")]) == 1
    assert capsys.readouterr().err == (
        f"portmap config: cannot read {tmp_path}/none: no such file or directory\n"
    )


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["check", "-p", "1"], "check takes a file and no options"),
        (["check", "--json"], "check takes a file and no options"),
        (["show", "file"], "show takes options only; name the file with --config"),
        (["show", "-p", "x"], "argument -p/--port: invalid port x: must be 0 to 65535"),
    ],
)
def test_invalid_setting_is_one_line(
    capsys: pytest.CaptureFixture[str], arguments: list[str], line: str
) -> None:
    with pytest.raises(SystemExit) as raised:
        main(arguments)

    assert raised.value.code == 2
    said = f"portmap config: {line}; see 'portmap config --help'\n"
    assert capsys.readouterr().err == said


def test_each_value_has_its_source(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = written(tmp_path)
    monkeypatch.setenv("PORTMAP_OPTIONS", "-4 -p 2222 --liveness 7")

    found = shown(capsys, "--config", path, "-p", "3333", "--no-state")

    assert found["config"] == (path, "option")
    assert found["daemon.port"] == (3333, "option")
    assert found["daemon.state"] == (False, "option")
    assert found["daemon.families"] == (["ipv4"], "PORTMAP_OPTIONS")
    assert found["liveness.interval"] == (7.0, "PORTMAP_OPTIONS")
    assert found["liveness.watch"] == (True, path)
    assert found["daemon.bind"] == (["127.0.0.1", "::1"], path)
    assert found["daemon.user"] == ("nobody", path)
    assert found["trusted"] == (["10.0.0.0/8"], path)
    assert found["rule"] == (['then = "deny"'], path)
    assert found["daemon.local"] == (True, "default")
    assert found["registration.foreign-versions"] == (True, "default")


def test_without_anything_all_is_default(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    found = shown(capsys, "--config", written(tmp_path, ""))

    assert {source for key, (_, source) in found.items() if key != "config"} == {"default"}
    assert found["daemon.port"] == (111, "default")
    assert found["daemon.families"] == (["ipv4", "ipv6"], "default")


@pytest.mark.parametrize(
    ("uid", "options", "user", "folder"),
    [
        (0, [], "_rpc", "/run/portmap"),
        (0, ["-p", "1111", "-u", "bin"], "bin", "/run/portmap-1111"),
        (0, ["--no-state"], "_rpc", None),
        (0, ["-p", "0"], "_rpc", None),
        (1000, [], None, "/run/user/1000/portmap"),
        (1000, ["--state-dir", "/srv/map"], None, "/srv/map"),
    ],
)
def test_defaults_of_the_daemon_are_shown(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    *,
    uid: int,
    options: list[str],
    user: str | None,
    folder: str | None,
) -> None:
    monkeypatch.setattr("os.geteuid", lambda: uid)
    monkeypatch.setattr("pwd.getpwnam", lambda name: SimpleNamespace(pw_name=name))
    monkeypatch.delenv("RUNTIME_DIRECTORY", raising=False)
    monkeypatch.setenv("XDG_RUNTIME_DIR", "/run/user/1000")

    path = tmp_path / "portmap.toml"
    monkeypatch.setattr(SCHEMA, "file", str(path))
    found = shown(capsys, *options)

    assert found["daemon.user"][0] == user
    assert found["daemon.state-dir"][0] == folder


def test_it_is_shown_in_columns(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = written(tmp_path, '[daemon]\nuser = "bin"\nverbose = true\n')

    assert main(["show", "--config", path]) == 0

    lines = capsys.readouterr().out.splitlines()
    assert [line.split() for line in lines if line.startswith(("daemon.v", "daemon.u"))] == [
        ["daemon.user", '"bin"', path],
        ["daemon.verbose", "true", path],
    ]
    assert len({len(line) - len(line.split(maxsplit=1)[1]) for line in lines}) == 1


def test_long_lists_are_counted_in_columns(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = written(tmp_path, '[[rule]]\nthen = "deny"\n' * 9)

    assert main(["show", "--config", path]) == 0
    assert "9 of them" in capsys.readouterr().out


def test_settings_of_a_store_are_hidden(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = (
        '[[export]]\npath = "/a"\nclients = ["*"]\nbackend = "fsspec"\nurl = "http://user:hush@b/c"\n'
        'storage = { secret = "hush" }\n[[export]]\npath = "/b"\nclients = ["*"]\n'
    )

    assert nfsd_config.main(["show", "--json", "--config", written(tmp_path, text)]) == 0

    found = json.loads(capsys.readouterr().out)["export"]["value"]
    assert [each["storage"] for each in found] == ["...", {}]
    assert found[0]["url"] == "http://b/c"


def test_a_bad_file_is_not_shown(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = written(tmp_path, "[daemon]\nport = -1\n")

    assert main(["show", "--config", path]) == 1
    assert capsys.readouterr().err == f"portmap: {path}: daemon.port: has to be at least 0\n"


def test_option_that_overrides_the_file_is_shown(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    found = shown(capsys, "--config", written(tmp_path), "--no-watch", "--no-loopback")

    assert found["liveness.watch"] == (False, "option")
    assert found["daemon.bind"] == ([], "option")
