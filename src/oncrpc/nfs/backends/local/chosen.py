"""The choice between the kernel's handles and a table, made by trying."""

from __future__ import annotations

import errno
import logging
import os
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import suppress
from itertools import islice
from typing import NamedTuple

from oncrpc.nfs.backends.local.kernel_handles import KernelHandles, NoKernelHandles
from oncrpc.nfs.backends.local.objects import Objects, looked_at
from oncrpc.nfs.backends.local.syscalls import look_at_entry
from oncrpc.nfs.backends.local.table import HandleTable
from oncrpc.nfs.backends.local.table_rows import Rows

log = logging.getLogger("oncrpc.nfs")

OPEN_TOP = os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC
TRIED = 16
"""Entries of the directory to try: a user namespace may open some kinds of files and not others."""

REASONS = {
    errno.EPERM: "the server has no CAP_DAC_READ_SEARCH",
    errno.EOPNOTSUPP: "the file system gives no handles",
    errno.EOVERFLOW: "the file system's handles are too long",
    errno.ENOSYS: "the system has no handles",
    errno.ESTALE: "the file system does not find files by its handles",
}


class ChosenObjects(NamedTuple):
    """The ids of an export's files, and a sentence that says what they are, and why."""

    objects: Objects
    reason: str


def chosen_objects(path: str, table: str | None) -> ChosenObjects:
    """The kernel's handles if they work for the files of ``path``, and otherwise a table.

    Raises:
        OSError: as ``table_objects``.
    """
    try:
        return ChosenObjects(kernel_objects(path), "file handles are the kernel's")
    except NoKernelHandles as error:
        return table_objects(path, table, why=error)


def kernel_objects(path: str, *, crosses: Callable[[bytes], bool] | None = None) -> KernelHandles:
    """The kernel's handles.

    Raises:
        NoKernelHandles: they do not work for the directory, or for files in it.
        OSError: the directory cannot be opened.
    """
    found = KernelHandles(path, crosses=crosses)
    try:
        for name in _some_names(path):
            _try(found, path, name)
    except OSError as error:
        found.close()
        raise NoKernelHandles(error.errno, error.strerror) from error
    return found


def table_objects(path: str, table: str | None, *, why: NoKernelHandles) -> ChosenObjects:
    """A table of handles, with the reason why it is needed.

    ``table`` is the path of its file, in a directory of the server alone; None keeps the table in
    memory. A damaged one is set aside, and its ids are stale.

    Raises:
        OSError: the directory cannot be opened. EPERM, EBUSY: the table is open to others, or used
            by another server.
    """
    rows = _rows(table)
    try:
        found = HandleTable(os.fsencode(path), rows)
    except OSError:
        rows.close()
        raise
    where = "in memory, and end with the server" if table is None else f"in {table}"
    reason = REASONS.get(why.errno or 0, "the kernel gives no handles")
    text = f"file handles are kept in a table {where}: {reason} ({why.strerror})"
    if found.weak:
        text += "; the file system does not tell when a file was created: a handle may lead to a"
        text += " later file of the same name and inode number"
    return ChosenObjects(found, text)


def _some_names(path: str) -> Iterator[bytes]:
    try:
        with os.scandir(path) as entries:
            yield from [os.fsencode(entry.name) for entry in islice(entries, TRIED)]
    except OSError:
        return


def _try(handles: KernelHandles, path: str, name: bytes) -> None:
    """Open a file by its handle; it may be gone, or on another file system."""
    try:
        top = os.open(path, OPEN_TOP)
        try:
            found = looked_at(look_at_entry(top, name))
        finally:
            os.close(top)
    except OSError:
        return
    try:
        file = handles.id_of(found, directory=handles.root, name=name)
    except OSError as error:
        if error.errno == errno.EACCES:
            return
        raise
    finally:
        os.close(found.descriptor)
    try:
        os.close(handles.open(file).descriptor)
    except OSError as error:
        if error.errno != errno.ESTALE or os.path.lexists(os.path.join(os.fsencode(path), name)):
            raise


def _rows(table: str | None) -> Rows:
    """The rows of a table; a new one if it is damaged."""
    if table is None:
        return Rows(None)
    try:
        return Rows(table)
    except sqlite3.DatabaseError as error:
        log.error(
            "%s is damaged (%s); it is set aside as %s.corrupt, and clients get 'Stale file"
            " handle' (ESTALE) and have to mount again",
            table,
            error,
            table,
        )
        for suffix in ("", "-wal"):
            with suppress(FileNotFoundError):
                os.replace(table + suffix, f"{table}.corrupt{suffix}")
        return Rows(table)
