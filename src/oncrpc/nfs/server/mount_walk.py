"""The way from a path to a directory of an export (RFC 1813 §5.2.1).

The server walks as the caller would: one name at a time, as the caller's squashed user, and with
search permission on every directory on the way. So MNT of a subdirectory gives nobody a handle that
LOOKUP would not give (CVE-2025-12801).
"""

from __future__ import annotations

from collections.abc import Iterable

from oncrpc.nfs.answers import settled
from oncrpc.nfs.filesystem import MAY_EXECUTE, Attributes, FileSystem, Identity
from oncrpc.nfs.names import ABOVE, HERE, check_name
from oncrpc.nfs.status import NfsError
from oncrpc.programs.nfs3 import ftype3, nfsstat3


def normalised(path: bytes) -> bytes:
    """A path without ``.``, ``..`` and needless slashes, as rpc.mountd reads it.

    An empty path is ``/``. ``..`` removes the name before it, also if that is a symbolic link: the
    walk follows no links.

    Raises:
        NfsError: NFS3ERR_ACCES: the path is relative.
    """
    if path and not path.startswith(b"/"):
        raise NfsError(nfsstat3.NFS3ERR_ACCES, "the path is relative")
    names: list[bytes] = []
    for name in path.split(b"/"):
        if name == ABOVE:
            del names[-1:]
        elif name not in (b"", HERE):
            names.append(name)
    return b"/" + b"/".join(names)


def names_below(path: bytes, root: bytes) -> list[bytes]:
    """The names that lead from an export's path to a path in it; both are normalised."""
    return [name for name in path[len(root) :].split(b"/") if name]


async def walk(filesystem: FileSystem, who: Identity, names: Iterable[bytes]) -> bytes:
    """The id of the directory to which the names lead from the root.

    Raises:
        OSError: a name is missing, or the user may not search a directory on the way. A symbolic
            link is NFS3ERR_ACCES: rpc.mountd follows it, and refuses what is outside the export.
    """
    file = filesystem.root
    attributes = await _directory(filesystem, who, file)
    for name in names:
        allowed = await settled(filesystem.access(who, file, attributes))
        if not allowed & MAY_EXECUTE:
            raise NfsError(nfsstat3.NFS3ERR_ACCES, "a directory on the way may not be searched")
        if len(name) > filesystem.features.name_max:
            raise NfsError(nfsstat3.NFS3ERR_NAMETOOLONG, "a name is too long")
        file = await settled(filesystem.lookup(who, file, check_name(name)))
        attributes = await _directory(filesystem, who, file)
    return file


async def _directory(filesystem: FileSystem, who: Identity, file: bytes) -> Attributes:
    """The attributes of a file that must be a directory."""
    attributes = await settled(filesystem.getattr(who, file))
    if attributes.kind is ftype3.NF3LNK:
        raise NfsError(nfsstat3.NFS3ERR_ACCES, "a symbolic link is on the way")
    if attributes.kind is not ftype3.NF3DIR:
        raise NfsError(nfsstat3.NFS3ERR_NOTDIR, "not a directory")
    return attributes
