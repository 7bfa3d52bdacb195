"""The checks of RENAME in memory, in the order of Linux."""

from __future__ import annotations

import errno

from oncrpc.nfs.backends.memory.nodes import FileNode
from oncrpc.nfs.filesystem import MAY_EXECUTE, MAY_WRITE, Identity
from oncrpc.nfs.posix import refusal, require, require_removable


def require_rename(
    who: Identity, above: FileNode, node: FileNode, *, to_above: FileNode, replaced: FileNode | None
) -> None:
    """The user may move a file from one directory to another, and replace a file there."""
    if is_within(to_above, node):
        raise refusal(errno.EINVAL)
    if replaced and is_within(above, replaced):
        raise refusal(errno.ENOTEMPTY)
    as_directory = node.is_directory
    require_removable(who, above.attributes, node.attributes, as_directory=as_directory)
    target = to_above.attributes
    if replaced:
        require_removable(who, target, replaced.attributes, as_directory=as_directory)
    else:
        require(who, target, MAY_WRITE | MAY_EXECUTE)
    if node.is_directory and to_above is not above:
        require(who, node.attributes, MAY_WRITE)  # its ".." changes
    if replaced and replaced.names:
        raise refusal(errno.ENOTEMPTY)


def is_within(directory: FileNode, above: FileNode) -> bool:
    """Whether a directory is another one, or anywhere below it."""
    while directory is not above:
        if directory.parent is None or directory.parent is directory:
            return False
        directory = directory.parent
    return True
