"""The kernel's handles as ids: valid over rename, move, restart and reboot; no memory needed.

::

    1 byte    kind of the handle, given by the file system
    ...       the handle: 8 bytes of ext4, 12 of tmpfs and xfs, 20 of btrfs

A handle has the inode's number and a generation, so that it does not open a later file that got the
same number. A file below a mount point, where the export crosses mount points, has an id with the
mount in front::

    1 byte    255, which is no kind
    6 bytes   hash of the file system's identity and of the path of its mount point
    1 byte    kind
    ...       the handle

The signature of the file handle around it shows that this server gave the id out, and so that the
file was below the root when it did. A file that a local user moves out of the directory keeps its
id, but its ``..`` is refused.

``open_by_handle_at`` needs CAP_DAC_READ_SEARCH.
"""

from __future__ import annotations

import errno
import logging
import os
import stat
from collections.abc import Callable
from hashlib import blake2b
from pathlib import Path

from oncrpc.nfs.backends.local.objects import LOOK, Objects, OpenObject, Place, looked_at, stale
from oncrpc.nfs.backends.local.syscalls import (
    RESOLVE_BENEATH,
    RESOLVE_NO_SYMLINKS,
    KernelHandle,
    handle_reader,
    name_to_handle_at,
    open_by_handle_at,
    openat2,
)
from oncrpc.nfs.backends.local.volumes import (
    MOUNTINFO,
    MountPoint,
    is_of_program,
    mount_of,
    mount_points,
    volume_identity,
)
from oncrpc.nfs.filesystem import MAX_ID

log = logging.getLogger("oncrpc.nfs")

BELOW_MOUNT = b"\xff"
HASH = 6
"""Bytes of the hash of a mount: the ids of xfs, the longest usual ones, have 20 then."""

MAX_CLIMB = 2048
"""Directories between a directory and the root, at most, for ``..``."""

TRIES = 20
"""How often a handle is tried while the kernel says ENOMEM."""

_LIST = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
_GONE = {errno.ESTALE, errno.EINVAL, errno.EOVERFLOW}
_NO_HANDLES = {errno.EOPNOTSUPP, errno.EOVERFLOW, errno.ENOSYS, errno.EPERM, errno.ESTALE}


class NoKernelHandles(OSError):
    """The kernel's handles cannot be used here; the text says why."""


