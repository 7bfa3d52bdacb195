"""The memory of rpcsnoop does not grow with the capture."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

MADE = Path(__file__).parents[3] / "bench" / "snoop_captures.py"
LIMIT = 40
"""MiB."""

MEASURE = """
import os, sys
pid = os.fork()
if not pid:
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    os.execv(sys.executable, [sys.executable, "-m", "oncrpc.cli.rpcsnoop", *sys.argv[1:]])
_, status, usage = os.wait4(pid, 0)
print(usage.ru_maxrss / 1024)
sys.exit(status)
"""
"""A process of its own: what pytest takes would count as well."""


def mebibytes(arguments: Sequence[str]) -> float:
    """The memory that a run takes at most."""
    command = [sys.executable, "-c", MEASURE, *arguments]
    return float(subprocess.run(command, check=True, stdout=subprocess.PIPE, timeout=300).stdout)


@pytest.mark.slow
def test_memory_does_not_grow_with_the_capture(tmp_path: Path) -> None:
    files = {size: str(tmp_path / str(size)) for size in (5_000, 200_000)}
    for size, file in files.items():
        subprocess.run([sys.executable, str(MADE), file, str(size)], check=True, timeout=300)

    short = [mebibytes([*options, files[200_000]]) for options in ([], ["--stats"])]
    deep = [mebibytes([*options, files[5_000]]) for options in (["-v"], ["--json"])]

    assert max(short) <= LIMIT
    assert max(deep) <= LIMIT
