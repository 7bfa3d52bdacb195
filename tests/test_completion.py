"""The committed completion files, as bash runs them."""

from __future__ import annotations

import subprocess
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
FOLDER = ROOT / "packaging" / "completion"
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
COMMANDS = PROJECT["project"]["scripts"]
COMPLETE = """
. "$1"
shift
COMP_WORDS=("$@")
COMP_CWORD=$(($# - 1))
"_shtab_$1"
printf '%s\\n' "${COMPREPLY[@]}"
"""


def completed(line: str) -> list[str]:
    """The completions of bash for the last word of a line."""
    words = line.split(" ")
    script = FOLDER / "bash" / f"{words[0]}.bash"
    command = ["bash", "-c", COMPLETE, "bash", str(script), *words]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_completion_for_each_shell(command: str) -> None:
    names = (f"bash/{command}.bash", f"zsh/_{command}", f"fish/{command}.fish")

    assert [name for name in names if not (FOLDER / name).is_file()] == []


def test_a_word_is_described_by_one_sentence() -> None:
    text = (FOLDER / "zsh/_portmap").read_text()
    words = text.partition("local _commands=(")[2].partition("\n  )")[0].strip().splitlines()

    assert len(words) > 4
    assert [line for line in words if ". " in line] == []


def test_every_folder_is_installed() -> None:
    installed = PROJECT["tool"]["setuptools"]["data-files"].values()
    globs = {glob for globs in installed for glob in globs}

    folders = {path for path in FOLDER.iterdir() if path.is_dir()}
    assert {f"packaging/completion/{folder.name}/*" for folder in folders} <= globs


@pytest.mark.parametrize(
    ("line", "offered"),
    [
        ("rpcinfo --sum", ["--summary"]),
        ("rpcinfo sca", ["scan"]),
        ("rpcinfo scan --ra", ["--rate"]),
        ("rpcinfo -T tc", ["tcp", "tcp6"]),
        ("portmap rel", ["reload"]),
        ("portmap reload --ex", ["--exec"]),
        ("portmap explain 10.0.0.1 GETP", ["GETPORT"]),
        ("nfs ls --rec", ["--recursive"]),
        ("nfsd rel", ["reload"]),
        ("nfsd exports che", ["check"]),
        ("nfsd --port-m", ["--port-mapper"]),
        (f"nfsd {ROOT}/doc", [f"{ROOT}/docs"]),
        ("pmap_dump --rp", ["--rpcbind-port"]),
        ("pmap_set --so", ["--socket"]),
        ("showmount --dir", ["--directories"]),
        (f"xdrc {ROOT}/spec/rpcb", [f"{ROOT}/spec/rpcb.x"]),
    ],
)
def test_bash_offers_the_options_of_the_command(line: str, offered: list[str]) -> None:
    assert completed(line) == offered
