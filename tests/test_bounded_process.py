"""A process ends at its limits of time, memory and output, and all its children with it."""

from __future__ import annotations

import os
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from oncrpc.bounded_process import ProcessLimits, run_bounded

AMPLE = ProcessLimits(seconds=30, memory=1 << 30, output=1 << 20)
PYTHON = (sys.executable, "-I", "-S", "-c")


def test_input_output_errors_and_status_pass() -> None:
    script = "import sys; sys.stdout.write(sys.stdin.read()); sys.stderr.write('b'); sys.exit(3)"

    made = run_bounded([*PYTHON, script], b"a" * 500_000, AMPLE)

    assert made.output == b"a" * 500_000
    assert (made.status, made.errors, made.exceeded) == (3, b"b", "")


def test_a_process_need_not_read_its_input() -> None:
    made = run_bounded(["true"], b"a" * 500_000, AMPLE)

    assert (made.status, made.exceeded) == (0, "")


def test_children_end_with_the_process(tmp_path: Path) -> None:
    held, silent = tmp_path / "held", tmp_path / "silent"
    os.mkfifo(held)
    os.mkfifo(silent)
    reader = os.open(held, os.O_RDONLY | os.O_NONBLOCK)

    made = run_bounded(
        ["sh", "-c", f"cat {silent} 3>{held}; true"], b"", replace(AMPLE, seconds=0.3)
    )

    assert made.exceeded == "0.3 seconds"
    os.set_blocking(reader, True)
    assert os.read(reader, 1) == b""  # the end comes when no process has the FIFO open
    os.close(reader)


def test_closed_outputs_do_not_lift_the_limit(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "silent")

    made = run_bounded(
        ["sh", "-c", f"exec >&- 2>&-; read line <{tmp_path}/silent"],
        b"",
        replace(AMPLE, seconds=0.3),
    )

    assert made.exceeded == "0.3 seconds"


@pytest.mark.parametrize("stream", ["stdout", "stderr"])
def test_endless_output_is_stopped(stream: str) -> None:
    script = f"import sys\nwhile True: sys.{stream}.write('a' * 1000)"

    made = run_bounded([*PYTHON, script], b"", AMPLE)

    assert made.exceeded == "1 MiB of output"
    assert len(made.output + made.errors) < 2 * AMPLE.output


def test_memory_is_limited() -> None:
    made = run_bounded([*PYTHON, "bytearray(1 << 31)"], b"", AMPLE)

    assert made.status
    assert b"MemoryError" in made.errors
