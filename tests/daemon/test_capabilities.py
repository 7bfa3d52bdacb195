"""Giving up capabilities: what is kept, and for how long."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from oncrpc.daemon.capabilities import Capability, held

ROOT = pytest.mark.skipif(os.geteuid() != 0, reason="only root has capabilities to give up")
SHOW = "import sys; from oncrpc.daemon.capabilities import held; print(sorted(held()))"
LIMIT = (
    "import os, pwd, sys\n"
    "from oncrpc.daemon import capabilities\n"
    "from oncrpc.daemon.capabilities import Capability as C\n"
    "from oncrpc.daemon.privileges import drop\n"
    "def show(): print(sorted(capabilities.held()), flush=True)\n"
    f"def again(): os.execv(sys.executable, [sys.executable, '-c', {SHOW!r}])\n"
)


def python(script: str) -> list[str]:
    """The lines that a script prints in a process of its own."""
    done = subprocess.run(
        [sys.executable, "-c", LIMIT + script], capture_output=True, text=True, timeout=30
    )
    assert done.stderr == ""
    return done.stdout.splitlines()


def test_unreadable_status_means_no_capability(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("oncrpc.daemon.capabilities.STATUS", "/nonexistent")

    assert held() == frozenset()


@ROOT
def test_root_has_capabilities() -> None:
    assert {Capability.CHOWN, Capability.SETUID} <= held()


@pytest.mark.slow
@ROOT
def test_root_keeps_only_the_named_ones() -> None:
    kept = sorted([Capability.CHOWN, Capability.FOWNER])

    lines = python("capabilities.limit_to({C.CHOWN, C.FOWNER})\nshow()\nagain()\n")

    assert lines == [str(kept), str(kept)]  # a new image has no more


@pytest.mark.slow
@ROOT
def test_user_keeps_a_capability_over_execve() -> None:
    kept = [Capability.DAC_READ_SEARCH]

    lines = python(
        "drop(pwd.getpwnam('nobody'), {C.DAC_READ_SEARCH})\n"
        "show()\n"
        "os.chdir('/')\n"
        "again()\n"
    )  # fmt: skip

    assert lines == [str(kept), str(kept)]


@pytest.mark.slow
@ROOT
def test_user_without_kept_ones_has_none() -> None:
    assert python("drop(pwd.getpwnam('nobody'))\nshow()\n") == ["[]"]


@pytest.mark.slow
@ROOT
def test_ones_that_are_not_permitted_are_not_kept() -> None:
    lines = python(
        "capabilities.limit_to({C.CHOWN})\ncapabilities.limit_to({C.CHOWN, C.SETUID})\nshow()\n"
    )

    assert lines == [str([Capability.CHOWN])]