class KernelHandles(Objects):
    """The files below a directory, by the kernel's handles.

    ``crosses`` says whether an export enters a mount point below the root, by its path; None enters
    none. A mounted file system stays busy from the first entry until ``close``.

    ``_top``, ``root``, ``_mount`` and ``_root`` are the descriptor, the id, the mount and the place
    of the root, and never change. ``_mounts`` and ``_hashes`` grow with each mount that is entered,
    until ``close``: each hash in ``_hashes`` is a key of ``_mounts``. ``_scanned`` is the mountinfo
    in which ``_mounted`` has looked for all mounts.

    Raises:
        NoKernelHandles: the file system gives none, or the server may not open them.
        OSError: the directory cannot be opened.
    """

    keeps_names = False

    def __init__(self, path: str, *, crosses: Callable[[bytes], bool] | None = None) -> None:
        self._crosses, self.enters_mounts = crosses, crosses is not None
        self._top = os.open(path, _LIST)
        self._mounts: dict[bytes, int] = {}  # by hash: a descriptor of the root of the mount
        self._hashes: dict[int, bytes] = {}  # by the number of the mount
        self._scanned = b""
        try:
            self._find_root()
        except BaseException:
            self.close()
            raise

    def _find_root(self) -> None:
        mount = mount_of(self._top)
        if mount and is_of_program(mount):
            raise NoKernelHandles(errno.EOPNOTSUPP, f"{mount.kind} may forget handles")
        try:
            handle = name_to_handle_at(self._top)
            self.root, self._mount = _packed(handle), handle.mount
            found = self.open(self.root)
        except OSError as error:
            if error.errno in _NO_HANDLES:
                raise NoKernelHandles(error.errno, error.strerror) from error
            raise
        self._root = found.place
        os.close(found.descriptor)

    def close(self) -> None:
        for descriptor in (self._top, *self._mounts.values()):
            os.close(descriptor)
        self._mounts.clear()

    def id_in_root_mount(self, handle: KernelHandle) -> bytes | None:
        """The id of a file with this handle; None if it is below a mount point."""
        return _packed(handle) if handle.mount == self._mount else None

    def id_of_entry(self, directory: int, name: bytes) -> bytes | None:
        """The same for a file of a directory; for many files, by one thread."""
        kind, handle, mount = _read_handle(directory, name)
        if mount != self._mount:
            return None
        if len(handle) >= MAX_ID or not 0 <= kind < BELOW_MOUNT[0]:
            return _packed(KernelHandle(kind, handle))
        return KINDS[kind] + handle

    def open(self, file: bytes) -> OpenObject:
        top, rest = self._top, file
        if file[:1] == BELOW_MOUNT:
            top, rest = self._mounted(file[1 : 1 + HASH]), file[1 + HASH :]
        if not rest:
            raise stale()
        try:
            descriptor = _opened(top, KernelHandle(rest[0], rest[1:]))
        except OSError as error:
            if error.errno in _GONE:
                raise stale() from None
            raise
        found = looked_at(descriptor)
        if not found.stat.st_nlink:  # removed, and still open somewhere
            os.close(descriptor)
            raise stale()
        return found

    def id_of(
        self,
        found: OpenObject,
        *,
        directory: bytes,
        name: bytes,
    ) -> bytes:
        handle = name_to_handle_at(found.descriptor)
        if handle.mount == self._mount:
            return _packed(handle)
        return _packed(handle, BELOW_MOUNT + self._entered(handle.mount, found))

    def parent(self, found: OpenObject, *, directory: bytes) -> bytes:
        above = looked_at(os.open("..", LOOK | os.O_DIRECTORY, dir_fd=found.descriptor))
        try:
            if not self._is_below(above):
                raise OSError(errno.EACCES, "the directory is not below the root any more")
            return self.id_of(above, directory=directory, name=b"..")
        finally:
            os.close(above.descriptor)

    def keep(self) -> None:
        """Do nothing: the kernel finds the file of a handle."""

    def sync(self) -> None:
        """Do nothing: the kernel finds the file of a handle."""

    def named(self, file: bytes, *, directory: bytes, name: bytes) -> None:
        """Handles do not depend on names."""

    def unnamed(self, file: bytes, *, directory: bytes, name: bytes, last: bool) -> None:
        """Handles do not depend on names."""

    def _is_below(self, found: OpenObject) -> bool:
        """Whether the directory is the root, or the root is above it."""
        descriptor, place = os.dup(found.descriptor), found.place
        try:
            for _ in range(MAX_CLIMB):
                if place == self._root:
                    return True
                above = os.open("..", LOOK, dir_fd=descriptor)
                os.close(descriptor)
                descriptor, before, place = above, place, _place(os.fstat(above))
                if place == before:
                    return False
            return False
        finally:
            os.close(descriptor)

    # Mount points below the root.

    def _entered(self, number: int, found: OpenObject) -> bytes:
        """The hash of a mount on which a file was found, by the mount's number."""
        if number not in self._hashes:
            mount = mount_of(found.descriptor)
            if mount is None or not self._enter(mount):
                raise OSError(errno.EACCES, "the export does not cross this mount point")
        return self._hashes[number]

    def _mounted(self, wanted: bytes) -> int:
        """A descriptor of the mount with that hash; looks again whenever mounts have changed.

        Raises:
            OSError: ESTALE: it is not mounted.
        """
        if wanted not in self._mounts and self._crosses is not None:
            text = Path(MOUNTINFO).read_bytes()
            if text != self._scanned:
                self._scanned = text
                for mount in mount_points(text):
                    self._enter(mount)
        if wanted not in self._mounts:
            raise stale()
        return self._mounts[wanted]

    def _enter(self, mount: MountPoint) -> bool:
        """Open a mount point, if it is below the root and the export crosses it."""
        top = os.readlink(f"/proc/self/fd/{self._top}".encode())
        path = os.path.relpath(mount.point, top)
        outside = path == b"." or path == b".." or path.startswith(b"../")
        if outside or self._crosses is None or not self._crosses(mount.point):
            return False
        if mount.number in self._hashes:
            return True
        try:
            if is_of_program(mount):
                raise OSError(errno.EOPNOTSUPP, f"{mount.kind} may forget handles")
            self._open_mount(mount, path)
        except OSError as error:
            log.warning("cannot enter the mount point %s: %s", os.fsdecode(mount.point), error)
        return mount.number in self._hashes

    def _open_mount(self, mount: MountPoint, path: bytes) -> None:
        resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS
        found = looked_at(openat2(self._top, path, LOOK, resolve=resolve))
        try:
            if not stat.S_ISDIR(found.stat.st_mode):
                raise OSError(errno.ENOTDIR, "only a file is mounted")
            if name_to_handle_at(found.descriptor).mount != mount.number:
                raise OSError(errno.EBUSY, "something else is mounted over it")
            opened = os.open(f"/proc/self/fd/{found.descriptor}", _LIST)
        finally:
            os.close(found.descriptor)
        identity = os.fsencode(volume_identity(f"/proc/self/fd/{opened}"))
        key = blake2b(identity + b"\0" + path, digest_size=HASH).digest()
        if key in self._mounts:  # mounted again: only the number of an open mount stays its own
            os.close(self._mounts[key])
            self._hashes = {number: k for number, k in self._hashes.items() if k != key}
        self._hashes[mount.number] = key
        self._mounts[key] = opened


_read_handle = handle_reader()
KINDS = [bytes([kind]) for kind in range(256)]


def _opened(top: int, handle: KernelHandle) -> int:
    """Open a handle as O_PATH.

    While another process makes a file of the inode number of a file that is gone, ext4 says ENOMEM
    for some microseconds; after that, the handle is stale.
    """
    for _ in range(TRIES - 1):
        try:
            return open_by_handle_at(top, handle, LOOK)
        except OSError as error:
            if error.errno != errno.ENOMEM:
                raise
    return open_by_handle_at(top, handle, LOOK)


def _packed(handle: KernelHandle, prefix: bytes = b"") -> bytes:
    """The id of a handle."""
    size = len(prefix) + 1 + len(handle.handle)
    if size > MAX_ID or not 0 <= handle.kind < BELOW_MOUNT[0]:
        raise OSError(errno.EOVERFLOW, f"a handle of kind {handle.kind}, {size} bytes, is too long")
    return prefix + bytes([handle.kind]) + handle.handle


def _place(found: os.stat_result) -> Place:
    return found.st_dev, found.st_ino
