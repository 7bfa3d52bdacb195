"""SETATTR: attributes that may be set are set, and the mode loses what it must."""

from __future__ import annotations

from oncrpc.nfs.backends.memory.nodes import FileNode
from oncrpc.nfs.backends.memory.rules import (
    mode_after_write,
    mode_to_set,
    mode_without_privilege,
)
from oncrpc.nfs.filesystem import Identity, NewAttributes, Now
from oncrpc.programs.nfs3 import ftype3


def change(who: Identity, node: FileNode, new: NewAttributes, *, now: int) -> None:
    """Set attributes that ``require_change`` has allowed.

    The size and the owner come before the mode, for they clear bits of it.
    """
    if new == NewAttributes():
        return
    node.ctime = now
    if new.size is not None and node.data is not None:
        node.data.truncate(new.size)
        node.mode = mode_after_write(who, node)
        node.mtime = now
    if (new.uid, new.gid) != (None, None):
        _give(who, node, new)
    if new.mode is not None and node.kind is not ftype3.NF3LNK:
        node.mode = mode_to_set(who, node, new.mode)
    if new.atime is not None:
        node.atime = now if isinstance(new.atime, Now) else new.atime
    if new.mtime is not None:
        node.mtime = now if isinstance(new.mtime, Now) else new.mtime


def _give(who: Identity, node: FileNode, new: NewAttributes) -> None:
    if not node.is_directory:
        node.mode = mode_without_privilege(who, node)
    node.uid = node.uid if new.uid is None else new.uid
    node.gid = node.gid if new.gid is None else new.gid
