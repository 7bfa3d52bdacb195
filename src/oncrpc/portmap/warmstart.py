"""The registry in the files of the C daemon: read at the start, written after every change.

A file is the body of a DUMP reply, of version 2 in ``portmap.xdr``, of version 3 in
``rpcbind.xdr``. If both exist, both are read or neither. Reading deletes nothing; an unreadable
file is renamed. A file is replaced in one step: a crash leaves the old one or the new one.
"""

from __future__ import annotations

import errno
import logging
import os
from collections.abc import Iterable
from contextlib import suppress
from functools import partial
from typing import Any

from oncrpc.addr import join_uaddr
from oncrpc.errors import XdrError
from oncrpc.host.files import OPEN_UNTRUSTED, FileFault, fault_of, replace_file, write_whole
from oncrpc.portmap.registry import NETIDS, SUPERUSER, Registry
from oncrpc.programs.portmap import PMAP_PROG, mapping, pmaplist, pmaplist_ptr
from oncrpc.programs.rpcb import rp__list, rpcb, rpcblist_ptr
from oncrpc.xdr import codec

log = logging.getLogger("oncrpc.portmap")

MAX_OWNER = 32
"""Bytes of an owner's name in a file of ``-w``."""

PORTMAP, RPCBIND = "portmap.xdr", "rpcbind.xdr"
MAX_SIZE = 32 << 20
"""Bytes of a file of ``-w``: more than the largest registry takes."""


class WarmStart:
    """The files of one ``-w``: a directory with both, one of the two, or any other name.

    A file of another name has the format of ``rpcbind.xdr``; that of ``portmap.xdr`` is read, too.
    """

    def __init__(self, path: str) -> None:
        folder, name = os.path.split(os.path.abspath(path))
        if os.path.isdir(path):
            folder, name = os.path.abspath(path), RPCBIND
        self.names = (PORTMAP, RPCBIND) if name in (PORTMAP, RPCBIND) else (name,)
        self.paths = [os.path.join(folder, name) for name in self.names]

    @property
    def ours(self) -> bool:
        """Whether the files have names that only a port mapper uses."""
        return self.names == (PORTMAP, RPCBIND)

    def written(self) -> float:
        """When the newest of the files was written; 0 without files."""
        times = [0.0]
        for path in self.paths:
            with suppress(OSError):
                times.append(os.lstat(path).st_mtime)
        return max(times)

    def load(self, registry: Registry) -> int:
        """Register the entries of the files, except the port mapper's own. Returns their number.

        Unusable registrations are left out and counted in the log.

        Raises:
            OSError, XdrError: a file is unreadable, unsafe or malformed; nothing was registered.
        """
        found = [_read(path) for path in reversed(self.paths) if os.path.lexists(path)]
        before = len(registry)
        others = [entry for entries in found for entry in entries if entry.r_prog != PMAP_PROG]
        refused = sum(not (_printable(entry.r_owner) and registry.set(entry)) for entry in others)
        if refused:
            log.warning("%d registrations could not be restored: they are not usable", refused)
        return len(registry) - before

    def set_aside(self) -> str:
        """Rename files that could not be loaded; returns what happened to them, for the log."""
        try:
            for path in self.paths:
                with suppress(FileNotFoundError):
                    os.replace(path, path + ".corrupt")
        except OSError as error:
            return f"it cannot be set aside: {error.strerror}"
        return "set aside with the ending .corrupt"

    def save(self, registry: Registry) -> bool:
        """Write the files. If that fails, log it, keep the old files, and return False."""
        try:
            for path in self.paths:
                os.close(replace_file(path, partial(write_whole, data=_contents(path, registry))))
        except OSError as error:
            log.warning("cannot write %s: %s", path, error.strerror)
            return False
        return True


def _contents(path: str, registry: Registry) -> bytes:
    if os.path.basename(path) == PORTMAP:
        return codec(pmaplist_ptr).encode([pmaplist(entry) for entry in registry.mappings()])
    return codec(rpcblist_ptr).encode([rp__list(entry) for entry in registry])


def _read(path: str) -> list[rpcb]:
    data = _read_checked(path)
    if os.path.basename(path) == PORTMAP:
        return _widened(codec(pmaplist_ptr).decode(data))
    try:
        entries: Any = codec(rpcblist_ptr).decode(data)
        return [entry.rpcb_map for entry in entries]
    except XdrError:
        if os.path.basename(path) == RPCBIND:
            raise
        return _widened(codec(pmaplist_ptr).decode(data))


def _read_checked(path: str) -> bytes:
    """The bytes of a regular file that only this user or root could have written."""
    flags = OPEN_UNTRUSTED | os.O_NOFOLLOW
    with open(path, "rb", opener=lambda name, _: os.open(name, flags)) as file:
        status = os.fstat(file.fileno())
        fault = fault_of(status, owners=(0, os.geteuid()), forbidden=0o022)
        if fault is FileFault.FOREIGN:
            raise PermissionError(errno.EPERM, f"belongs to uid {status.st_uid}", path)
        if fault is not None:
            raise PermissionError(errno.EPERM, "not a regular file, or writable by others", path)
        if status.st_size > MAX_SIZE:
            raise XdrError(path, MAX_SIZE, "the file is too long")
        return file.read(MAX_SIZE)


def _printable(owner: bytes) -> bool:
    return len(owner) <= MAX_OWNER and owner.isascii() and owner.decode().isprintable()


def _widened(entries: Iterable[pmaplist]) -> list[rpcb]:
    """Mappings of version 2 as registrations of the superuser, since they have no owner."""
    found: list[mapping] = [entry.map for entry in entries if entry.map.prot in NETIDS]
    return [
        rpcb(m.prog, m.vers, NETIDS[m.prot], _wildcard(m.port & 0xFFFF), SUPERUSER) for m in found
    ]


def _wildcard(port: int) -> bytes:
    return join_uaddr("0.0.0.0", port).encode()
