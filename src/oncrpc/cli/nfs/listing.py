"""The text of attributes as ls prints them: modes, owners, sizes, times."""

from __future__ import annotations

import grp
import math
import pwd
import stat as modes
import time
from functools import lru_cache

from oncrpc.cli.nfs.names import plain
from oncrpc.nfs.client.results import FileStat

UNITS = "KMGTPE"
HALF_A_YEAR = 31556952 / 2
"""Seconds after which a time is shown with its year instead of its hour, as by ls."""

BLOCK = 1024
CACHED_IDS = 1024


def human_size(size: int) -> str:
    """A number of bytes as ls -h prints it, rounded up: ``0``, ``1023``, ``1.5K``, ``12M``."""
    value, unit = float(size), ""
    for unit in ("", *UNITS):
        rounded = math.ceil(value * 10) / 10 if unit and value < 10 else math.ceil(value)
        if rounded < 1024:
            break
        value /= 1024
    return f"{rounded:.1f}{unit}" if unit and rounded < 10 else f"{rounded:.0f}{unit}"


@lru_cache(CACHED_IDS)
def user_name(uid: int) -> str:
    """The name of a user on this host, else the number."""
    try:
        return plain(pwd.getpwuid(uid).pw_name)
    except (KeyError, OverflowError):
        return str(uid)


@lru_cache(CACHED_IDS)
def group_name(gid: int) -> str:
    """The name of a group on this host, else the number."""
    try:
        return plain(grp.getgrgid(gid).gr_name)
    except (KeyError, OverflowError):
        return str(gid)


def size_text(stat: FileStat, *, human: bool) -> str:
    """The size; for a device its major and minor number."""
    if modes.S_ISCHR(stat.mode) or modes.S_ISBLK(stat.mode):
        return f"{stat.device[0]}, {stat.device[1]}"
    return human_size(stat.size) if human else str(stat.size)


def time_text(seconds: float, now: float) -> str:
    """A time as ls -l prints it: ``Nov 29 21:13``, or with the year if it is long ago."""
    try:
        local = time.localtime(seconds)
    except (OverflowError, OSError, ValueError):  # from a server, any number
        return f"{seconds:.0f}"
    recent = now - HALF_A_YEAR < seconds <= now
    return time.strftime("%b %e %H:%M" if recent else "%b %e  %Y", local)
