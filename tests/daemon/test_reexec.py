"""The check of a new image, and a failed start that changes nothing."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

import pytest

from oncrpc.daemon import reexec as image
from oncrpc.daemon.handover import UNDERSTOOD, VARIABLE, Handover, write
from oncrpc.daemon.reexec import BLOCKED, Image, begun, of_this_process
from support.loops import run


def script(text: str) -> Image:
    """A program of the shell."""
    return Image(("/bin/sh", "-c", text), "/")


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        (f"echo {UNDERSTOOD}", ""),
        (f"echo hello; echo {UNDERSTOOD}", ""),
        ('test "$ONCRPC_HANDOVER" = check && test -z "$NOTIFY_SOCKET" && echo ' + UNDERSTOOD, ""),
        ("echo oncrpc handover 99", "the new image does not take over (0)"),
        (f"echo {UNDERSTOOD}; exit 3", "the new image does not take over (3)"),
        ("echo one >&2; echo two >&2; exit 1", "two"),
        ("echo portmap: no port >&2; exit 1", "no port"),
    ],
)
def test_new_image_must_confirm_that_it_understands(
    monkeypatch: pytest.MonkeyPatch, text: str, fault: str
) -> None:
    monkeypatch.setenv("NOTIFY_SOCKET", "/run/systemd/notify")

    assert run(script(text).fault()) == fault


def test_program_that_cannot_run_is_named(tmp_path: Path) -> None:
    fault = run(Image((str(tmp_path / "python"),), "/").fault())

    assert fault.endswith(f"cannot run {tmp_path}/python: no such file or directory")


def test_slow_image_is_killed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(image, "CHECK_TIME", 0.02)

    assert run(script("exec sleep 60").fault()) == "the new image does not start within 0.02 s"


def test_a_folder_that_is_gone_does_not_matter(tmp_path: Path) -> None:
    gone = Image(script(f"echo {UNDERSTOOD}").command, str(tmp_path / "gone"))

    assert run(gone.fault()) == ""


def test_failed_execution_leaves_everything_unchanged(tmp_path: Path) -> None:
    folder, descriptors = os.getcwd(), set(os.listdir("/proc/self/fd"))
    with open(os.devnull, "rb") as lock:
        handover = Handover(pid=os.getpid(), locks=[lock.fileno()])
        with pytest.raises(FileNotFoundError):
            Image((str(tmp_path / "python"),), str(tmp_path)).replace(handover)
        assert not os.get_inheritable(lock.fileno())

    assert os.getcwd() == folder
    assert set(os.listdir("/proc/self/fd")) <= descriptors


def test_signals_are_blocked_and_unblocked() -> None:
    image.block_signals()
    held = signal.pthread_sigmask(signal.SIG_BLOCK, ())
    image.unblock_signals()

    assert set(BLOCKED) <= held
    assert not set(BLOCKED) & signal.pthread_sigmask(signal.SIG_BLOCK, ())


def test_own_image_is_interpreter_and_arguments() -> None:
    found = of_this_process()

    assert found.command == (sys.executable, *sys.orig_argv[1:])
    assert found.folder == os.getcwd()
    assert of_this_process("/srv").folder == "/srv"


def test_environment_decides_how_a_process_begins() -> None:
    memory = write(Handover(pid=os.getpid(), folder="/srv"))

    taken = begun("portmap", {VARIABLE: str(memory)})

    assert taken.former is not None
    assert (taken.image.folder, taken.checking) == ("/srv", False)
    assert begun("portmap", {VARIABLE: "check"}).checking
    assert begun("portmap", {}).former is None
