"""The mark of a file: its inode number, and its birth, which no earlier file with that number has.

A file system gives the number of a removed file to a new one, often to the very next. The two
differ in the time of birth, and in the generation that is part of the kernel's handle of the file.
Any user may ask for that handle; only to open a file by it needs a privilege. Both together are
hashed to one number, the ``birth`` of the file.

On overlayfs the time of birth changes when a file of the lower layer is first written to, and the
file is copied up; the handle does not change. It is asked for as an identifier only
(AT_HANDLE_FID, Linux 6.6), since most overlays cannot open files by handles.

A file system that has neither (FUSE, overlayfs before Linux 6.6) leaves ``birth`` weak: it then
tells the type of the file and nothing more.
"""

from __future__ import annotations

import stat
from hashlib import blake2b
from typing import NamedTuple

from oncrpc.nfs.backends.local.syscalls import file_system_type, name_to_handle_at, statx

OVERLAYFS = 0x794C7630
WITH_HANDLES = {
    OVERLAYFS: "overlayfs",
    0xEF53: "ext4",
    0x58465342: "xfs",
    0x9123683E: "btrfs",
    0x01021994: "tmpfs",
    0xF2F52010: "f2fs",
    0xCA451A4E: "bcachefs",
}
"""Types of file systems whose handles are the inode number and its generation, and never change."""

WEAK = 16
"""A ``birth`` below this is only the type of the file."""

MAX_MOUNT_TYPES = 1024
"""Mounts whose type is remembered."""


class FileMark(NamedTuple):
    """Recognises a file: ``ino`` and ``birth`` in the file system of a mount.

    ``mount`` is a number of the mounted file system that is valid until it is unmounted.
    """

    mount: int
    ino: int
    birth: int
    links: int
    kind: int

    @property
    def weak(self) -> bool:
        """Whether another file could have the same mark later."""
        return self.birth < WEAK

    @property
    def is_directory(self) -> bool:
        """Whether it is a directory."""
        return stat.S_ISDIR(self.kind)


_types = dict[int, int]()
"""A cache of the types of file systems. Key: the mount's number. Emptied at ``MAX_MOUNT_TYPES``."""


def mark_of(descriptor: int) -> FileMark:
    """The mark of an open file, which may be open with ``O_PATH``.

    Raises:
        OSError: the file system does not answer.
    """
    mount, ino, mode, links, born = statx(descriptor)
    kind = stat.S_IFMT(mode)
    birth = _birth(descriptor, _type_of(descriptor, mount), born)
    return FileMark(mount, _signed(ino), kind >> 12 if birth is None else birth, links, kind)


def _birth(descriptor: int, type_: int, born: int | None) -> int | None:
    """A number of the file's birth; None if the file system tells nothing about it."""
    known = b"" if born is None or type_ == OVERLAYFS else b"%d" % born
    if type_ in WITH_HANDLES:
        known += _handle(descriptor, only_id=type_ == OVERLAYFS)
    if not known:
        return None
    digest = blake2b(known, digest_size=8).digest()
    return int.from_bytes(digest, "big") >> 2 | 1 << 62


def _handle(descriptor: int, *, only_id: bool) -> bytes:
    """The kernel's handle of a file, empty if there is none."""
    try:
        kind, handle, _ = name_to_handle_at(descriptor, only_id=only_id)
    except OSError:
        return b""
    return b" %d " % kind + handle


def _type_of(descriptor: int, mount: int) -> int:
    found = _types.get(mount)
    if found is None:
        if len(_types) >= MAX_MOUNT_TYPES:
            _types.clear()
        found = _types[mount] = file_system_type(descriptor)
    return found


def _signed(number: int) -> int:
    """The number as the table has it: SQLite's integers are signed."""
    return number - (1 << 64) if number >> 63 else number
