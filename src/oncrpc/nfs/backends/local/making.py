"""New files of a local directory, which appear with all their attributes at once.

A regular file is made without a name (O_TMPFILE), gets its attributes, and then its name. A server
that is killed in between leaves no file, so a file never has other times than the client asked for:
they may hold the verifier of an exclusive create. Where the file system has no O_TMPFILE, the file
is made with another name, and then renamed.

All functions are called with the identity of the caller. As the Linux server does, they ignore that
it may not give a new file away: some clients always send a user and a group.
"""

from __future__ import annotations

import errno
import os
import secrets
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from threading import Lock

from oncrpc.nfs.backends.local.setting import set_mode, set_owner, times_of, truncate
from oncrpc.nfs.backends.local.syscalls import (
    look_at_entry,
    rename_without_replacing,
    utimensat,
)
from oncrpc.nfs.filesystem import DEFAULT_DIRECTORY_MODE, DEFAULT_MODE, NewAttributes
from oncrpc.nfs.posix import refusal
from oncrpc.programs.nfs3 import ftype3

SPECIAL = {
    ftype3.NF3BLK: stat.S_IFBLK,
    ftype3.NF3CHR: stat.S_IFCHR,
    ftype3.NF3SOCK: stat.S_IFSOCK,
    ftype3.NF3FIFO: stat.S_IFIFO,
}
"""The types that MKNOD makes."""

PERMISSIONS = stat.S_IRWXU | stat.S_IRWXG | stat.S_IRWXO

UNNAMED_PREFIX = b".nfsd-new-"
"""Begins the names of files that are not complete, where they need a name."""

_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_UNNAMED = os.O_WRONLY | os.O_TMPFILE | os.O_CLOEXEC
_NOT_SUPPORTED = {errno.EOPNOTSUPP, errno.EISDIR, errno.EINVAL, errno.ENOSYS}
_umask = Lock()


@contextmanager
def unmasked() -> Iterator[None]:
    """Modes are used as they are in the block: the umask of the process is 0."""
    with _umask:
        before = os.umask(0)
        try:
            yield
        finally:
            os.umask(before)


def make_file(directory: int, name: bytes, new: NewAttributes) -> int:
    """Create a regular file; returns a descriptor.

    Raises:
        FileExistsError: the name exists.
    """
    if new._replace(mode=None, size=new.size or None) == NewAttributes():
        return make_empty(directory, name, _mode(new))
    if _exists(directory, name):
        raise refusal(errno.EEXIST)
    try:
        return make_unnamed(directory, name, new)
    except OSError as error:
        if error.errno not in _NOT_SUPPORTED:
            raise
    return make_renamed(directory, name, new)


def make_empty(directory: int, name: bytes, mode: int) -> int:
    """Create a regular file of which only the mode is set; returns a descriptor.

    Raises:
        FileExistsError: the name exists.
    """
    with _umask:
        before = os.umask(0)
        try:
            return os.open(name, _NEW, mode, dir_fd=directory)
        finally:
            os.umask(before)


def make_unnamed(directory: int, name: bytes, new: NewAttributes) -> int:
    """Create a file without a name, and name it when it is complete."""
    with unmasked():
        descriptor = os.open(b".", _UNNAMED, _mode(new), dir_fd=directory)
    with _closed_if_refused(descriptor):
        _complete(descriptor, new)
        os.link(f"/proc/self/fd/{descriptor}", name, dst_dir_fd=directory)
    return descriptor


def make_renamed(directory: int, name: bytes, new: NewAttributes) -> int:
    """Create a file with another name, and rename it when it is complete."""
    other = UNNAMED_PREFIX + secrets.token_hex(8).encode()
    with unmasked():
        descriptor = os.open(other, _NEW, _mode(new), dir_fd=directory)
    with _closed_if_refused(descriptor):
        try:
            _complete(descriptor, new)
            _rename(directory, other, name)
        except OSError:
            os.unlink(other, dir_fd=directory)
            raise
    return descriptor


