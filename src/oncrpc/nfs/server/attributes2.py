"""Attributes of version 2 on the wire: ``fattr`` and ``sattr`` (RFC 1094 §2.3.5 and §2.3.6).

Their numbers have 32 bits. What is larger is shown as follows:

    size, blocks, nlink     the largest number that fits: such a file can be listed, renamed and
                            removed, and read up to there (see ``data2``)
    fileid, fsid            both halves combined, so that most numbers remain different
    times                   of the years 1970 to 2106, in microseconds

Sun's system had conventions that the RFC does not tell, and that clients and servers follow:
``blocks`` have 512 bytes; a named pipe is a character device with the number -1; the useconds
1000000 set a time to that of the server, in ``mtime`` they set both times.
"""

from __future__ import annotations

import stat as modes
from typing import NamedTuple

from oncrpc.nfs.filesystem import NOW, Attributes, Identity, NewAttributes, Now
from oncrpc.nfs.server.attributes import MAX32, MODE, SECOND
from oncrpc.nfs.status import NfsError
from oncrpc.programs.nfs2 import MAXDATA, fattr, ftype, sattr, timeval
from oncrpc.programs.nfs3 import ftype3, nfsstat3

UNSET = MAX32
"""A field of ``sattr`` that changes nothing."""

UNSET_MODE = 0xFFFF
"""Some clients of Sun send this in ``mode`` instead of ``UNSET``."""

BLOCKS_UNIT = 512
"""Bytes of a block in ``blocks``."""

MICROSECOND = 1000
SERVER_TIME = 1_000_000
FIFO_DEVICE = MAX32


class Kind(NamedTuple):
    """A type of file: in ``type``, and in the upper bits of ``mode``."""

    type: ftype
    mode: int


KINDS = {
    ftype3.NF3REG: Kind(ftype.NFREG, modes.S_IFREG),
    ftype3.NF3DIR: Kind(ftype.NFDIR, modes.S_IFDIR),
    ftype3.NF3BLK: Kind(ftype.NFBLK, modes.S_IFBLK),
    ftype3.NF3CHR: Kind(ftype.NFCHR, modes.S_IFCHR),
    ftype3.NF3LNK: Kind(ftype.NFLNK, modes.S_IFLNK),
    ftype3.NF3SOCK: Kind(ftype.NFNON, modes.S_IFSOCK),
    ftype3.NF3FIFO: Kind(ftype.NFCHR, modes.S_IFIFO),
}
CREATED = {
    KINDS[kind].mode: kind
    for kind in (ftype3.NF3REG, ftype3.NF3BLK, ftype3.NF3CHR, ftype3.NF3SOCK, ftype3.NF3FIFO)
}
"""The types that CREATE makes, by the upper bits of ``mode``."""


def fold(number: int) -> int:
    """64 bits in 32; never 0, which clients take for an entry without a file."""
    return (number ^ number >> 32) & MAX32 or 1


def fattr_of(attributes: Attributes, fsid: int) -> fattr:
    """The attributes of a file of the export with this ``fsid``."""
    kind = KINDS[attributes.kind]
    return fattr(
        kind.type,
        kind.mode | attributes.mode & MODE,
        min(attributes.nlink, MAX32),
        attributes.uid & MAX32,
        attributes.gid & MAX32,
        min(attributes.size, MAX32),
        MAXDATA,
        _device(attributes),
        min(-(-attributes.used // BLOCKS_UNIT), MAX32),
        fold(attributes.fsid or fsid),
        fold(attributes.fileid),
        _timeval(attributes.atime),
        _timeval(attributes.mtime),
        _timeval(attributes.ctime),
    )


def new_attributes2(new: sattr) -> NewAttributes:
    """The attributes to set."""
    mtime = _time_of(new.mtime)
    return NewAttributes(
        mode=None if new.mode in (UNSET, UNSET_MODE) else new.mode & MODE,
        uid=_unless_unset(new.uid),
        gid=_unless_unset(new.gid),
        size=_unless_unset(new.size),
        atime=NOW if new.mtime.useconds == SERVER_TIME else _time_of(new.atime),
        mtime=mtime,
    )


def initial_attributes2(new: sattr, who: Identity) -> NewAttributes:
    """The attributes of a new file; only root chooses its owner."""
    found = new_attributes2(new)
    return found if who.uid == 0 else found._replace(uid=None, gid=None)


class Created(NamedTuple):
    """The file that CREATE makes; ``kind`` is None if the client sent no type."""

    kind: ftype3 | None
    device: tuple[int, int] = (0, 0)
    new: NewAttributes = NewAttributes()


def created(new: sattr, who: Identity) -> Created:
    """The file that CREATE makes. Its type is in ``mode``, and its device in ``size``: no MKNOD.

    A character device without a number is a named pipe.

    Raises:
        NfsError: NFS3ERR_INVAL: no file of that type is made by CREATE.
    """
    wanted = initial_attributes2(new, who)
    bits = modes.S_IFMT(new.mode)
    if wanted.mode is None or not bits:
        return Created(None, new=wanted)
    kind, special = CREATED.get(bits), wanted._replace(size=None)
    match kind:
        case ftype3.NF3REG:
            return Created(kind, new=wanted)
        case ftype3.NF3CHR if wanted.size is None:
            return Created(ftype3.NF3FIFO, new=special)
        case ftype3.NF3CHR | ftype3.NF3BLK if wanted.size is not None:
            return Created(kind, split_device(wanted.size), special)
        case ftype3.NF3SOCK | ftype3.NF3FIFO:
            return Created(kind, new=special)
    raise NfsError(nfsstat3.NFS3ERR_INVAL)


def join_device(major: int, minor: int) -> int:
    """A device in 32 bits, as Linux does: small numbers are as they were in 16 bits."""
    return (minor & 0xFF) | (major & 0xFFF) << 8 | (minor & 0xFFF00) << 12


def split_device(device: int) -> tuple[int, int]:
    """The major and the minor number."""
    return device >> 8 & 0xFFF, device & 0xFF | device >> 12 & 0xFFF00


def _device(attributes: Attributes) -> int:
    if attributes.kind in (ftype3.NF3BLK, ftype3.NF3CHR):
        return join_device(*attributes.device)
    return FIFO_DEVICE if attributes.kind is ftype3.NF3FIFO else 0


def _timeval(nanoseconds: int) -> timeval:
    nearest = min(max(nanoseconds, 0), (MAX32 + 1) * SECOND - 1)
    seconds, rest = divmod(nearest, SECOND)
    return timeval(seconds, rest // MICROSECOND)


def _time_of(time: timeval) -> int | Now | None:
    if time.useconds == SERVER_TIME:
        return NOW
    if time.seconds == UNSET:
        return None
    useconds = 0 if time.useconds > SERVER_TIME else time.useconds
    return time.seconds * SECOND + useconds * MICROSECOND


def _unless_unset(number: int) -> int | None:
    return None if number == UNSET else number
