"""WRITE (RFC 1813 §3.3.7): the data go from the buffer of the call to the kernel.

The file is changed as the caller, between two looks at its attributes, while no other call holds
its change lock. A stable WRITE is answered when a sync is done that it shares with others.
"""

from __future__ import annotations

import os
import stat
from functools import partial
from struct import Struct
from typing import TYPE_CHECKING, NamedTuple

from oncrpc.nfs.backends.local.attributes_of import attributes_of
from oncrpc.nfs.backends.local.cached_files import CLOSED
from oncrpc.nfs.backends.local.content import DEPTHS, LAST
from oncrpc.nfs.backends.local.objects import OpenObject
from oncrpc.nfs.fast.encoding import OK, WRITE, WRITE_MARK, fields_of, wcc_of, without_before
from oncrpc.nfs.fast.methods import HANDLE_AT, method
from oncrpc.nfs.fast.uses import Use
from oncrpc.nfs.server.attributes import wcc_data_of
from oncrpc.nfs.status import status_of
from oncrpc.programs.nfs3 import NFS_V3, WRITE3res, WRITE3resfail, stable_how
from oncrpc.rpc.dispatch import SUCCEEDED
from oncrpc.rpc.quick import LaterReply, QuickAnswer
from oncrpc.rpc.record import MARK, record_mark

if TYPE_CHECKING:
    from asyncio import Future

    from oncrpc.nfs.fast.calls import FastConnection

ARGUMENTS = Struct(">QIII")
WRITTEN = 16
"""Bytes of a result behind ``wcc_data``."""

DEPTH = {int(how): DEPTHS.get(how) for how in stable_how}
"""How much is synced; None for UNSTABLE."""


class AskedWrite(NamedTuple):
    """A WRITE that may run. ``late`` is the key by which a late repetition is recognised."""

    use: Use
    offset: int
    data: memoryview
    stable: int
    late: bytes


@method(NFS_V3.NFSPROC3_WRITE)
def write(connection: FastConnection, message: bytes, replies: list[bytes]) -> QuickAnswer:
    """Data for a regular file that the user may write."""
    asked = asked_write(connection, message)
    return None if asked is None else write_now(connection, message[:4], asked, replies)


def asked_write(connection: FastConnection, message: bytes) -> AskedWrite | None:
    """What a call asks for; None if it is not usual."""
    at = HANDLE_AT + (message[30] << 8) + message[31]
    end = at + 4 + (message[at + 3] + 3 & ~3)
    use = connection.uses.get(message[24:end])
    if use is None or use.until < connection.now:
        use = connection.use(message, at, end)
        if use is None:
            return None
    offset, count, stable, size = ARGUMENTS.unpack_from(message, end)
    whole = memoryview(message) if connection.whole is None else connection.whole
    begin = end + ARGUMENTS.size
    stop = begin + size
    if count != size or not 0 < count <= connection.fast.sizes.stream or stable not in DEPTH:
        return None
    if len(whole) != stop + (-size & 3) or any(whole[stop:]) or offset + count > LAST:
        return None
    opened = use.opened
    if use.kept.kind != stat.S_IFREG or opened.options.ro or use.files.writes_wait:
        return None
    if opened.share.locks.is_held(opened.file):
        return None
    late = connection.fast.duplicates.new_write(connection.caller, connection.client, message)
    return None if late is None else AskedWrite(use, offset, whole[begin:stop], stable, late)


def write_now(
    connection: FastConnection, xid: bytes, asked: AskedWrite, replies: list[bytes]
) -> QuickAnswer:
    """Write, and reply now or when the data are on disk."""
    use, offset, data, stable, late = asked
    kept, files, opened = use.kept, use.files, use.opened
    others = opened.share.others
    if others is not None:
        others.begin_now(opened.file)
    before = connection.stat(use)
    if before is None:
        return None
    if not use.may_write or kept.writing == CLOSED:
        allow_writing(connection, use, before)
    # Read before the WRITE: another call may fail to store these data meanwhile, and renew it.
    verifier = opened.share.verifier.value
    connection.actor.become(files, opened.who)
    length = files.write_through(kept.writing, data, offset)
    after = os.fstat(kept.descriptor)
    connection.fast.duplicates.wrote(late, connection.caller)
    wcc, fields = wcc_of(before), fields_of(after, use.fsid)
    reply = WRITE.pack(WRITE_MARK, xid, OK, *wcc, 1, *fields, length, stable, verifier)
    if others is not None and others.end_now():
        reply = without_before(reply[MARK.size :], behind=WRITTEN)
        reply = record_mark(len(reply)) + reply
    depth = DEPTH[stable] if opened.options.sync else None
    if depth is None:
        files.unstable.note(kept.place, kept.writing, host=opened.who.host, size=length)
        replies.append(reply)
        return len(reply)
    done = files.group.join(kept.place, depth)
    if done is None:
        done = files.group.sync(kept.place, os.dup(kept.writing), depth)
    return LaterReply(done, partial(stored, use, reply, before, after))


def allow_writing(connection: FastConnection, use: Use, found: os.stat_result) -> None:
    """Let the generic path open the data for the user, and keep the descriptor."""
    connection.actor.end()
    opened = OpenObject(use.kept.descriptor, found)
    descriptor = use.files.open_data(use.opened.who, opened, os.O_WRONLY)
    if use.kept.writing == CLOSED:
        use.kept.writing = descriptor
    else:
        os.close(descriptor)
    use.may_write = True


def stored(
    use: Use, reply: bytes, before: os.stat_result, after: os.stat_result, done: Future[None]
) -> bytes:
    """The reply when a sync is done; a refusal, and a new verifier, if it failed."""
    error = done.exception()
    if error is None:
        return reply[MARK.size :]
    share = use.opened.share
    share.verifier.renew()
    if not isinstance(error, OSError):
        raise error
    former, latter = (attributes_of(each, fsid=0) for each in (before, after))
    wcc = wcc_data_of(former, latter, share.fsid)
    refusal = WRITE3res(status_of(error), WRITE3resfail(wcc))
    result = NFS_V3.NFSPROC3_WRITE.encode_result(refusal)
    return reply[MARK.size : MARK.size + 4] + SUCCEEDED + result
