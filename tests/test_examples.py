"""The examples run as their first lines say, and are short."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from portmap.running import RunningDaemon

EXAMPLES = Path(__file__).resolve().parents[1] / "examples"
MOST_LINES = 60


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*.py")), ids=lambda path: path.name)
def test_an_example_is_under_60_lines(path: Path) -> None:
    assert len(path.read_text().splitlines()) < MOST_LINES


@pytest.mark.slow
def test_the_greeter_is_served_registered_found_and_called() -> None:
    with RunningDaemon("-4") as mapper:
        port = str(mapper.port)
        serving = [sys.executable, str(EXAMPLES / "serve_greeter.py"), port]
        with subprocess.Popen(serving, stdout=subprocess.PIPE, text=True) as server:
            assert server.stdout is not None
            assert server.stdout.readline().startswith("serving at ")
            called = subprocess.run(
                [sys.executable, str(EXAMPLES / "call_greeter.py"), "127.0.0.1", port],
                capture_output=True,
                text=True,
                timeout=20,
                check=False,
            )
            server.terminate()

    greeted = [line.split(" at ")[0] for line in called.stdout.splitlines()]
    assert (called.stderr, greeted) == ("", ["hello sync", "hello one", "hello two", "hello three"])
    assert server.returncode == 0


def test_without_a_server_the_client_says_so_in_one_line() -> None:
    with RunningDaemon("-4") as mapper:
        called = subprocess.run(
            [sys.executable, str(EXAMPLES / "call_greeter.py"), "127.0.0.1", str(mapper.port)],
            capture_output=True,
            text=True,
            timeout=20,
            check=False,
        )

    assert called.returncode == 1
    assert called.stderr == (
        "call_greeter: program 536871065 version 1 is not registered for tcp\n"
    )
