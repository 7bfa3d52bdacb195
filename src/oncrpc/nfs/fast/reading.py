"""READ (RFC 1813 §3.3.6): small ones through a buffer, large ones from the file to the socket.

Data are sent only if the kernel has them in memory: a small READ asks for just that (RWF_NOWAIT),
and for a large one the kernel is asked (``residence``), unless it was asked a moment ago. Otherwise
the generic path lets a worker read. A file system that cannot tell is read directly, as by the
generic path.

A small READ beyond the end may update the time of access. The generic path does not.
"""

from __future__ import annotations

import errno
import os
import stat
from struct import Struct
from typing import TYPE_CHECKING

from oncrpc.nfs.backends.local.cached_files import CLOSED, CachedFile
from oncrpc.nfs.backends.local.objects import OpenObject
from oncrpc.nfs.fast.encoding import OK, READ, READ_SIZE, fields_of
from oncrpc.nfs.fast.methods import HANDLE_AT, method
from oncrpc.nfs.fast.uses import SeenFile, Use
from oncrpc.programs.nfs3 import NFS_V3
from oncrpc.rpc.quick import FileReply, QuickAnswer
from oncrpc.rpc.record import LAST_FRAGMENT

if TYPE_CHECKING:
    from oncrpc.nfs.fast.calls import FastConnection

RANGE = Struct(">QI")
FROM_FILE = 32 << 10
"""Bytes from which on sendfile(2) is cheaper than to read and to send."""

FARTHEST = (1 << 63) - (1 << 24)
NO_NOWAIT = {errno.EOPNOTSUPP, errno.EINVAL, errno.ENOSYS}
PADDING = (b"", b"\0\0\0", b"\0\0", b"\0")
"""Zeros that follow so many bytes, modulo 4."""


@method(NFS_V3.NFSPROC3_READ)
def read(connection: FastConnection, message: bytes, replies: list[bytes]) -> QuickAnswer:
    """Data in memory of a regular file that the user may read."""
    at = HANDLE_AT + (message[30] << 8) + message[31]
    end = at + 4 + (message[at + 3] + 3 & ~3)
    use = connection.uses.get(message[24:end])
    if use is None or use.until < connection.now:
        use = connection.use(message, at, end)
        if use is None:
            return None
    kept = use.kept
    offset, count = RANGE.unpack_from(message, end)
    count = min(count, connection.fast.sizes.stream)
    if offset > FARTHEST or kept.kind != stat.S_IFREG:
        return None
    seen = use.seen
    if seen.batch != connection.began or seen.changes != use.files.changed:
        found = seen_now(connection, use)
        if found is None:
            return None
        seen = found
    if kept.reading == CLOSED and not may_read(connection, use):
        return None
    if count >= FROM_FILE:
        return read_much(connection, message, use, offset, count, replies)
    room = connection.fast.room[:count]
    length = read_into(kept, room, offset)
    if length < count or offset + length > seen.size:
        found = seen_now(connection, use)
        if found is None or (length < count and offset + length < found.size):
            return None  # only a part is in memory
        seen = found
    head = read_head(message, seen, offset + length, length)
    replies += head, room[:length].tobytes(), PADDING[length & 3]
    return len(head) + length


def read_much(
    connection: FastConnection,
    message: bytes,
    use: Use,
    offset: int,
    count: int,
    replies: list[bytes],
) -> QuickAnswer:
    """As ``read`` for many bytes, after the attributes were read."""
    kept, seen = use.kept, use.seen
    length = max(min(count, seen.size - offset), 0)
    head = read_head(message, seen, offset + length, length)
    if length < FROM_FILE:
        room = connection.fast.room[:length]
        if read_into(kept, room, offset) != length:
            return None
        replies += head, room.tobytes(), PADDING[length & 3]
        return len(head) + length
    if not resides(connection, kept, offset, length, seen.size):
        return None
    return FileReply(head, kept.reading, offset, length, PADDING[length & 3])


def seen_now(connection: FastConnection, use: Use) -> SeenFile | None:
    """Attributes for the READs of this batch; None if the file is gone, or the user may not read.

    All calls of a batch had arrived before it began. So attributes that are read once in the batch
    are younger than each of these calls.
    """
    changes = use.files.changed
    found = connection.stat(use)
    if found is None or not (use.may_read or may_read(connection, use, found)):
        return None
    fields = fields_of(found, use.fsid)
    seen = use.seen = SeenFile(connection.began, changes, found.st_size, fields)
    return seen


def resides(
    connection: FastConnection, kept: CachedFile, offset: int, length: int, size: int
) -> bool:
    """Whether the data are in memory, or the file system cannot tell."""
    if not kept.nowait:
        return True
    resident, now = kept.resident, connection.now
    if resident.known(offset, length, now) and connection.may_skip_asking():
        return True
    try:
        return resident.ask(kept.reading, offset, length, size)
    except OSError as error:
        if error.errno not in NO_NOWAIT:
            raise
        kept.nowait = False
        return True


def read_head(message: bytes, seen: SeenFile, end: int, length: int) -> bytes:
    """A reply up to its data."""
    size = LAST_FRAGMENT | READ_SIZE + (length + 3 & ~3)
    return READ.pack(size, message[:4], OK, 1, *seen.fields, length, end >= seen.size, length)


def read_into(kept: CachedFile, room: memoryview, offset: int) -> int:
    """Read what is in memory. Returns the number of bytes.

    Raises:
        OSError: nothing is, for example.
    """
    if not kept.nowait:
        return os.preadv(kept.reading, (room,), offset)
    try:
        return os.preadv(kept.reading, (room,), offset, os.RWF_NOWAIT)
    except OSError as error:
        if error.errno in NO_NOWAIT:
            kept.nowait = False
        raise


def may_read(connection: FastConnection, use: Use, found: os.stat_result | None = None) -> bool:
    """Let the generic path open the data for the user, and keep the descriptor."""
    connection.actor.end()
    kept = use.kept
    if found is None:
        found = connection.stat(use)
        if found is None:
            return False
    opened = OpenObject(kept.descriptor, found)
    descriptor = use.files.open_data(use.opened.who, opened, os.O_RDONLY)
    if kept.reading == CLOSED:
        kept.reading = descriptor
    else:
        os.close(descriptor)
    use.may_read = True
    return True
