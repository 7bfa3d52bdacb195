"""CREATE and REMOVE (RFC 1813 §3.3.8, §3.3.12): a new file that gets a mode, and its removal.

The directory is changed as the caller, between two looks at its attributes, while no other call
holds its change lock. In a ``sync`` export the call is answered when a sync is done that it shares
with other changes of the directory. All that the kernel refuses, also a file that exists, is left
to the generic path; then nothing has happened. A call is registered as one that must not run twice,
as by the dispatcher, and its reply is kept.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from oncrpc.nfs.backends.local.attributes_of import attributes_of
from oncrpc.nfs.backends.local.base import reopened
from oncrpc.nfs.backends.local.cached_files import CLOSED
from oncrpc.nfs.backends.local.group_sync import Depth
from oncrpc.nfs.backends.local.kernel_handles import KernelHandles
from oncrpc.nfs.backends.local.making import make_empty
from oncrpc.nfs.backends.local.objects import OpenObject, Place
from oncrpc.nfs.backends.local.syscalls import look_at_entry, name_to_handle_at
from oncrpc.nfs.fast.encoding import NEW_FILE, OK, TRUE, WCC_DATA, fields_of, wcc_of, without_before
from oncrpc.nfs.fast.methods import HANDLE_AT, method
from oncrpc.nfs.fast.names import usual_name
from oncrpc.nfs.fast.uses import Use
from oncrpc.nfs.server.attributes import MAX32, MODE, SECOND, wcc_data_of
from oncrpc.nfs.server.duplicates import ClientCall
from oncrpc.nfs.status import status_of
from oncrpc.programs.nfs3 import (
    NFS_V3,
    CREATE3res,
    CREATE3resfail,
    REMOVE3res,
    REMOVE3resfail,
    createmode3,
    wcc_data,
)
from oncrpc.rpc.dispatch import SUCCEEDED
from oncrpc.rpc.quick import LaterReply, QuickAnswer
from oncrpc.rpc.record import record_mark

if TYPE_CHECKING:
    from asyncio import Future

    from oncrpc.nfs.fast.calls import FastConnection

CREATED = {how.to_bytes(4, "big") + TRUE for how in (createmode3.UNCHECKED, createmode3.GUARDED)}
"""What is before the mode."""

MODE_END = 12
NOTHING_ELSE = {bytes(20), bytes(8) + TRUE + bytes(16)}
"""What is after the mode: no owner, no times, and no size or the size 0."""


class AskedChange(NamedTuple):
    """A directory, the name in it, and where the arguments after the name begin."""

    use: Use
    name: bytes
    rest_at: int


class MadeChange(NamedTuple):
    """A change that was made: the attributes of the directory before and after it.

    ``refused`` makes the result if the change does not reach the disk.
    """

    use: Use
    before: os.stat_result
    after: os.stat_result
    refused: Callable[[OSError, wcc_data], bytes]


@method(NFS_V3.NFSPROC3_CREATE)
def create(connection: FastConnection, message: bytes, replies: list[bytes]) -> QuickAnswer:
    """A new regular file, by a call that sets its mode and nothing else."""
    asked = asked_change(connection, message)
    if asked is None:
        return None
    use, name, at = asked
    mode = asked_mode(message, at)
    before = None if mode is None else ready(connection, message, use)
    if mode is None or before is None:
        return None
    connection.actor.become(use.files, use.opened.who)
    directory = use.kept.descriptor
    descriptor = make_empty(directory, name, mode)
    try:
        made, file = os.fstat(descriptor), id_of_new(use, descriptor)
    except OSError:
        os.close(descriptor)
        os.unlink(name, dir_fd=directory)
        raise
    after = os.fstat(directory)
    handle = connection.fast.handle(use.opened.share, file)
    reply = b"".join((
        message[:4], OK, TRUE, len(handle).to_bytes(4, "big"), handle, bytes(-len(handle) % 4),
        NEW_FILE.pack(1, *fields_of(made, use.fsid), *wcc_of(before), 1,
                      *fields_of(after, use.fsid)),
    ))  # fmt: skip
    change = MadeChange(use, before, after, create_refused)
    return answered(connection, message, replies, reply, change, new_file=descriptor)


@method(NFS_V3.NFSPROC3_REMOVE)
def remove(connection: FastConnection, message: bytes, replies: list[bytes]) -> QuickAnswer:
    """Remove an entry that is not a directory."""
    asked = asked_change(connection, message)
    if asked is None or asked.rest_at != len(message):
        return None
    use, name, _ = asked
    before = ready(connection, message, use)
    if before is None:
        return None
    connection.actor.become(use.files, use.opened.who)
    directory = use.kept.descriptor
    place = place_of(directory, name)
    os.unlink(name, dir_fd=directory)
    use.files.forget_removed(place)
    after = os.fstat(directory)
    wcc = WCC_DATA.pack(*wcc_of(before), 1, *fields_of(after, use.fsid))
    reply = b"".join((message[:4], OK, wcc))
    change = MadeChange(use, before, after, remove_refused)
    return answered(connection, message, replies, reply, change)


def asked_change(connection: FastConnection, message: bytes) -> AskedChange | None:
    """What a call asks for; None if it is not usual."""
    at = HANDLE_AT + (message[30] << 8) + message[31]
    end = at + 4 + (message[at + 3] + 3 & ~3)
    use = connection.uses.get(message[24:end])
    if use is None or use.until < connection.now:
        use = connection.use(message, at, end)
        if use is None:
            return None
    size = int.from_bytes(message[end : end + 4], "big")
    rest_at = end + 4 + (size + 3 & ~3)
    name = usual_name(message[end:rest_at])
    opened = use.opened
    if name is None or use.kept.kind != stat.S_IFDIR or opened.options.ro:
        return None
    if opened.share.locks.is_held(opened.file):
        return None
    return AskedChange(use, name, rest_at)


def asked_mode(message: bytes, at: int) -> int | None:
    """The mode that a CREATE sets; None if it sets something else, too."""
    if message[at : at + 8] not in CREATED or message[at + MODE_END :] not in NOTHING_ELSE:
        return None
    return int.from_bytes(message[at + 8 : at + MODE_END], "big") & MODE


def ready(connection: FastConnection, message: bytes, use: Use) -> os.stat_result | None:
    """The attributes of the directory before a change; None if the generic path must make it.

    After the change nothing may fail any more.
    """
    others = use.opened.share.others
    if others is not None:
        others.begin_now(use.opened.file)
    before = connection.stat(use)
    if before is None or not (_fits(before.st_atime_ns) and _fits(before.st_mtime_ns)):
        return None
    if use.files.sync and use.kept.reading == CLOSED:
        connection.actor.end()
        use.kept.reading = reopened(OpenObject(use.kept.descriptor, before), os.O_RDONLY)
    duplicates = connection.fast.duplicates
    if duplicates.is_full or duplicates.find(connection.caller, message, connection.now):
        return None
    return before


def _fits(nanoseconds: int) -> bool:
    return 0 <= nanoseconds < (MAX32 + 1) * SECOND


def id_of_new(use: Use, descriptor: int) -> bytes:
    """The id of a file that was just made.

    Raises:
        OSError: the generic path has to make it.
    """
    objects = use.files.objects
    assert isinstance(objects, KernelHandles), "uses are of such files only"
    file = objects.id_in_root_mount(name_to_handle_at(descriptor))
    if file is None:
        raise OSError
    return file


def place_of(directory: int, name: bytes) -> Place:
    """The device and inode number of an entry."""
    descriptor = look_at_entry(directory, name)
    try:
        found = os.fstat(descriptor)
    finally:
        os.close(descriptor)
    return found.st_dev, found.st_ino


def answered(
    connection: FastConnection,
    message: bytes,
    replies: list[bytes],
    reply: bytes,
    change: MadeChange,
    *,
    new_file: int = CLOSED,
) -> QuickAnswer:
    """Reply now, or when the change is on disk; ``new_file`` is closed."""
    duplicates, use = connection.fast.duplicates, change.use
    others = use.opened.share.others
    if others is not None and others.end_now():
        reply = without_before(reply)
    entry = duplicates.begin_here(connection.caller, message)
    use.files.changed += 1
    if not use.files.sync:
        if new_file != CLOSED:
            os.close(new_file)
        duplicates.finish(entry, reply, connection.now)
        replies += record_mark(len(reply)), reply
        return 4 + len(reply)
    done = stored(use, new_file)
    use.opened.share.unstored.add(use.opened.file, done)
    outcome = duplicates.outcome_of(entry)
    sent: Future[bytes] = done.get_loop().create_future()
    done.add_done_callback(partial(_stored, connection, entry, reply, change, outcome, sent))
    return LaterReply(sent, _result)


def stored(use: Use, new_file: int) -> Future[None]:
    """Begin to bring a directory to disk, and a file that was made in it."""
    group, kept = use.files.group, use.kept
    done = group.join(kept.place, Depth.FILE)
    if done is None:
        try:
            descriptor = os.dup(kept.reading)
        except OSError:  # too many files are open
            descriptor, kept.reading = kept.reading, CLOSED
            kept.ahead = None  # it was about the position of that descriptor
        done = group.sync(kept.place, descriptor, Depth.FILE)
    if new_file != CLOSED:
        group.add_new_file(kept.place, new_file)
    return done


def _stored(
    connection: FastConnection,
    entry: ClientCall,
    reply: bytes,
    change: MadeChange,
    outcome: Future[bytes | None],
    sent: Future[bytes],
    done: Future[None],
) -> None:
    """Keep the reply, and send it unless the connection has ended."""
    error = done.exception()
    if isinstance(error, OSError):
        former, latter = (attributes_of(each, fsid=0) for each in (change.before, change.after))
        wcc = wcc_data_of(former, latter, change.use.opened.share.fsid)
        reply = reply[:4] + SUCCEEDED + change.refused(error, wcc)
    connection.fast.duplicates.finish(entry, reply, connection.now)
    outcome.set_result(reply)
    if not sent.done():
        sent.set_result(reply)


def _result(sent: Future[bytes]) -> bytes:
    return sent.result()


def create_refused(error: OSError, wcc: wcc_data) -> bytes:
    """The result of a CREATE that failed."""
    result = CREATE3res(status_of(error), CREATE3resfail(wcc))
    return NFS_V3.NFSPROC3_CREATE.encode_result(result)


def remove_refused(error: OSError, wcc: wcc_data) -> bytes:
    """The result of a REMOVE that failed."""
    result = REMOVE3res(status_of(error), REMOVE3resfail(wcc))
    return NFS_V3.NFSPROC3_REMOVE.encode_result(result)
