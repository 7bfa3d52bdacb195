"""NULL, GETATTR, ACCESS and LOOKUP (RFC 1813 §3.3.0, §3.3.1, §3.3.3, §3.3.4).

LOOKUP looks the name up as the server, after the kernel has said that the caller may search the
directory. What it finds is compared by device and inode number with the file that was found under
this name before, and that is kept open since. If it is another file, or none, or on another file
system, the generic path looks.
"""

from __future__ import annotations

import os
import stat
from itertools import product
from typing import TYPE_CHECKING, NamedTuple

from oncrpc.nfs.backends.local.cached_files import CachedFile
from oncrpc.nfs.backends.local.kernel_handles import BELOW_MOUNT
from oncrpc.nfs.backends.local.syscalls import faccessat2
from oncrpc.nfs.fast.encoding import (
    ACCESS,
    ACCESS_MARK,
    GETATTR,
    GETATTR_MARK,
    LOOKUP_HEAD,
    NULL,
    NULL_MARK,
    OK,
    POST_OP,
    fields_of,
)
from oncrpc.nfs.fast.methods import HANDLE_AT, method
from oncrpc.nfs.fast.uses import Use
from oncrpc.nfs.filesystem import MAY_EXECUTE
from oncrpc.nfs.names import ABOVE, HERE
from oncrpc.nfs.server.access import access_bits
from oncrpc.programs.nfs3 import NFS_V3, ftype3
from oncrpc.rpc.dispatch import SUCCEEDED
from oncrpc.rpc.quick import QuickAnswer
from oncrpc.rpc.record import LAST_FRAGMENT

if TYPE_CHECKING:
    from oncrpc.nfs.fast.calls import FastConnection

ALL = 7
BITS = {
    (mode, allowed, ro): access_bits(kind, allowed, read_only=ro)
    for (mode, kind), allowed, ro in product(
        ((stat.S_IFDIR, ftype3.NF3DIR), (stat.S_IFREG, ftype3.NF3REG)), range(8), (False, True)
    )
}
"""The bits of ACCESS by type, permissions, and whether the export is read-only."""

MAX_CHILDREN = 4096
"""Names of a directory whose files the short way of LOOKUP knows."""

LONGEST = 255


class Child(NamedTuple):
    """A file that was found in a directory: its name, and its handle as encoded."""

    name: bytes
    kept: CachedFile
    handle: bytes


@method(NFS_V3.NFSPROC3_NULL)
def null(connection: FastConnection, message: bytes, replies: list[bytes]) -> QuickAnswer:
    """Nothing, if the call has an ordinary credential."""
    if message[24:] != NO_CREDENTIAL and not connection.knows(message):
        return None
    replies.append(NULL.pack(NULL_MARK, message[:4], SUCCEEDED))
    return NULL.size


NO_CREDENTIAL = bytes(16)


@method(NFS_V3.NFSPROC3_GETATTR)
def getattr_(connection: FastConnection, message: bytes, replies: list[bytes]) -> QuickAnswer:
    """The attributes."""
    use = connection.uses.get(message[24:])
    if use is None or use.until < connection.now:
        at = HANDLE_AT + (message[30] << 8) + message[31]
        use = connection.use(message, at, len(message))
        if use is None:
            return None
    found = connection.stat(use)
    if found is None:
        return None
    replies.append(GETATTR.pack(GETATTR_MARK, message[:4], OK, *fields_of(found, use.fsid)))
    return GETATTR.size


