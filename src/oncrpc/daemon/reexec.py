"""Replacing the program of this process by a new image of it (execve(2)).

An image is the program that a process runs. ``execve`` cannot be undone. So a child process first
tries whether the program can start as the current user, who cannot read every file that root can:
it imports everything, reads the options and the configuration, and prints that it can read a
handover.
"""

from __future__ import annotations

import asyncio
import os
import pwd
import signal
import sys
from collections.abc import Mapping, MutableMapping, Sequence
from contextlib import suppress
from typing import NoReturn

from msgspec import Struct

from oncrpc.daemon.activation import VARIABLES, Passed, passed_by_manager
from oncrpc.daemon.handover import (
    CHECK,
    UNDERSTOOD,
    VARIABLE,
    Handover,
    keep_private,
    received,
    write,
)

CHECK_TIME = 10.0
"""Seconds for the new image to start in the child."""

BLOCKED = (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT, signal.SIGHUP, signal.SIGUSR2)
"""Signals to block between two images; they stay pending across ``execve``."""


class Image(Struct, frozen=True):
    """A command line, and the directory in which it was given."""

    command: Sequence[str]
    folder: str

    async def fault(self) -> str:
        """Why the program cannot start; empty if it can."""
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
                out, errors = await child.communicate()
        except TimeoutError:
            child.kill()
            await child.wait()
            return f"the new image does not start within {CHECK_TIME:g} s"
        if child.returncode == 0 and UNDERSTOOD in out.decode(errors="replace").splitlines():
            return ""
        lines = errors.decode(errors="replace").strip().splitlines()
        if lines:
            return lines[-1].partition(": ")[2] or lines[-1]
        return f"the new image does not take over ({child.returncode})"

    def replace(self, handover: Handover) -> NoReturn:
        """Execute a new image in this process; call ``block_signals`` before.

        Raises:
            OSError: it failed, and nothing has changed.
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


def block_signals() -> None:
    """Block the signals across ``execve``: they are delivered to the new image."""
    signal.pthread_sigmask(signal.SIG_BLOCK, BLOCKED)


def unblock_signals() -> None:
    """Unblock the signals; pending ones are delivered."""
    signal.pthread_sigmask(signal.SIG_UNBLOCK, BLOCKED)


def _folder() -> str:
    try:
        return os.getcwd()
    except OSError:
        return "/"


def _environment(
    environ: Mapping[str, str], value: str, *, without: Sequence[str] = ()
) -> dict[str, str]:
    kept = {name: value for name, value in environ.items() if name not in (*VARIABLES, *without)}
    return {**kept, VARIABLE: value}


def _user() -> str:
    try:
        return pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:
        return str(os.geteuid())


class Start(Struct, frozen=True):
    """How this process was started.

    ``former`` is what an earlier image has left, ``passed`` the open sockets. With ``checking`` the
    process only reports whether it could start.
    """

    image: Image
    passed: Sequence[Passed] = ()
    former: Handover | None = None
    checking: bool = False


def begun(name: str, environ: MutableMapping[str, str] = os.environ) -> Start:
    """Read the environment, and remove from it what is for this process only.

    Raises:
        StartError: what a former image has left cannot be read.
    """
    if environ.get(VARIABLE) == CHECK:
        return Start(of_this_process(), checking=True)
    former = received(environ)
    if former is not None:
        return Start(of_this_process(former.folder), former.sockets, former)
    return Start(of_this_process(), passed_by_manager(name, environ))
