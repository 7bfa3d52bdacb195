"""System calls of Linux that Python does not have.

All of them raise ``OSError`` with the errno, as ``os`` does, and refuse a NUL in a name. Those that
work on "the file of a descriptor" take O_PATH descriptors too. ENOSYS: the kernel or the C library
lacks the call.
"""

from __future__ import annotations

import ctypes
import errno
import os
import platform
import struct
from collections.abc import Callable, Sequence
from ctypes import byref, c_char_p, c_int, c_long, c_size_t, c_uint, c_void_p, create_string_buffer
from typing import Any, NamedTuple

AT_FDCWD = -100
AT_EACCESS = 0x200
AT_SYMLINK_NOFOLLOW = 0x100
AT_SYMLINK_FOLLOW = 0x400
AT_EMPTY_PATH = 0x1000
AT_HANDLE_FID = 0x200
RENAME_NOREPLACE = 1
RESOLVE_NO_XDEV, RESOLVE_NO_MAGICLINKS, RESOLVE_NO_SYMLINKS, RESOLVE_BENEATH = 1, 2, 4, 8
UTIME_NOW, UTIME_OMIT = (1 << 30) - 1, (1 << 30) - 2
MAX_HANDLE_SZ = 128
"""Bytes of a handle of the kernel."""

_OPENAT2, _FACCESSAT2 = 437, 439
_64_BIT = ctypes.sizeof(c_void_p) == 8
_SETGROUPS = {
    ("x86_64", True): 116,
    ("aarch64", True): 159,
    ("riscv64", True): 159,
    ("loongarch64", True): 159,
    ("ppc64le", True): 81,
    ("s390x", True): 206,
    ("i686", False): 206,
    ("x86_64", False): 206,
    ("armv7l", False): 206,
    ("aarch64", False): 206,
}.get((platform.machine(), _64_BIT))
"""The number of setgroups: the function of the C library changes all threads of the process."""

_libc = ctypes.CDLL(None, use_errno=True)


def _function(name: str, *arguments: Any, result: Any = c_int) -> Callable[..., int] | None:
    """A function of the C library; None if it lacks it."""
    function = getattr(_libc, name, None)
    if function is not None:
        function.argtypes, function.restype = arguments, result
    return function


_syscall = _libc.syscall
_syscall.restype = c_long
_name_to_handle_at = _function("name_to_handle_at", c_int, c_char_p, c_void_p, c_void_p, c_int)
_open_by_handle_at = _function("open_by_handle_at", c_int, c_void_p, c_int)
_getdents64 = _function("getdents64", c_int, c_void_p, c_size_t, result=c_long)
_statx = _function("statx", c_int, c_char_p, c_int, c_uint, c_void_p)
_fchownat = _function("fchownat", c_int, c_char_p, c_uint, c_uint, c_int)
_utimensat = _function("utimensat", c_int, c_char_p, c_void_p, c_int)
_renameat2 = _function("renameat2", c_int, c_char_p, c_int, c_char_p, c_uint)
_syncfs = _function("syncfs", c_int)
_fstatfs = _function("fstatfs", c_int, c_void_p)
_quotactl = _function("quotactl", c_int, c_char_p, c_uint, c_void_p)
_setfsuid = _function("setfsuid", c_uint)
_setfsgid = _function("setfsgid", c_uint)


def _done(function: Callable[..., int] | None, *arguments: object) -> int:
    """Call it, and raise its errno."""
    if function is None:
        raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS))
    result = function(*arguments)
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    return result


def _text(name: bytes) -> bytes:
    if b"\0" in name:
        raise OSError(errno.EINVAL, "a NUL in a name")
    return name


class KernelHandle(NamedTuple):
    """``struct file_handle``, and the number of the mount that the file was found through."""

    kind: int
    handle: bytes
    mount: int = 0


_HANDLE = struct.Struct("=Ii")
_INT = struct.Struct("=i")


def name_to_handle_at(descriptor: int, name: bytes = b"", *, only_id: bool = False) -> KernelHandle:
    """The handle of a file of a directory, or of the descriptor's file if there is no name.

    ``only_id``: it only recognises the file, and need not open it; that needs Linux 6.5.
    """
    buffer = create_string_buffer(_HANDLE.pack(MAX_HANDLE_SZ, 0), _HANDLE.size + MAX_HANDLE_SZ)
    mount = c_int()
    flags = (0 if name else AT_EMPTY_PATH) | (AT_HANDLE_FID if only_id else 0)
    _done(_name_to_handle_at, descriptor, _text(name), buffer, byref(mount), flags)
    size, kind = _HANDLE.unpack_from(buffer)
    return KernelHandle(kind, buffer.raw[_HANDLE.size : _HANDLE.size + size], mount.value)


