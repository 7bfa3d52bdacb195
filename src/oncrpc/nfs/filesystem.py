"""The interface of a back end: the file system that NFS shows to its clients.

A back end is a class derived from ``FileSystem``. Its methods are about what POSIX's system calls
do, one each; they know nothing of the wire. The server adds what is NFS's own: handles, export
rules, the attributes before and after (``wcc_data``), the guard of SETATTR, the three ways to
CREATE, the size of replies, the write verifier, and the checks of names.

::

    class Numbers(FileSystem):
        root = b"/"

        def getattr(self, who, file):
            kind = ftype3.NF3DIR if file == b"/" else ftype3.NF3REG
            return Attributes(kind, fileid=1 + len(file))

- Files are named by an id, not by a path: 1 to 44 bytes, chosen by the back end. An id stays valid
  when the file is renamed or moved, and is never used again for another file. NFS version 2 needs
  ids of at most 20 bytes. A method that is given the id of a file that is gone raises
  ``OSError(ESTALE)``, never ENOENT, which is for names.
- Names are bytes, without ``/`` and NUL. They are never empty, ``.`` or ``..``.
- A method may be a plain ``def`` or an ``async def``. A plain one runs on the event loop and must
  not block for long.
- A refusal is an ``OSError`` with an ``errno``, as ``os`` raises it. The procedures translate it to
  ``nfsstat3`` by the table in ``oncrpc.nfs.status``. Without an errno the class decides: a bare
  ``raise FileNotFoundError`` is NFS3ERR_NOENT.
- ``who`` is the user on whose behalf the method works, after squashing. The back end checks
  permissions; ``permissions`` is POSIX's rule. Files have no open, so READ, WRITE and a change of
  the size are more generous: ``data_permissions``.
- Calls on different files may overlap if methods are ``async``. The server runs the operations that
  change a directory or a file one at a time, for each directory and file.

All methods that are not overridden refuse: the file system is read-only, and lacks what is missing.
"""

from __future__ import annotations

import enum
import errno
import os
from collections.abc import Awaitable, Generator, Sequence
from typing import Any, NamedTuple, TypeAlias, TypeVar

from oncrpc.nfs.acls import AclEntry, Acls, permission_sets
from oncrpc.programs.nfs3 import ftype3, stable_how

R = TypeVar("R")
Answer: TypeAlias = R | Awaitable[R]
"""The return value of a method: the result, or an awaitable of it."""


class Syncing(Awaitable[R]):
    """An awaitable for a change that is made, but not yet on disk.

    Attributes that are read now show the change. So the server lets other calls change the file
    while this one waits, and many changes can share one sync. A method may return this instead of
    another awaitable.
    """

    def __init__(self, result: R, stored: Awaitable[object]) -> None:
        self.result, self._stored = result, stored

    def __await__(self) -> Generator[Any, Any, R]:
        yield from self._stored.__await__()
        return self.result


MAX_ID = 44
"""Bytes of a file's id, so that a handle has 56 bytes: some clients refuse longer ones."""

MAX_ID_V2 = 20
"""Bytes of a file's id in NFS version 2."""

MAY_READ, MAY_WRITE, MAY_EXECUTE = 4, 2, 1
"""Bits of a permission: those of ``mode`` for others."""


DEFAULT_MODE, DEFAULT_DIRECTORY_MODE = 0o600, 0o700
"""The modes of new files if the caller names none."""


class Identity(NamedTuple):
    """The user on whose behalf a file system works, and the host from which it asks."""

    uid: int
    gid: int
    groups: tuple[int, ...] = ()
    host: str = ""


class Attributes(NamedTuple):
    """The attributes of a file (``fattr3``, RFC 1813 §2.5).

    ``mode`` are the lower 12 bits, ``used`` the bytes on disk, ``device`` the major and minor
    number of a special file, times are nanoseconds since 1970. ``fileid`` is unique in the file
    system. ``fsid`` is 0 for the export's own, and another number below a mount point. ``acl`` is
    the access list of a file, if it says more than the mode; a back end that checks permissions
    itself sets it, and ``permissions`` obeys it.
    """

    kind: ftype3
    mode: int = 0o755
    nlink: int = 1
    uid: int = 0
    gid: int = 0
    size: int = 0
    used: int = 0
    device: tuple[int, int] = (0, 0)
    fileid: int = 1
    atime: int = 0
    mtime: int = 0
    ctime: int = 0
    fsid: int = 0
    acl: tuple[AclEntry, ...] = ()


