"""The capabilities of this process (capabilities(7)): what it has, and giving up the others.

They are those of a thread: call this before any other thread is started.
"""

from __future__ import annotations

import ctypes
import os
from collections.abc import Collection
from contextlib import suppress
from enum import IntEnum
from typing import Any

PR_SET_KEEPCAPS = 8
PR_CAPBSET_DROP = 24
PR_SET_NO_NEW_PRIVS = 38
PR_CAP_AMBIENT = 47
AMBIENT_RAISE, AMBIENT_CLEAR_ALL = 2, 4
VERSION_3 = 0x20080522
"""The form of capset(2) with 64 bits."""

HIGHEST = 63
STATUS = "/proc/thread-self/status"


class Capability(IntEnum):
    """The capabilities that a daemon may keep."""

    CHOWN = 0
    DAC_OVERRIDE = 1
    DAC_READ_SEARCH = 2
    FOWNER = 3
    FSETID = 4
    SETGID = 6
    SETUID = 7
    NET_BIND_SERVICE = 10
    SYS_ADMIN = 21
    MKNOD = 27


class _Header(ctypes.Structure):
    _fields_ = (("version", ctypes.c_uint32), ("pid", ctypes.c_int))


class _Sets(ctypes.Structure):
    _fields_ = (
        ("effective", ctypes.c_uint32),
        ("permitted", ctypes.c_uint32),
        ("inheritable", ctypes.c_uint32),
    )


def held() -> frozenset[Capability]:
    """The effective capabilities of this thread; none if the kernel does not tell."""
    try:
        return _set(b"CapEff")
    except OSError:
        return frozenset()


def keep_over_change_of_user() -> None:
    """Let the permitted capabilities outlive the next change of the user.

    Raises:
        OSError: the kernel refuses.
    """
    _prctl(PR_SET_KEEPCAPS, 1)


def limit_to(kept: Collection[Capability]) -> None:
    """Keep these, as far as they are permitted, and give up all others for good.

    A program that is executed later, such as a new image of this one, has no more than these.

    Raises:
        OSError: the kernel refuses.
    """
    for number in range(HIGHEST + 1):
        if number not in kept:
            with suppress(OSError):  # without CAP_SETPCAP; no_new_privs does it too
                _prctl(PR_CAPBSET_DROP, number)
    _prctl(PR_SET_NO_NEW_PRIVS, 1)
    kept = frozenset(kept) & _set(b"CapPrm")
    _capset(kept, inheritable=kept if os.geteuid() else ())
    with suppress(OSError):  # kernels before 4.3 have none
        _prctl(PR_CAP_AMBIENT, AMBIENT_CLEAR_ALL)
        for each in kept if os.geteuid() else ():
            # Without this, a new image of an ordinary user's process would have none.
            _prctl(PR_CAP_AMBIENT, AMBIENT_RAISE, each)


def _set(name: bytes) -> frozenset[Capability]:
    """A set of this thread by its name in the kernel's file.

    Raises:
        OSError: it cannot be read.
    """
    with open(STATUS, "rb") as status:
        bits = next((int(line.split()[1], 16) for line in status if line.startswith(name)), 0)
    return frozenset(each for each in Capability if bits >> each & 1)


_libc: Any = ctypes.CDLL(None, use_errno=True)


def _prctl(option: int, *arguments: int) -> None:
    numbers = [ctypes.c_ulong(each) for each in (*arguments, 0, 0, 0, 0)[:4]]
    _checked(_libc.prctl(option, *numbers))


def _capset(kept: Collection[Capability], *, inheritable: Collection[Capability]) -> None:
    header, sets = _Header(VERSION_3, 0), (_Sets * 2)()
    for each in kept:
        half, bit = divmod(each, 32)
        sets[half].effective |= 1 << bit
        sets[half].permitted |= 1 << bit
    for each in inheritable:
        half, bit = divmod(each, 32)
        sets[half].inheritable |= 1 << bit
    _checked(_libc.capset(ctypes.byref(header), sets))


def _checked(status: int) -> None:
    if status == -1:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
