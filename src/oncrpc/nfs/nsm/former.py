"""The files of rpc.statd, ``/var/lib/nfs``, read at the first start. They are not changed.

``state`` has the state number, as four bytes in this host's order. ``sm`` has a file for each host
that is watched, ``sm.bak`` one for each that has not been notified of a restart. A line is a
program that watches the host: an address that is not used, program, version and procedure in
hexadecimal, the private data, the host, and the program's name for this host::

    0100007f 000186b5 00000003 00000010 9c1b28a7…dcb1 192.0.2.1 server
"""

from __future__ import annotations

import os
import re
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import NamedTuple

from oncrpc.host.files import OPEN_UNTRUSTED
from oncrpc.nfs.nsm.entries import RpcMonitor
from oncrpc.nfs.nsm.matching import can_be_called, is_host

STATD = "/var/lib/nfs"
MAX_FILES = 65536
"""Files of a directory of rpc.statd that are read."""

MAX_BYTES = 65536
"""Bytes of a file of rpc.statd that are read."""

_LINE = re.compile(
    rb"[0-9a-f]{8} ([0-9a-f]{8}) ([0-9a-f]{8}) ([0-9a-f]{8}) ([0-9a-f]{32}) ([!-~]+) ([!-~]+)"
)


class FormerMonitor(NamedTuple):
    """What rpc.statd has left.

    ``state`` is its state number, None if there is none, and ``this_boot`` whether it is of this
    boot. ``watched`` are the hosts of ``sm``, ``notices`` those of ``sm.bak``.
    """

    state: int | None
    this_boot: bool
    watched: list[RpcMonitor]
    notices: list[RpcMonitor]


def booted_at() -> float:
    """When this host was booted, in seconds since 1970."""
    return time.time() - time.clock_gettime(time.CLOCK_BOOTTIME)


def read_former(folder: str, *, booted: Callable[[], float] = booted_at) -> FormerMonitor:
    """Read the files below a directory. What is missing or damaged is left out."""
    state, modified = _state(os.path.join(folder, "state"))
    watched, notices = (list(_monitors(os.path.join(folder, name))) for name in ("sm", "sm.bak"))
    return FormerMonitor(state, modified >= booted(), watched, notices)


def _state(path: str) -> tuple[int | None, float]:
    """The number, and when it was written."""
    with suppress(OSError):
        data, modified = _read(path, None)
        number = int.from_bytes(data, sys.byteorder)
        if len(data) == 4 and number:
            return number, modified
    return None, 0.0


def _monitors(folder: str) -> Iterator[RpcMonitor]:
    try:
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError:
        return
    try:
        for name in os.listdir(descriptor)[:MAX_FILES]:
            if not name.startswith("."):
                with suppress(OSError):
                    data, _ = _read(name, descriptor)
                    yield from filter(None, map(monitor_of, data.split(b"\n")))
    finally:
        os.close(descriptor)


def _read(name: str, folder: int | None) -> tuple[bytes, float]:
    """The content of a regular file, and when it was written.

    Raises:
        OSError: it cannot be read.
    """
    descriptor = os.open(name, OPEN_UNTRUSTED | os.O_NOFOLLOW, dir_fd=folder)
    with open(descriptor, "rb") as file:
        return file.read(MAX_BYTES), os.fstat(descriptor).st_mtime


def monitor_of(line: bytes) -> RpcMonitor | None:
    """The monitor of a line; None if we would not have accepted it."""
    found = _LINE.fullmatch(line)
    if found is None:
        return None
    prog, vers, proc = (int(each, 16) for each in found.groups()[:3])
    priv, mon_name, my_name = bytes.fromhex(found[4].decode()), found[5], found[6]
    if not is_host(mon_name) or not can_be_called(prog, proc):
        return None
    return RpcMonitor(mon_name, my_name, prog, vers, proc, priv)