class Now:
    """The type of ``NOW``."""


NOW = Now()
"""A time to set: the current time of the server."""


class NewAttributes(NamedTuple):
    """Attributes to set (``sattr3``); None leaves one alone. Times are nanoseconds, or ``NOW``."""

    mode: int | None = None
    uid: int | None = None
    gid: int | None = None
    size: int | None = None
    atime: int | Now | None = None
    mtime: int | Now | None = None


class DirEntry(NamedTuple):
    """An entry of a directory. ``cookie`` is where the next entry is found; it is never 0.

    ``file`` and ``attributes`` may be None: the server then looks them up if it needs them.
    """

    name: bytes
    fileid: int
    cookie: int
    file: bytes | None = None
    attributes: Attributes | None = None


class Listing(NamedTuple):
    """Some entries of a directory, in its order; ``eof``: they include the last one."""

    entries: Sequence[DirEntry]
    eof: bool


class Written(NamedTuple):
    """Outcome of a write: the number of bytes, at least 1, and how well they are stored.

    ``committed`` may be more than what was asked for, and must never be more than what was done. If
    it is less, the server calls ``commit`` before it answers.
    """

    length: int
    committed: stable_how


class SpaceInfo(NamedTuple):
    """Space and files of a file system: in all, free, and free for ordinary users."""

    total_bytes: int = 0
    free_bytes: int = 0
    available_bytes: int = 0
    total_files: int = 0
    free_files: int = 0
    available_files: int = 0


class Features(NamedTuple):
    """The abilities and limits of a file system."""

    hard_links: bool = False
    symlinks: bool = False
    special_files: bool = False
    settable_times: bool = True
    stable_ids: bool = False
    """Ids are valid after a restart of the server."""

    counts_directories: bool = True
    """The ``nlink`` of a directory is 2 and the number of directories in it; else it is 1."""

    case_insensitive: bool = False
    case_preserving: bool = True
    chown_restricted: bool = True
    link_max: int = 1
    name_max: int = 255
    max_file_size: int = (1 << 63) - 1
    time_delta: int = 1
    """Nanoseconds: the smallest difference of two times."""


class KeptFile(NamedTuple):
    """A file that a back end keeps open: by whom and how long ago it was used, in seconds.

    ``path`` is None if it is not known. ``unsynced`` are the bytes that were written and may not be
    on disk yet.
    """

    path: bytes | None
    host: str
    age: float
    idle: float
    unsynced: int = 0


class QuotaKind(enum.IntEnum):
    """The kinds of quotas that RQUOTA has."""

    USER = 0
    GROUP = 1


class QuotaLimits(NamedTuple):
    """The limits of a quota; 0 stands for no limit. A soft limit may be exceeded for some time."""

    bytes_hard: int = 0
    bytes_soft: int = 0
    files_hard: int = 0
    files_soft: int = 0


class Quota(NamedTuple):
    """The space and the files of a user or a group, and their limits.

    ``bytes_until`` and ``files_until`` are when a soft limit that is exceeded becomes a hard one,
    in seconds since 1970, else 0. ``enforced``: the limits hold, and are not only counted.
    """

    limits: QuotaLimits
    bytes_used: int
    files_used: int
    bytes_until: int = 0
    files_until: int = 0
    enforced: bool = True


class SyncError(OSError):
    """Raised when data could not be brought to disk: UNSTABLE writes before it may be lost too."""