@method(NFS_V3.NFSPROC3_ACCESS)
def access(connection: FastConnection, message: bytes, replies: list[bytes]) -> QuickAnswer:
    """The bits that the client asks for and the user has."""
    at = HANDLE_AT + (message[30] << 8) + message[31]
    end = at + 4 + (message[at + 3] + 3 & ~3)
    use = connection.uses.get(message[24:end])
    if use is None or use.until < connection.now:
        use = connection.use(message, at, end)
        if use is None:
            return None
    found = connection.stat(use)
    if found is None:
        return None
    if use.allowed < 0:
        connection.actor.end()
        use.allowed = allowed_of(use)
    bits = BITS.get((use.kept.kind, use.allowed, use.opened.options.ro))
    asked = message[end : end + 4]
    if bits is None or len(asked) != len(b"word"):
        return None
    granted = bits & int.from_bytes(asked, "big")
    fields = fields_of(found, use.fsid)
    replies.append(ACCESS.pack(ACCESS_MARK, message[:4], OK, 1, *fields, granted))
    return ACCESS.size


def allowed_of(use: Use) -> int:
    """The permissions of the user, by the kernel."""
    with use.files.identities.of(use.opened.who):
        descriptor = use.kept.descriptor
        if faccessat2(descriptor, ALL):
            return ALL
        return sum(bit for bit in (4, 2, 1) if faccessat2(descriptor, bit))


@method(NFS_V3.NFSPROC3_LOOKUP)
def lookup(connection: FastConnection, message: bytes, replies: list[bytes]) -> QuickAnswer:
    """A name in a directory that the user may search."""
    at = HANDLE_AT + (message[30] << 8) + message[31]
    end = at + 4 + (message[at + 3] + 3 & ~3)
    use = connection.uses.get(message[24:end])
    if use is None or use.until < connection.now:
        use = connection.use(message, at, end)
        if use is None:
            return None
    directory = connection.stat(use)
    if directory is None or use.kept.kind != stat.S_IFDIR:
        return None
    if use.allowed < 0:
        connection.actor.end()
        use.allowed = allowed_of(use)
    if not use.allowed & MAY_EXECUTE:
        return None
    connection.actor.end()
    children = use.kept.children
    child: Child | None = children.get(message[end:])
    if child is None:
        child = found_child(connection, use, message[end:])
        if child is None:
            return None
    name, kept, handle = child
    found = os.stat(name, dir_fd=use.kept.descriptor, follow_symlinks=False)
    if (found.st_dev, found.st_ino) != kept.place or kept.descriptor < 0:
        del children[message[end:]]
        return None
    kept.used = connection.now
    size = LOOKUP_REST + len(handle)
    replies += (
        LOOKUP_HEAD.pack(LAST_FRAGMENT | size, message[:4], OK), handle,
        POST_OP.pack(1, *fields_of(found, use.fsid)),
        POST_OP.pack(1, *fields_of(directory, use.fsid)),
    )  # fmt: skip
    return size


def found_child(connection: FastConnection, use: Use, encoded: bytes) -> Child | None:
    """Look up a name by the generic path, and keep what it finds open; None: it must answer."""
    name = usual_name(encoded)
    if name is None:
        return None
    files, opened = use.files, use.opened
    file = files.lookup(opened.who, opened.file, name)
    if file[:1] == BELOW_MOUNT:
        return None
    handle = connection.fast.shares.handle(opened.share, file)
    packed = len(handle).to_bytes(4, "big") + handle + bytes(-len(handle) % 4)
    child = Child(name, files.cached.get(file), packed)
    children = use.kept.children
    if len(children) >= MAX_CHILDREN:
        children.clear()
    children[encoded] = child
    return child


def usual_name(encoded: bytes) -> bytes | None:
    """A name that an entry may have, from its bytes in a call; None if it is not usual."""
    size = int.from_bytes(encoded[:4], "big")
    name = encoded[4 : 4 + size]
    if not 1 <= size <= LONGEST or len(encoded) != 4 + (size + 3 & ~3) or any(encoded[4 + size :]):
        return None
    return None if name in (HERE, ABOVE) or b"/" in name or b"\0" in name else name


LOOKUP_REST = LOOKUP_HEAD.size - 4 + 2 * POST_OP.size
"""Bytes of a reply to LOOKUP without the record mark and the handle."""
