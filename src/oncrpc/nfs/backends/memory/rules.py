"""POSIX's rules of who may change what, as Linux has them.

Nothing here changes a file: each rule raises an ``OSError``, or returns what a change makes.
"""

from __future__ import annotations

import errno
import os
import stat

from oncrpc.nfs.backends.memory.nodes import FileNode
from oncrpc.nfs.filesystem import (
    MAY_EXECUTE,
    MAY_WRITE,
    NOW,
    Identity,
    NewAttributes,
    data_permissions,
    permissions,
)
from oncrpc.programs.nfs3 import ftype3

SETGID_FOR_PROGRAM = stat.S_ISGID | stat.S_IXGRP
MODE_BITS = 0o7777


def refusal(number: int) -> OSError:
    """The error with this number, as the system raises it."""
    return OSError(number, os.strerror(number))


def require(who: Identity, node: FileNode, wanted: int) -> None:
    """The user may do this by the mode of the file, or EACCES."""
    if wanted & ~permissions(who, node.attributes()):
        raise refusal(errno.EACCES)


def require_data(who: Identity, node: FileNode, wanted: int) -> None:
    """The user may read or write the data of the file, or EACCES."""
    if wanted & ~data_permissions(who, node.attributes()):
        raise refusal(errno.EACCES)


def require_owner(who: Identity, node: FileNode) -> None:
    """The user owns the file, or EPERM."""
    if who.uid not in (0, node.uid):
        raise refusal(errno.EPERM)


def is_member(who: Identity, gid: int) -> bool:
    """Whether the user is in a group."""
    return gid == who.gid or gid in who.groups


def require_removable(
    who: Identity, directory: FileNode, node: FileNode, *, as_directory: bool
) -> None:
    """The user may remove this entry, in the order of Linux's checks: EACCES, EPERM for the sticky
    bit, then ENOTDIR or EISDIR.
    """
    require(who, directory, MAY_WRITE | MAY_EXECUTE)
    if directory.mode & stat.S_ISVTX and who.uid not in (0, node.uid, directory.uid):
        raise refusal(errno.EPERM)
    if as_directory and not node.is_directory:
        raise refusal(errno.ENOTDIR)
    if node.is_directory and not as_directory:
        raise refusal(errno.EISDIR)


def require_change(who: Identity, node: FileNode, new: NewAttributes) -> None:
    """All these attributes may be set, or EPERM, EACCES, EISDIR or EINVAL."""
    if new.size is not None:
        require_regular(node)
        require_data(who, node, MAY_WRITE)
    if new.uid is not None and who.uid != 0 and not who.uid == node.uid == new.uid:
        raise refusal(errno.EPERM)
    if new.gid is not None and who.uid != 0:
        require_owner(who, node)
        if new.gid != node.gid and not is_member(who, new.gid):
            raise refusal(errno.EPERM)
    if new.mode is not None and node.kind is not ftype3.NF3LNK:
        require_owner(who, node)
    if (new.atime, new.mtime) == (NOW, NOW):
        if who.uid != node.uid:
            require(who, node, MAY_WRITE)
    elif (new.atime, new.mtime) != (None, None):
        require_owner(who, node)


def require_regular(node: FileNode) -> None:
    """The file has data, or EISDIR or EINVAL."""
    if node.data is None:
        raise refusal(errno.EISDIR if node.is_directory else errno.EINVAL)


def mode_without_privilege(who: Identity, node: FileNode) -> int:
    """The mode after a user changed the owner: without setuid and setgid.

    A setgid bit without execution for the group is none: it once asked for mandatory locks. It goes
    only if the user is outside of the group.
    """
    mode = node.mode & ~stat.S_ISUID
    runs = mode & SETGID_FOR_PROGRAM == SETGID_FOR_PROGRAM
    if runs or not (who.uid == 0 or is_member(who, node.gid)):
        mode &= ~stat.S_ISGID
    return mode


def mode_after_write(who: Identity, node: FileNode) -> int:
    """The mode after a user changed the data: the super-user leaves it alone."""
    return node.mode if who.uid == 0 else mode_without_privilege(who, node)


def mode_to_set(who: Identity, node: FileNode, mode: int) -> int:
    """The mode that results if a user asks for this one: no setgid of a group of others."""
    mode &= MODE_BITS
    return mode if who.uid == 0 or is_member(who, node.gid) else mode & ~stat.S_ISGID


def require_rename(
    who: Identity, above: FileNode, node: FileNode, *, to_above: FileNode, replaced: FileNode | None
) -> None:
    """The user may move a file and replace another one, in the order of Linux's checks."""
    if is_within(to_above, node):
        raise refusal(errno.EINVAL)
    if replaced and is_within(above, replaced):
        raise refusal(errno.ENOTEMPTY)
    require_removable(who, above, node, as_directory=node.is_directory)
    if replaced:
        require_removable(who, to_above, replaced, as_directory=node.is_directory)
    else:
        require(who, to_above, MAY_WRITE | MAY_EXECUTE)
    if node.is_directory and to_above is not above:
        require(who, node, MAY_WRITE)  # its ".." changes
    if replaced and replaced.names:
        raise refusal(errno.ENOTEMPTY)


def is_within(directory: FileNode, above: FileNode) -> bool:
    """Whether a directory is another one, or anywhere below it."""
    while directory is not above:
        if directory.parent is None or directory.parent is directory:
            return False
        directory = directory.parent
    return True
