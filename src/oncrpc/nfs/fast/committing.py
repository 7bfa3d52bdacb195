"""COMMIT (RFC 1813 §3.3.21): answered when a sync is done that it shares with others."""

from __future__ import annotations

import os
import stat
from functools import partial
from struct import Struct
from typing import TYPE_CHECKING

from oncrpc.nfs.backends.local.attributes_of import attributes_of
from oncrpc.nfs.backends.local.cached_files import CLOSED
from oncrpc.nfs.fast.encoding import COMMIT, COMMIT_MARK, OK, fields_of, wcc_of
from oncrpc.nfs.fast.methods import HANDLE_AT, method
from oncrpc.nfs.fast.uses import Use
from oncrpc.nfs.server.attributes import wcc_data_of
from oncrpc.nfs.status import status_of
from oncrpc.programs.nfs3 import NFS_V3, COMMIT3res, COMMIT3resfail
from oncrpc.rpc.dispatch import SUCCEEDED
from oncrpc.rpc.quick import LaterReply, QuickAnswer
from oncrpc.rpc.record import MARK

if TYPE_CHECKING:
    from asyncio import Future

    from oncrpc.nfs.fast.calls import FastConnection

RANGE = Struct(">QI")
FARTHEST = (1 << 63) - (1 << 32)


@method(NFS_V3.NFSPROC3_COMMIT)
def commit(connection: FastConnection, message: bytes, _: list[bytes]) -> QuickAnswer:
    """Bring the data of a regular file to disk."""
    at = HANDLE_AT + (message[30] << 8) + message[31]
    end = at + 4 + (message[at + 3] + 3 & ~3)
    use = connection.uses.get(message[24:end])
    if use is None or use.until < connection.now:
        use = connection.use(message, at, end)
        if use is None:
            return None
    connection.actor.end()
    offset, count = RANGE.unpack_from(message, end)
    found, files, opened = connection.stat(use), use.files, use.opened
    if found is None or use.kept.kind != stat.S_IFREG or offset > FARTHEST:
        return None
    if opened.options.ro or not opened.options.sync or files.group.lost:
        return None  # also if data of another file were lost: the generic path tells that once
    done = files.commit(opened.who, opened.file, offset, count)
    return LaterReply(done, partial(committed, use, message[:4], found))


def committed(use: Use, xid: bytes, before: os.stat_result, done: Future[None]) -> bytes:
    """The reply when the sync is done; a refusal, and a new verifier, if it failed."""
    share, kept, error = use.opened.share, use.kept, done.exception()
    found = before if kept.descriptor == CLOSED else os.fstat(kept.descriptor)
    if error is None:
        wcc, fields = wcc_of(found), fields_of(found, use.fsid)
        return COMMIT.pack(COMMIT_MARK, xid, OK, *wcc, 1, *fields, share.verifier.value)[
            MARK.size :
        ]
    share.verifier.renew()
    if not isinstance(error, OSError):
        raise error
    latest = attributes_of(found, fsid=0)
    refusal = COMMIT3res(status_of(error), COMMIT3resfail(wcc_data_of(latest, latest, share.fsid)))
    return xid + SUCCEEDED + NFS_V3.NFSPROC3_COMMIT.encode_result(refusal)
