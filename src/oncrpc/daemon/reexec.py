"""The program that this process runs, and putting a new image of it in its place (execve(2)).

After that there is no way back. So a child tries first whether the program can start as the user
that we are now: it loads everything, reads the options and the configuration, and says that it
understands what it would be left. That user may not be allowed to read what root could.
"""

from __future__ import annotations

import asyncio
import os
import pwd
import signal
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import NoReturn

from msgspec import Struct

from oncrpc.daemon.activation import VARIABLES
from oncrpc.daemon.handover import (
    CHECK,
    UNDERSTOOD,
    VARIABLE,
    Handover,
    keep_private,
    write,
)

CHECK_TIME = 10.0
"""Seconds that a new image has to start in the child."""

HELD = (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT, signal.SIGHUP, signal.SIGUSR2)
"""Signals that wait while nobody obeys them: from one image to the other."""


class Image(Struct, frozen=True):
    """A command, and the folder in which it was given."""

    command: Sequence[str]
    folder: str

    async def fault(self) -> str:
        """Why the program could not start; empty if it can."""
        try:
            child = await asyncio.create_subprocess_exec(
                *self.command,
                cwd=self.folder if os.access(self.folder, os.X_OK) else "/",
                env=_environment(os.environ, CHECK, without=("NOTIFY_SOCKET",)),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.PIPE,
            )
        except OSError as error:
            reason = (error.strerror or "").lower()
            return f"user {_user()} cannot run {self.command[0]}: {reason}"
        try:
            async with asyncio.timeout(CHECK_TIME):
                said, complained = await child.communicate()
        except TimeoutError:
            child.kill()
            await child.wait()
            return f"the new image does not start within {CHECK_TIME:g} s"
        if child.returncode == 0 and UNDERSTOOD in said.decode(errors="replace").splitlines():
            return ""
        lines = complained.decode(errors="replace").strip().splitlines()
        if lines:
            return lines[-1].removeprefix("portmap: ")
        return f"the new image does not take over ({child.returncode})"

    def replace(self, handover: Handover) -> NoReturn:
        """Run a new image here; hold the signals before.

        Raises:
            OSError: it could not be done; nothing has changed.
        """
        before = os.getcwd()
        memory = write(handover)
        passed = [memory, *handover.descriptors()]
        try:
            for descriptor in passed:
                os.set_inheritable(descriptor, True)
            with suppress(OSError):
                os.chdir(self.folder)
            os.execve(self.command[0], list(self.command), _environment(os.environ, str(memory)))
        finally:
            os.chdir(before)
            keep_private(passed)
            os.close(memory)


def of_this_process(folder: str = "") -> Image:
    """The image that runs here: the same interpreter, program and options."""
    return Image((sys.executable, *sys.orig_argv[1:]), folder or _folder())


def hold_signals() -> None:
    """Have signals wait that nobody could obey: they outlast the image."""
    signal.pthread_sigmask(signal.SIG_BLOCK, HELD)


def obey_signals() -> None:
    """Let them through."""
    signal.pthread_sigmask(signal.SIG_UNBLOCK, HELD)


def _folder() -> str:
    try:
        return os.getcwd()
    except OSError:
        return "/"


def _environment(
    environ: Mapping[str, str], said: str, *, without: Sequence[str] = ()
) -> dict[str, str]:
    kept = {name: value for name, value in environ.items() if name not in (*VARIABLES, *without)}
    return {**kept, VARIABLE: said}


def _user() -> str:
    try:
        return pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:
        return str(os.geteuid())
