"""``python -m oncrpc``: the list of commands, and each of them."""

from __future__ import annotations

import subprocess
import sys

import pytest

from oncrpc.__main__ import COMMANDS
from oncrpc.version import __version__


def run(*arguments: str) -> tuple[int, str, str]:
    done = subprocess.run(
        [sys.executable, "-m", "oncrpc", *arguments], capture_output=True, text=True, check=False
    )
    return done.returncode, done.stdout, done.stderr


@pytest.mark.parametrize("arguments", [[], ["--help"], ["-h"]])
def test_without_a_command_all_are_listed(arguments: list[str]) -> None:
    status, out, err = run(*arguments)

    assert (status, err) == (0, "")
    assert [line.split()[0] for line in out.splitlines()[3:-3]] == list(COMMANDS)
    assert "-V, --version" in out


@pytest.mark.parametrize("option", ["-V", "--version"])
def test_the_version_is_that_of_the_package(option: str) -> None:
    assert run(option) == (0, f"oncrpc {__version__}\n", "")


@pytest.mark.slow
@pytest.mark.parametrize("name", list(COMMANDS))
def test_every_command_runs_under_its_name(name: str) -> None:
    assert run(name, "--version") == (0, f"{name} (oncrpc) {__version__}\n", "")


def test_an_unknown_command_is_a_usage_error() -> None:
    status, out, err = run("nfsd")

    assert (status, out) == (2, "")
    assert err.startswith("oncrpc: unknown command 'nfsd': must be one of portmap, nfs, rpcinfo, ")