def handle_reader() -> Callable[[int, bytes], tuple[int, bytes, int]]:
    """A function that asks for the handles of many files, with one buffer; for one thread.

    It returns the fields of the ``KernelHandle`` of a name, which has no NUL, in a directory. The
    function of the C library has no declared arguments: converting them took a quarter of the time.
    """
    buffer, mount = create_string_buffer(_HANDLE.size + MAX_HANDLE_SZ), c_int()
    view = memoryview(buffer)[_HANDLE.size :].cast("B")
    places = byref(buffer), byref(mount)
    ask = getattr(ctypes.CDLL(None, use_errno=True), "name_to_handle_at", None)
    pack, unpack = _HANDLE.pack_into, _HANDLE.unpack_from

    def read(directory: int, name: bytes) -> tuple[int, bytes, int]:
        pack(buffer, 0, MAX_HANDLE_SZ, 0)
        if ask is None:
            raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS))
        if ask(directory, name, *places, 0) < 0:
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number))
        size, kind = unpack(buffer)
        return kind, view[:size].tobytes(), mount.value

    return read


def open_by_handle_at(mount: int, handle: KernelHandle, flags: int) -> int:
    """Open a file of the file system on which the descriptor ``mount`` is; that is not O_PATH."""
    kind, data, _ = handle
    return _done(_open_by_handle_at, mount, _HANDLE.pack(len(data), kind) + data, flags)


_OPEN_HOW = struct.Struct("=QQQ")


def openat2(directory: int, name: bytes, flags: int, *, resolve: int, mode: int = 0) -> int:
    """Open a name relative to a directory, with limits on how it may be resolved."""
    how = _OPEN_HOW.pack(flags, mode, resolve)
    number, size = c_long(_OPENAT2), c_size_t(_OPEN_HOW.size)
    return _done(_syscall, number, c_int(directory), c_char_p(_text(name)), c_char_p(how), size)


IN_PLACE = RESOLVE_NO_XDEV | RESOLVE_NO_SYMLINKS | RESOLVE_BENEATH


def look_at_entry(directory: int, name: bytes) -> int:
    """An O_PATH descriptor of an entry; EXDEV if something is mounted over it.

    ``os.stat`` would ask what is mounted there, which may never answer.
    """
    flags = os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC
    return openat2(directory, name, flags, resolve=IN_PLACE)


def faccessat2(descriptor: int, mode: int) -> bool:
    """Whether this thread may access the descriptor's file: the bits of ``os.access``.

    The identity is that of ``setfsuid`` and ``setfsgid``.
    """
    flags = c_int(AT_EACCESS | AT_EMPTY_PATH)
    number = c_long(_FACCESSAT2)
    try:
        _done(_syscall, number, c_int(descriptor), c_char_p(b""), c_int(mode), flags)
    except OSError as error:
        if error.errno in _REFUSALS:
            return False
        raise
    return True


_REFUSALS = {errno.EACCES, errno.EPERM, errno.EROFS, errno.ETXTBSY}


class DirectoryEntry(NamedTuple):
    """``struct linux_dirent64``: ``offset`` is the position after the entry, ``kind`` a DT_ number.

    The offset is unsigned here, as NFS's cookies are.
    """

    fileid: int
    offset: int
    kind: int
    name: bytes


_DIRENT = struct.Struct("=QQHB")


def getdents64(directory: int, size: int) -> list[DirectoryEntry]:
    """The entries at the directory's position that have room in ``size`` bytes; none at the end."""
    buffer = create_string_buffer(size)
    used = _done(_getdents64, directory, buffer, size)
    data, found, at = buffer.raw[:used], list[DirectoryEntry](), 0
    head, unpack, index = _DIRENT.size, _DIRENT.unpack_from, data.index
    while at < used:
        fileid, offset, length, kind = unpack(data, at)
        name = data[at + head : index(b"\0", at + head)]
        found.append(DirectoryEntry(fileid, offset, kind, name))
        at += length
    return found


_STATX_BTIME = 0x800
_STATX_SIZE = 256
_STATX_MNT_ID, _STATX_MNT_ID_UNIQUE = 0x1000, 0x4000
_STATX_MASK = 0x7FF | _STATX_BTIME | _STATX_MNT_ID | _STATX_MNT_ID_UNIQUE
_STATX = struct.Struct("=I12x I8xH2xQ 40xqI 44xII Q".replace(" ", ""))


class Statx(NamedTuple):
    """Some fields of ``struct statx``.

    ``mount`` is the number of the mount, or of the device before Linux 5.8. ``birth`` is when the
    file was created, in nanoseconds; None if the file system does not record it.
    """

    mount: int
    ino: int
    mode: int
    links: int
    birth: int | None


def statx(descriptor: int) -> Statx:
    """The fields of statx(2) for the descriptor's file that Python's ``stat`` lacks."""
    buffer = create_string_buffer(_STATX_SIZE)
    _done(_statx, descriptor, b"", AT_EMPTY_PATH, _STATX_MASK, buffer)
    mask, links, mode, ino, seconds, nanoseconds, *device, mount = _STATX.unpack_from(buffer)
    if not mask & (_STATX_MNT_ID | _STATX_MNT_ID_UNIQUE):
        mount = device[0] << 32 | device[1]
    birth = seconds * 1_000_000_000 + nanoseconds if mask & _STATX_BTIME else None
    return Statx(mount, ino, mode, links, birth)


