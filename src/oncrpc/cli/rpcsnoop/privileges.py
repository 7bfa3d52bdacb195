"""Drop the privileges of root, and open the output file without using them.

Root permanently becomes the user who called sudo(8), or ``nobody``.
"""

from __future__ import annotations

import errno
import os
import stat
from contextlib import suppress
from pwd import struct_passwd
from typing import BinaryIO, cast

from oncrpc.cli.command import Failure
from oncrpc.daemon import capabilities, privileges

CALLERS = ("SUDO_UID", "DOAS_USER", "PKEXEC_UID")
"""Environment variables in which commands like sudo name the user who called them."""

DEFAULT_USER = "nobody"
BUFFER = 1 << 18
FOREIGN = "it belongs to another user; remove it first"
REASONS = {errno.ELOOP: "it is a symbolic link; name the file itself"}


def caller() -> str | None:
    """The user who became root to run this command, None if there is no such user."""
    for variable in CALLERS:
        if (name := os.environ.get(variable)) and name not in ("0", "root"):
            return name
    return None


def give_up(program: str, user: str | None) -> None:
    """Drop all capabilities; root also permanently becomes a user.

    The default is the caller of sudo(8), or ``nobody``.

    Raises:
        Failure: there is no such user, or the system refuses the change.
    """
    if os.geteuid() != 0:
        if user is not None:
            raise Failure(f"{program}: only root can become {user}")
    else:
        _become(program, user or caller() or DEFAULT_USER)
    # A process that is not root may still have capabilities, such as CAP_NET_RAW.
    with suppress(OSError):
        capabilities.limit_to(())


def _become(program: str, name: str) -> None:
    try:
        user = cast(struct_passwd, privileges.user_of(name, ()))
    except KeyError:
        raise Failure(f"{program}: no user {name!r}; -Z names another") from None
    try:
        if user.pw_uid:
            privileges.drop(user)
    except OSError as error:
        reason = f"cannot become {name}: {error.strerror}; '-Z root' stays root"
        raise Failure(f"{program}: {reason}") from None


def open_output(program: str, path: str) -> BinaryIO:
    """Open a file to write; only its owner can read it, because captures contain secrets.

    A symbolic link is not followed, and a file of another user is not overwritten.

    Raises:
        Failure: it cannot be opened.
    """
    flags = os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW | os.O_NOCTTY | os.O_CLOEXEC
    try:
        descriptor = os.open(path, flags, 0o600)
        found = os.fstat(descriptor)
        if stat.S_ISREG(found.st_mode):
            if found.st_uid != os.geteuid():
                os.close(descriptor)
                raise Failure(f"{program}: cannot write {path}: {FOREIGN}")
            os.ftruncate(descriptor, 0)
    except OSError as error:
        reason = REASONS.get(error.errno or 0, error.strerror)
        raise Failure(f"{program}: cannot write {path}: {reason}") from None
    return open(descriptor, "wb", buffering=BUFFER)
