"""The commands nfsd config, reload and service."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from oncrpc.cli import nfsd
from oncrpc.cli.nfsd import config, reload, service
from oncrpc.nfs.daemon.config import SCHEMA, NfsdConfig


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A configuration."""
    path = tmp_path / "nfsd.toml"
    path.write_text(
        '[daemon]\nnfs-versions = [3]\n[[export]]\npath = "/srv"\nclients = ["*(ro)"]\n'
    )
    path.chmod(0o644)
    return path


PROGRAMS = "mount, nfs, acl, nlm, status or rquota"


def test_file_is_checked(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert nfsd.main(["config", "check", str(file)]) == 0
    file.write_text('[daemon]\nonly = ["statd"]\nport = -1\n')
    assert nfsd.main(["config", "check", str(file)]) == 1

    said = capsys.readouterr()
    assert said.out == f"{file}: ok, 0 rules; see also 'nfsd exports check'\n"
    assert said.err.splitlines() == [
        f"{file}: daemon.only[0]: 'statd' is not a program of nfsd; write {PROGRAMS}",
        f"{file}: daemon.port: has to be at least 0",
    ]


def test_values_in_force_are_shown(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert nfsd.main(["config", "show", "--json", "--config", str(file), "-p", "2050"]) == 0

    found = json.loads(capsys.readouterr().out)
    assert found["daemon.nfs-versions"] == {"value": [3], "from": str(file)}
    assert found["daemon.port"] == {"value": 2050, "from": "option"}
    assert found["export"]["value"][0]["path"] == "/srv"
    assert "daemon.local" not in found


def test_programs_are_shown_by_name(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert nfsd.main(["config", "show", "--config", str(file)]) == 0

    shown = '["mount", "nfs", "acl", "nlm", "status", "rquota"]'
    assert f"daemon.only           {shown}  " in capsys.readouterr().out


def test_each_word_has_its_help() -> None:
    for word in (config, reload, service):
        assert word.parser().prog == f"nfsd {word.__name__.rpartition('.')[2]}"


def test_reload_without_daemon_is_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert nfsd.main(["reload", "--state-dir", str(tmp_path)]) == 1
    assert capsys.readouterr().err == f"nfsd: not running: nobody answers at {tmp_path}/control\n"


def test_example_is_valid_and_shows_defaults() -> None:
    """The last tables are examples, and so are the values that a comment gives a default for."""
    text = (Path(__file__).parents[3] / "packaging/nfsd.toml").read_text()
    lines = [re.sub(r"^#(?=[a-z\[])", "", line) for line in text.splitlines()]
    shown = "\n".join(lines[: lines.index("[[rule]]")])
    others = re.compile(r"^(bind|user|listen) = .*$", re.MULTILINE)
    assert len(others.findall(shown)) == 3

    SCHEMA.parse("\n".join(lines), "example")
    assert SCHEMA.parse(text, "example") == NfsdConfig()
    assert SCHEMA.parse(others.sub("", shown), "example") == NfsdConfig()
