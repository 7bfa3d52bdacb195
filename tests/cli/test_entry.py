from __future__ import annotations

import gc
import importlib
import signal
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

import oncrpc.cli.portmap.daemon
import oncrpc.cli.subcommands  # noqa: F401  # before tests replace its package
from oncrpc.cli import entry
from oncrpc.cli.command import INTERRUPTED

PROJECT = Path(__file__).parents[2] / "pyproject.toml"
SCRIPTS = tomllib.loads(PROJECT.read_text())["project"]["scripts"]
INTERRUPTED_WHILE_LOADING = """
import os, signal, sys
from oncrpc.cli import entry

class Interrupting:
    @staticmethod
    def find_spec(name, *_):
        if name in ("oncrpc.errors", "oncrpc.cli.command"):
            os.kill(os.getpid(), signal.SIGINT)

sys.meta_path.insert(0, Interrupting)
sys.argv = [sys.argv[1], "--version"]
sys.exit(getattr(entry, sys.argv[0])())
"""
IGNORED = "import signal; signal.signal(signal.SIGINT, signal.SIG_IGN)"


@pytest.fixture(autouse=True)
def _garbage_of_other_tests() -> Iterator[None]:
    """Is collected all the same."""
    yield
    gc.unfreeze()


@pytest.mark.parametrize("name", SCRIPTS)
def test_every_script_begins_here(name: str) -> None:
    assert SCRIPTS[name] == f"oncrpc.cli.entry:{name}"
    assert callable(getattr(entry, name))


@pytest.mark.slow
@pytest.mark.parametrize("name", SCRIPTS)
def test_ctrl_c_while_loading_is_quiet(name: str) -> None:
    command = [sys.executable, "-c", INTERRUPTED_WHILE_LOADING, name]

    ended = subprocess.run(command, capture_output=True, text=True, check=False)

    assert (ended.returncode, ended.stdout, ended.stderr) == (-signal.SIGINT, "", "")


@pytest.mark.slow
def test_an_interrupt_that_is_ignored_stays_so() -> None:
    command = [sys.executable, "-c", IGNORED + INTERRUPTED_WHILE_LOADING, "rpcinfo"]

    ended = subprocess.run(command, capture_output=True, text=True, check=False)

    assert (ended.returncode, ended.stderr) == (0, "")
    assert ended.stdout.startswith("rpcinfo (oncrpc) ")


@pytest.mark.parametrize("name", SCRIPTS)
def test_loaded_command_restores_python_s_ctrl_c(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    handlers = []

    def main() -> int:
        handlers.append(signal.getsignal(signal.SIGINT))
        raise KeyboardInterrupt

    before = signal.getsignal(signal.SIGINT)
    monkeypatch.setattr(importlib.import_module(f"oncrpc.cli.{name}"), "main", main)

    assert getattr(entry, name)() == INTERRUPTED
    assert handlers == [before]


def test_loaded_modules_are_frozen_for_the_collector(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def main() -> int:
        return int(gc.isenabled() and gc.get_freeze_count() > 0)

    monkeypatch.setitem(sys.modules, "oncrpc.cli.portmap", SimpleNamespace(main=main))

    assert entry.portmap() == 1
