"""Leaving root once the sockets are bound, and leaving the terminal."""

from __future__ import annotations

import os
import pwd
import sys
from collections.abc import Callable, Collection, Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from oncrpc.daemon.capabilities import Capability


def user_of(name: str | None, usual: Iterable[str]) -> pwd.struct_passwd | None:
    """The user to become: the one of that name or number, else the first of ``usual`` that exists.

    Raises:
        KeyError: there is no user of that name or number.
    """
    if name is not None:
        return pwd.getpwuid(int(name)) if name.isdecimal() else pwd.getpwnam(name)
    for candidate in usual:
        try:
            return pwd.getpwnam(candidate)
        except KeyError:
            continue
    return None


def drop(user: pwd.struct_passwd, kept: Collection[Capability] = ()) -> None:
    """Become the user, for good: no supplementary groups, no capability but ``kept``.

    Raises:
        OSError: we are not root.
    """
    from oncrpc.daemon.capabilities import keep_over_change_of_user, limit_to  # loads ctypes

    if kept:
        keep_over_change_of_user()
    os.setgroups([])
    os.setresgid(user.pw_gid, user.pw_gid, user.pw_gid)
    os.setresuid(user.pw_uid, user.pw_uid, user.pw_uid)
    if kept:
        limit_to(kept)


def open_standard_files() -> None:
    """Open descriptors 0, 1 and 2 if they are closed.

    Otherwise a socket would get such a number, and be lost when the daemon leaves the terminal.
    """
    while (descriptor := os.open(os.devnull, os.O_RDWR)) <= 2:
        pass
    os.close(descriptor)
    sys.stderr = sys.stderr or open(2, "w", closefd=False)  # noqa: SIM115  # for as long as we run


def detach(name: str) -> Callable[[str], None]:
    """Go on in a background process; the first process waits for the report.

    The result is to be called once: with an empty text when the daemon serves, which ends the
    first process with status 0; or with the error, which it prints, ending with status 1.
    """
    reading, writing = os.pipe()
    if os.fork():
        os.close(writing)
        _exit_as_reported(reading, name)
    os.close(reading)
    os.setsid()
    if os.fork():
        os._exit(0)
    os.chdir("/")
    return lambda report: _report(writing, report)


def _exit_as_reported(reading: int, name: str) -> None:
    with open(reading, "rb") as pipe:
        report = pipe.read()
    if report == b"\0":
        os._exit(0)
    sys.stderr.write(report.decode() or f"{name}: the daemon ended before it could serve\n")
    sys.stderr.flush()
    os._exit(1)


def _report(writing: int, report: str) -> None:
    """Tell the first process, and let go of the terminal."""
    os.write(writing, report.encode() or b"\0")
    os.close(writing)
    nowhere = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 1, 2):
        os.dup2(nowhere, descriptor)
    os.close(nowhere)