def make_directory(directory: int, name: bytes, new: NewAttributes) -> None:
    """Create a directory. It inherits the setgid bit, whatever the mode says, and has no setuid."""
    mode = DEFAULT_DIRECTORY_MODE if new.mode is None else new.mode
    with unmasked():
        os.mkdir(name, mode, dir_fd=directory)
    _finish(directory, name, new, remove=os.rmdir, bits=mode & stat.S_ISGID)


def make_symlink(directory: int, name: bytes, target: bytes, new: NewAttributes) -> None:
    """Create a symbolic link; the mode is ignored.

    Raises:
        OSError: EINVAL: a NUL in the target.
    """
    if b"\0" in target:
        raise OSError(errno.EINVAL, "a NUL in a symbolic link")
    os.symlink(target, name, dir_fd=directory)
    _finish(directory, name, new, remove=os.unlink)


def make_special(
    directory: int, name: bytes, kind: ftype3, *, device: tuple[int, int], new: NewAttributes
) -> None:
    """Create a device, a socket or a FIFO.

    Raises:
        OSError: EINVAL: something else, or a number that no device has.
    """
    number = 0
    if kind in {ftype3.NF3BLK, ftype3.NF3CHR}:
        number = _device(*device)
    if kind not in SPECIAL:
        raise OSError(errno.EINVAL, f"cannot make {kind!r}")
    with unmasked():
        os.mknod(name, _mode(new) | SPECIAL[kind], number, dir_fd=directory)
    _finish(directory, name, new, remove=os.unlink)


def _mode(new: NewAttributes) -> int:
    return DEFAULT_MODE if new.mode is None else stat.S_IMODE(new.mode)


def _device(major: int, minor: int) -> int:
    try:
        number = os.makedev(major, minor)
    except (OverflowError, ValueError):
        number = -1
    if number < 0 or (os.major(number), os.minor(number)) != (major, minor):
        raise OSError(errno.EINVAL, f"no device has the numbers {major}, {minor}")
    return number


def _exists(directory: int, name: bytes) -> bool:
    try:
        os.close(look_at_entry(directory, name))
    except FileNotFoundError:
        return False
    except OSError as error:
        if error.errno != errno.EXDEV:
            raise
    return True


def _complete(descriptor: int, new: NewAttributes) -> None:
    """Set what open(2) did not."""
    if new.uid is not None or new.gid is not None:
        permissions = os.fstat(descriptor).st_mode & PERMISSIONS
        with suppress(PermissionError):
            set_owner(descriptor, new)
            # Permissions stay: by the default list of the directory they may be fewer than asked.
            os.fchmod(descriptor, permissions | _mode(new) & ~PERMISSIONS)
    if new.size:
        truncate(descriptor, new.size)
    if times := times_of(new):
        utimensat(descriptor, *times)


def _finish(
    directory: int,
    name: bytes,
    new: NewAttributes,
    *,
    remove: Callable[..., None],
    bits: int = 0,
) -> None:
    """Set what remains of a file that has its name already, or remove it."""
    times = times_of(new)
    if new.uid is None and new.gid is None and not times and not bits:
        return
    descriptor = look_at_entry(directory, name)
    try:
        if new.uid is not None or new.gid is not None:
            with suppress(PermissionError):
                set_owner(descriptor, new)
        mode = os.fstat(descriptor).st_mode
        if bits & ~mode:  # a setgid bit that is inherited would be lost outside of the group
            set_mode(descriptor, mode | bits)
        if times:
            utimensat(descriptor, *times)
    except OSError:
        remove(name, dir_fd=directory)
        raise
    finally:
        os.close(descriptor)


def _rename(directory: int, other: bytes, name: bytes) -> None:
    """Rename a complete file; EEXIST if the name exists."""
    try:
        rename_without_replacing(directory, other, directory, name)
    except OSError as error:
        if error.errno not in _NOT_SUPPORTED:
            raise
        os.link(other, name, src_dir_fd=directory, dst_dir_fd=directory)
        os.unlink(other, dir_fd=directory)


@contextmanager
def _closed_if_refused(descriptor: int) -> Iterator[None]:
    try:
        yield
    except OSError:
        os.close(descriptor)
        raise