class FileSystem:
    """The base of every back end. ``root`` is the id of its root directory."""

    root: bytes
    features = Features()

    def getattr(self, who: Identity, file: bytes) -> Answer[Attributes]:
        """The attributes of a file; needs no permission."""
        raise _unsupported()

    def lookup(self, who: Identity, directory: bytes, name: bytes) -> Answer[bytes]:
        """The id of the file with that name. A symbolic link is not followed."""
        raise _unsupported()

    def parent(self, who: Identity, directory: bytes) -> Answer[bytes]:
        """The id of the directory above; the server never asks for that of the root."""
        raise _unsupported()

    def access(self, who: Identity, file: bytes, attributes: Attributes) -> Answer[int]:
        """The permissions of the user: a sum of ``MAY_READ``, ``MAY_WRITE`` and ``MAY_EXECUTE``.

        ``attributes`` are those that ``getattr`` has just returned.
        """
        return permissions(who, attributes)

    def readdir(
        self, who: Identity, directory: bytes, cookie: int, count: int, *, plus: bool
    ) -> Answer[Listing]:
        """About ``count`` entries after the one with that cookie, 0 for the first ones.

        At least one entry if there is one. Entries that exist from the first call to the last are
        returned once, whatever else is created or removed. ``.`` and ``..`` may be among them.
        ``plus``: the server wants ``file`` and ``attributes`` of each entry.

        Raises:
            NfsError: NFS3ERR_BAD_COOKIE, only if there never was such a cookie.
        """
        raise _unsupported()

    def readlink(self, who: Identity, file: bytes) -> Answer[bytes]:
        """The text of a symbolic link."""
        raise _unsupported()

    def read(self, who: Identity, file: bytes, offset: int, count: int) -> Answer[bytes]:
        """At most ``count`` bytes at ``offset``; fewer only at the end of the file."""
        raise _unsupported()

    def write(
        self, who: Identity, file: bytes, offset: int, data: bytes, *, stable: stable_how
    ) -> Answer[Written]:
        """Write, and store the data as ``stable`` asks before returning.

        Or return with ``committed`` UNSTABLE: then the server calls ``commit``, while other calls
        write to the same file, so that several may share one sync.

        Raises:
            SyncError: the data could not be stored.
        """
        raise _read_only()

    def commit(self, who: Identity, file: bytes, offset: int, count: int) -> Answer[None]:
        """Bring this range to disk, up to the end of the file if ``count`` is 0.

        Raises:
            OSError: some data could not be stored.
        """
        return None

    def setattr(self, who: Identity, file: bytes, new: NewAttributes) -> Answer[None]:
        """Set attributes: all of them, or none if one is refused."""
        raise _read_only()

    def create(
        self, who: Identity, directory: bytes, name: bytes, new: NewAttributes
    ) -> Answer[bytes]:
        """Create a regular file with these attributes, and return its id. EEXIST if there is one.

        Its group is that of the directory if that has the setgid bit, else the user's.
        The file appears with all of them, even if the server is killed meanwhile: the times may
        hold the verifier of an exclusive create.
        """
        raise _read_only()

    def mkdir(
        self, who: Identity, directory: bytes, name: bytes, new: NewAttributes
    ) -> Answer[bytes]:
        """Create a directory and return its id. It inherits the setgid bit."""
        raise _read_only()

    def symlink(
        self, who: Identity, directory: bytes, name: bytes, target: bytes, new: NewAttributes
    ) -> Answer[bytes]:
        """Create a symbolic link and return its id."""
        raise _read_only()

    def mknod(
        self,
        who: Identity,
        directory: bytes,
        name: bytes,
        kind: ftype3,
        *,
        device: tuple[int, int],
        new: NewAttributes,
    ) -> Answer[bytes]:
        """Create a device, a socket or a named pipe and return its id."""
        raise _read_only()

    def remove(self, who: Identity, directory: bytes, name: bytes) -> Answer[None]:
        """Remove a name of a file that is not a directory."""
        raise _read_only()

    def rmdir(self, who: Identity, directory: bytes, name: bytes) -> Answer[None]:
        """Remove a directory, which must be empty."""
        raise _read_only()

    def rename(
        self, who: Identity, directory: bytes, name: bytes, to_directory: bytes, to_name: bytes
    ) -> Answer[None]:
        """Rename, as rename(2) does: an existing file is replaced."""
        raise _read_only()

    def link(self, who: Identity, file: bytes, directory: bytes, name: bytes) -> Answer[None]:
        """Give a file one more name."""
        raise _read_only()

    def statfs(self, who: Identity, file: bytes) -> Answer[SpaceInfo]:
        """Space and number of files of the file system of ``file``."""
        return SpaceInfo()

    def lock_descriptor(self, who: Identity, file: bytes) -> Answer[int | None]:
        """A descriptor of a regular file, on which the server takes the locks of its clients.

        So processes of this host and clients see each other's locks. It is open for reading and
        writing, or for reading if the file system is read-only; the server closes it. None: there
        are no such processes, and the locks are the server's alone. The user may lock the file:
        ``data_permissions`` let it read, or it owns the file.
        """
        return None

    def get_acl(self, who: Identity, file: bytes) -> Answer[Acls]:
        """The access control lists of a file, if they say more than its mode."""
        return Acls()

    def set_acl(self, who: Identity, file: bytes, new: Acls) -> Answer[None]:
        """Set the lists that are not None, and with the access list the mode; an empty one removes
        a list.

        The entries are valid, and in the order of their tags and ids.

        Raises:
            OSError: EOPNOTSUPP: the file system has no lists, and the mode is all there is. EPERM:
                the user does not own the file. EACCES: a default list for what is not a directory.
        """
        raise _unsupported()

    def path_of(self, file: bytes) -> bytes | None:
        """The path of a file on this host, for log lines; None if it is not known."""
        return None

    def kept_files(self) -> Sequence[KeptFile]:
        """The files that are kept open between calls, the one that was used last at the end."""
        return ()

    def cached_files(self) -> int:
        """The number of files that stay open for a moment, for further calls."""
        return 0

    def quota(
        self, who: Identity, file: bytes, kind: QuotaKind, number: int
    ) -> Answer[Quota | None]:
        """The quota of a user or a group on the file system of ``file``; None if it has none.

        The server has checked that the user may ask for it.

        Raises:
            OSError: EPERM: the server itself may not ask for it.
        """
        return None

    def set_quota(
        self, who: Identity, file: bytes, kind: QuotaKind, number: int, limits: QuotaLimits
    ) -> Answer[None]:
        """Set the limits of a quota. The server has checked that the user may do that.

        Raises:
            OSError: EOPNOTSUPP: there are no quotas. EPERM: the server itself may not set them.
        """
        raise _unsupported()

    def close(self) -> None:
        """Called once, when the file system is no longer exported."""


