"""The values that a pyfuse3 object gets: contexts, fields of SETATTR, and tokens of listings.

The classes of pyfuse3 are filled by its C code, for calls of the kernel. Classes derived from them
are filled here. ``readdir_reply`` of pyfuse3 writes into the buffer of such a call, so it is
replaced by a function that knows both kinds of tokens. A mount in the same process works as before.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import pyfuse3

from oncrpc.nfs.backends.fuse.changes import AttributeChanges
from oncrpc.nfs.backends.fuse.listings import MAX_ENTRIES
from oncrpc.nfs.backends.fuse.stat_values import attributes_of, space_of
from oncrpc.nfs.filesystem import Attributes, Identity, SpaceInfo

STAT_NAMES = ("st_mode", "st_nlink", "st_uid", "st_gid", "st_rdev", "st_size", "st_blocks")
SPACE_NAMES = ("f_bsize", "f_frsize", "f_blocks", "f_bfree", "f_bavail", "f_files", "f_ffree",
               "f_favail")  # fmt: skip
TIME_NAMES = ("st_atime", "st_mtime", "st_ctime")


class InodeContext(pyfuse3.RequestContext):
    """The user of a call. NFS knows no process, so ``pid`` is 0; the client has applied its
    umask."""

    def __init__(self, who: Identity) -> None:
        self._who = who

    @property
    def uid(self) -> int:
        """The user."""
        return self._who.uid

    @property
    def gid(self) -> int:
        """The group."""
        return self._who.gid

    @property
    def pid(self) -> int:
        """The process."""
        return 0

    @property
    def umask(self) -> int:
        """The umask of the process."""
        return 0


class ChangedFields(pyfuse3.SetattrFields):
    """Which attributes ``setattr`` is to set."""

    def __init__(self, changes: AttributeChanges) -> None:
        self._changes = changes

    @property
    def update_atime(self) -> bool:
        """Whether to set the time of access."""
        return self._changes.atime is not None

    @property
    def update_mtime(self) -> bool:
        """Whether to set the time of modification."""
        return self._changes.mtime is not None

    @property
    def update_mode(self) -> bool:
        """Whether to set the mode."""
        return self._changes.mode is not None

    @property
    def update_uid(self) -> bool:
        """Whether to set the owner."""
        return self._changes.uid is not None

    @property
    def update_gid(self) -> bool:
        """Whether to set the group."""
        return self._changes.gid is not None

    @property
    def update_size(self) -> bool:
        """Whether to set the size."""
        return self._changes.size is not None


def changed_entry(changes: AttributeChanges, *, type_bits: int) -> pyfuse3.EntryAttributes:
    """The new values for ``setattr``; those that do not change are undefined."""
    entry = pyfuse3.EntryAttributes()
    entry.st_mode = type_bits | (changes.mode or 0)
    entry.st_uid, entry.st_gid = changes.uid or 0, changes.gid or 0
    entry.st_size = changes.size or 0
    entry.st_atime_ns, entry.st_mtime_ns = changes.atime or 0, changes.mtime or 0
    return entry


def attributes_of_entry(entry: pyfuse3.EntryAttributes, *, fileid: int) -> Attributes:
    """The attributes of a file."""
    values = {name: getattr(entry, name) for name in STAT_NAMES}
    values |= {name: getattr(entry, name + "_ns") for name in TIME_NAMES}
    return attributes_of(values, fileid=fileid, nanoseconds=True)


def space_of_data(data: pyfuse3.StatvfsData) -> SpaceInfo:
    """The space of a file system."""
    return space_of({name: getattr(data, name) for name in SPACE_NAMES})


class EntryToken(pyfuse3.ReaddirToken):
    """A token that collects the entries of a listing: names, inodes, and where to go on."""

    def __init__(self) -> None:
        self.entries: list[tuple[bytes, int, int]] = []
        self.full = False


class ReplyFunction:
    """``readdir_reply`` for both kinds of tokens."""

    def __init__(self, original: Callable[..., bool]) -> None:
        self._original = original

    def __call__(
        self,
        token: pyfuse3.ReaddirToken,
        name: bytes,
        attr: pyfuse3.EntryAttributes,
        next_id: int,
    ) -> bool:
        """Report an entry; False if there is no room for it."""
        if not isinstance(token, EntryToken):
            return self._original(token, name, attr, next_id)
        if len(token.entries) > MAX_ENTRIES:
            token.full = True
            return False
        token.entries.append((bytes(name), attr.st_ino, next_id))
        return True


def replace_readdir_reply(operations: Any) -> None:
    """Replace the function of pyfuse3, also where the modules of an object have imported it."""
    name, original = "readdir_reply", pyfuse3.readdir_reply
    if not isinstance(original, ReplyFunction):
        setattr(pyfuse3, name, ReplyFunction(original))
    for kind in type(operations).__mro__:
        module = sys.modules.get(kind.__module__)
        known = getattr(module, name, None)
        if module is not None and known is not None and not isinstance(known, ReplyFunction):
            setattr(module, name, pyfuse3.readdir_reply)
