"""Processes of this host."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from oncrpc.host.processes import pidfd_of, started_at, started_seconds


def test_started_at_is_between_boot_and_now() -> None:
    started = started_at(os.getpid())

    now = time.clock_gettime(time.CLOCK_BOOTTIME)
    assert started is not None
    assert 0 < started / os.sysconf("SC_CLK_TCK") <= now
    assert started_at(2**22 + 1) is None


def test_zombie_has_no_start_time() -> None:
    child = os.posix_spawn("/bin/true", ["true"], {})
    os.waitid(os.P_PID, child, os.WEXITED | os.WNOWAIT)

    assert started_at(child) is None

    os.waitpid(child, 0)


def test_hidden_process_started_at_boot() -> None:
    assert started_seconds(2**22 + 1) == 0.0


def test_pidfd_is_of_the_process() -> None:
    pidfd = pidfd_of(os.getpid(), known_at=time.clock_gettime(time.CLOCK_BOOTTIME))
    about = Path(f"/proc/self/fdinfo/{pidfd}").read_text()
    os.close(pidfd)

    assert f"Pid:\t{os.getpid()}\n" in about


def test_process_started_later_is_not_the_one() -> None:
    with pytest.raises(ProcessLookupError):
        pidfd_of(os.getpid(), known_at=0.0)