def permissions(who: Identity, attributes: Attributes) -> int:
    """The permissions of a user, each by itself: a sum of ``MAY_READ``, ``MAY_WRITE`` and
    ``MAY_EXECUTE``.

    The super-user has all of them, but may execute a file only if its mode has an execute bit.
    """
    found = 0
    for permitted in _sets(who, attributes):
        found |= permitted
    return found


def permits(who: Identity, attributes: Attributes, wanted: int) -> bool:
    """Whether a user has all the permissions that are wanted, together.

    With an access list that is less than having each of them: of several groups one must do.
    """
    return any(wanted & ~permitted == 0 for permitted in _sets(who, attributes))


def _sets(who: Identity, attributes: Attributes) -> Sequence[int]:
    """Sets of permissions, one of which the user may use for one operation."""
    mode = attributes.mode
    if who.uid == 0:
        runs = attributes.kind is ftype3.NF3DIR or mode & 0o111
        return (MAY_READ | MAY_WRITE | (MAY_EXECUTE if runs else 0),)
    if who.uid == attributes.uid:
        return (mode >> 6 & 7,)
    # As in Linux, an empty mask puts the list out of force: the mode decides.
    if attributes.acl and mode & 0o070:
        groups = (who.gid, *who.groups)
        return permission_sets(attributes.acl, who.uid, groups, group=attributes.gid)
    if attributes.gid == who.gid or attributes.gid in who.groups:
        return (mode >> 3 & 7,)
    return (mode & 7,)


def data_permissions(who: Identity, attributes: Attributes) -> int:
    """The permissions of a user for the data of a file that it may have open (RFC 1813 §4.4).

    The owner may read and write whatever the mode is now. A user who may execute a file may read
    it, since a client reads a program to run it.
    """
    allowed = permissions(who, attributes)
    if who.uid == attributes.uid:
        return allowed | MAY_READ | MAY_WRITE
    return allowed | MAY_READ if allowed & MAY_EXECUTE else allowed


def _unsupported() -> OSError:
    return OSError(errno.EOPNOTSUPP, os.strerror(errno.EOPNOTSUPP))


def _read_only() -> OSError:
    return OSError(errno.EROFS, os.strerror(errno.EROFS))