def file_system_type(descriptor: int) -> int:
    """The magic number of the file system of the descriptor's file (statfs(2))."""
    buffer = create_string_buffer(_STATX_SIZE)
    _done(_fstatfs, descriptor, buffer)
    return c_long.from_buffer(buffer).value & 0xFFFFFFFF


def fchownat(descriptor: int, uid: int, gid: int) -> None:
    """Set the owner and the group of the descriptor's file; -1 leaves one alone."""
    _done(_fchownat, descriptor, b"", uid & 0xFFFFFFFF, gid & 0xFFFFFFFF, AT_EMPTY_PATH)


_TIMESPECS = struct.Struct("@llll")


def utimensat(descriptor: int, atime: tuple[int, int], mtime: tuple[int, int]) -> None:
    """Set the times of the descriptor's file.

    Each is seconds and nanoseconds, where the nanoseconds may be ``UTIME_NOW`` or ``UTIME_OMIT``.
    """
    try:
        times = _TIMESPECS.pack(*atime, *mtime)
    except struct.error as error:
        raise OSError(errno.EINVAL, f"a time out of range: {error}") from None
    _done(_utimensat, descriptor, b"", times, AT_EMPTY_PATH)


def rename_without_replacing(directory: int, name: bytes, to_directory: int, to: bytes) -> None:
    """Rename; EEXIST if the new name exists. EINVAL where the file system cannot do that."""
    _done(_renameat2, directory, _text(name), to_directory, _text(to), RENAME_NOREPLACE)


def syncfs(descriptor: int) -> None:
    """Bring the file system of a descriptor to disk; it must not be O_PATH."""
    _done(_syncfs, descriptor)


def setfsuid(uid: int) -> int:
    """Set the user of this thread for the file system; returns the one before. It may not work."""
    return _previous(_setfsuid, uid)


def setfsgid(gid: int) -> int:
    """Set the group of this thread for the file system; returns the one before. It may not work."""
    return _previous(_setfsgid, gid)


NOBODY_AT_ALL = 0xFFFFFFFF
"""An argument of ``setfsuid`` and ``setfsgid`` that changes nothing: it only asks."""


def _previous(function: Callable[..., int] | None, number: int) -> int:
    if function is None:
        raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS))
    return function(number) & 0xFFFFFFFF


def setgroups(groups: Sequence[int]) -> None:
    """Set the further groups of this thread, and of no other one."""
    if _SETGROUPS is None:
        raise OSError(errno.ENOSYS, f"the number of setgroups on {platform.machine()} is unknown")
    packed = struct.pack(f"={len(groups)}I", *groups)
    _done(_syscall, c_long(_SETGROUPS), c_int(len(groups)), c_char_p(packed))


_QUOTACTL_FD = 443
_SETRESUID = {
    ("x86_64", True): 117,
    ("aarch64", True): 147,
    ("riscv64", True): 147,
    ("loongarch64", True): 147,
    ("ppc64le", True): 164,
    ("s390x", True): 208,
    ("i686", False): 208,
    ("x86_64", False): 208,
    ("armv7l", False): 208,
    ("aarch64", False): 208,
}.get((platform.machine(), _64_BIT))
"""The number of setresuid: the function of the C library changes all threads of the process."""


def seteuid(uid: int) -> None:
    """Set the effective user of this thread, and of no other one."""
    if _SETRESUID is None:
        raise OSError(errno.ENOSYS, f"the number of setresuid on {platform.machine()} is unknown")
    _done(_syscall, c_long(_SETRESUID), c_uint(0xFFFFFFFF), c_uint(uid), c_uint(0xFFFFFFFF))


def quotactl(device: bytes, command: int, number: int, data: ctypes.Array[Any]) -> None:
    """Ask for, or set, quotas of the file system on a block device."""
    _done(_quotactl, command, _text(device), number, data)


def quotactl_fd(descriptor: int, command: int, number: int, data: ctypes.Array[Any]) -> None:
    """The same for the file system of the descriptor's file. Needs Linux 5.14."""
    arguments = c_int(descriptor), c_uint(command), c_uint(number), data
    _done(_syscall, c_long(_QUOTACTL_FD), *arguments)


_CAP_HEADER = struct.pack("=II", 0x20080522, 0)
_CAP_DATA = struct.Struct("=6I")


class Capabilities(NamedTuple):
    """The capabilities of a thread: bit sets."""

    effective: int
    permitted: int
    inheritable: int


def capget() -> Capabilities:
    """The capabilities of this thread."""
    data = create_string_buffer(_CAP_DATA.size)
    _done(_libc.capget, create_string_buffer(_CAP_HEADER), data)
    low = struct.unpack("=6I", data.raw)
    return Capabilities(*(low[i] | low[i + 3] << 32 for i in range(3)))


def capset(wanted: Capabilities) -> None:
    """Set the capabilities of this thread."""
    low = [bits & 0xFFFFFFFF for bits in wanted]
    high = [bits >> 32 for bits in wanted]
    data = create_string_buffer(_CAP_DATA.pack(*low, *high))
    _done(_libc.capset, create_string_buffer(_CAP_HEADER), data)
