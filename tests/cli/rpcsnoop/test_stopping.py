"""``oncrpc.cli.rpcsnoop.stopping``: the first signal ends the capture, not the process."""

from __future__ import annotations

import signal
import subprocess
import sys

from oncrpc.cli.rpcsnoop.stopping import AT_ONCE, until_signal

KILLED_LATER = """
import signal
from oncrpc.cli.rpcsnoop.stopping import AT_ONCE, until_signal
times = iter((0.0, AT_ONCE + 0.1))
with until_signal(lambda: print("stopped", flush=True), clock=lambda: next(times)):
    signal.raise_signal(signal.SIGINT)
    signal.raise_signal(signal.SIGINT)
print("not reached")
"""


def test_signal_sent_twice_stops_once() -> None:
    times, stops = iter((0.0, AT_ONCE / 2)), list[str]()

    with until_signal(lambda: stops.append("stop"), clock=lambda: next(times)):
        signal.raise_signal(signal.SIGTERM)
        signal.raise_signal(signal.SIGTERM)

    assert stops == ["stop"]


def test_later_signal_ends_the_process() -> None:
    ended = subprocess.run(
        [sys.executable, "-c", KILLED_LATER], capture_output=True, text=True, check=False
    )

    assert (ended.returncode, ended.stdout) == (-signal.SIGINT, "stopped\n")


def test_former_handlers_come_back() -> None:
    former = signal.getsignal(signal.SIGINT)

    with until_signal(lambda: None):
        assert signal.getsignal(signal.SIGINT) is not former

    assert signal.getsignal(signal.SIGINT) is former
