"""Leaving root once the sockets are bound, and leaving the terminal."""

from __future__ import annotations

import os
import pwd
import sys
from collections.abc import Callable

DEFAULT_USERS = ("_rpc", "rpc", "nobody")


def user_of(name: str | None) -> pwd.struct_passwd | None:
    """The user to become; by default the first of ``DEFAULT_USERS`` that the host has.

    Raises:
        KeyError: there is no user of that name or number.
    """
    if name is not None:
        return pwd.getpwuid(int(name)) if name.isdecimal() else pwd.getpwnam(name)
    for candidate in DEFAULT_USERS:
        try:
            return pwd.getpwnam(candidate)
        except KeyError:
            continue
    return None


def drop(user: pwd.struct_passwd) -> None:
    """Become the user, for good: no supplementary groups, no capability.

    Raises:
        OSError: we are not root.
    """
    os.setgroups([])
    os.setresgid(user.pw_gid, user.pw_gid, user.pw_gid)
    os.setresuid(user.pw_uid, user.pw_uid, user.pw_uid)


def open_standard_files() -> None:
    """Open descriptors 0, 1 and 2 where whoever started us has closed them.

    Else a socket would get such a number, and be lost when the daemon lets go of the terminal.
    """
    while (descriptor := os.open(os.devnull, os.O_RDWR)) <= 2:
        pass
    os.close(descriptor)
    sys.stderr = sys.stderr or open(2, "w", closefd=False)  # noqa: SIM115  # for as long as we run


def detach() -> Callable[[str], None]:
    """Go on in a background process; the caller's process waits for what that one reports.

    The result is to be called once: with an empty text when the daemon serves, which ends the
    first process with status 0; or with the error, which it prints, ending with status 1.
    """
    reading, writing = os.pipe()
    if os.fork():
        os.close(writing)
        _end_as_told(reading)
    os.close(reading)
    os.setsid()
    if os.fork():
        os._exit(0)
    os.chdir("/")
    return lambda report: _report(writing, report)


def _end_as_told(reading: int) -> None:
    with open(reading, "rb") as pipe:
        report = pipe.read()
    if report == b"\0":
        os._exit(0)
    sys.stderr.write(report.decode() or "portmap: the daemon ended before it could serve\n")
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
