"""The daemon of the command nfsd: in the background, and in the foreground."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from oncrpc.cli import daemon_command
from oncrpc.cli.nfsd import main
from oncrpc.cli.nfsd.daemon import misspelt_command
from oncrpc.cli.nfsd.options import COMMAND

PROGRAM = [sys.executable, "-m", "oncrpc.cli.nfsd"]

LOADED = """
import sys
import oncrpc.cli.nfsd.daemon
from oncrpc.nfs.exports.parse import parse_exports

parse_exports(b"/srv 192.0.2.0/24(rw,sync) # usual", "exports")
print(*sys.modules)
"""
SELDOM_NEEDED = {
    "aiohttp", "difflib", "importlib.resources", "lark", "oncrpc.cli.nfsd.hint", "oncrpc.idl",
    "oncrpc.portmap", "prometheus_client", "rich", "shutil", "tempfile", "tomllib",
}  # fmt: skip
"""Modules that would make every start slower."""


def test_background_daemon_has_the_same_options(monkeypatch: pytest.MonkeyPatch) -> None:
    run: list[object] = []

    def serves(_app: object, *given: object, **_: object) -> int:
        run.extend(given)
        return 0

    monkeypatch.setattr(daemon_command, "main", serves)

    assert main(["--port-mapper", "none"]) == 0
    assert run == [COMMAND, ["--port-mapper", "none"]]


@pytest.mark.parametrize("arguments", [["--exports", "/x", "/tmp"], ["/tmp", "--exports", "/x"]])
def test_directories_and_exports_files_exclude_each_other(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(arguments)

    assert ended.value.code == 1
    assert "not allowed with argument" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("word", "meant"), [("lock", "locks"), ("explian", "explain"), ("share", ""), ("-f", "")]
)
def test_misspelt_command_is_recognised(word: str, meant: str) -> None:
    assert misspelt_command([word]) == meant


def test_misspelt_command_is_not_exported(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["lock"]) == 1
    assert capsys.readouterr().err == (
        "nfsd: lock is not a directory, and not a command; did you mean 'nfsd locks'?\n"
    )


@pytest.mark.slow
def test_start_loads_no_seldom_needed_module() -> None:
    alone = {name: value for name, value in os.environ.items() if "COVERAGE" not in name}

    loaded = subprocess.check_output([sys.executable, "-c", LOADED], text=True, env=alone)

    assert not SELDOM_NEEDED & {*loaded.split()}
