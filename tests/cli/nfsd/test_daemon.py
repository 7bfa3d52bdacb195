"""The daemon of the command nfsd: in the background, and in the foreground."""

from __future__ import annotations

import sys

import pytest

from oncrpc.cli import daemon_command
from oncrpc.cli.nfsd import main
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
