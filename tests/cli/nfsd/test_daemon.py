"""The daemon of the command nfsd: in the background, and in the foreground."""

from __future__ import annotations

import sys

import pytest

from oncrpc.cli import daemon_command
from oncrpc.cli.nfsd import main
from oncrpc.cli.nfsd.daemon import misspelt_command
from oncrpc.cli.nfsd.options import COMMAND

PROGRAM = [sys.executable, "-m", "oncrpc.cli.nfsd"]


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
