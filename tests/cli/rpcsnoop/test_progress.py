"""``oncrpc.cli.rpcsnoop.progress``: how much of a big file is read."""

from __future__ import annotations

import io
import sys
from itertools import count
from pathlib import Path

import pytest

from oncrpc.cli.rpcsnoop.options import parse_arguments
from oncrpc.cli.rpcsnoop.progress import ERASE, FRAMES, watched, with_progress
from oncrpc.snoop.capture.frames import CapturedFrame

FRAME = CapturedFrame(1, 0, 1, bytes(100), 100)
MANY = [FRAME] * (2 * FRAMES)


class Terminal(io.StringIO):
    """A terminal."""

    def isatty(self) -> bool:
        return True


def progress(size: int, *, step: float) -> str:
    """What is shown if each look at the clock is ``step`` seconds later."""
    output = Terminal()
    ticks = count(0)
    frames = with_progress(
        MANY, output, size=size, length=lambda frame: len(frame.data), often=FRAMES,
        clock=lambda: next(ticks) * step,
    )  # fmt: skip
    assert list(frames) == MANY
    return output.getvalue()


def test_part_of_the_file_is_shown_and_erased() -> None:
    assert progress(4 * FRAMES * 100, step=1) == (
        f"{ERASE}rpcsnoop: 0.4 MB, 25 %{ERASE}rpcsnoop: 0.8 MB, 50 %{ERASE}"
    )


def test_compressed_file_has_no_part() -> None:
    assert progress(100, step=1).startswith(f"{ERASE}rpcsnoop: 0.4 MB{ERASE}")


def test_fast_reading_shows_nothing() -> None:
    assert progress(100, step=0.01) == ""


@pytest.mark.parametrize(
    ("line", "stdout", "stderr", "shown"),
    [
        ("{}", False, True, True),
        ("{}", True, True, False),
        ("--stats {}", True, True, True),
        ("{}", False, False, False),
        ("-", False, True, False),
        ("{}.missing", False, True, False),
    ],
)
def test_progress_needs_a_terminal_with_room(
    line: str, stdout: bool, stderr: bool, shown: bool, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    file = tmp_path / "capture"
    file.write_bytes(bytes(100))
    monkeypatch.setattr(sys, "stdout", Terminal() if stdout else io.StringIO())
    monkeypatch.setattr(sys, "stderr", Terminal() if stderr else io.StringIO())

    frames = watched(MANY, parse_arguments(line.format(file).split()))

    assert (frames is not MANY) is shown
