"""Files and exports as JSON objects."""

from __future__ import annotations

import os
import stat as modes
from typing import Any

from oncrpc.nfs.client.results import FileStat

TYPES = {
    modes.S_IFREG: "file",
    modes.S_IFDIR: "directory",
    modes.S_IFLNK: "symlink",
    modes.S_IFIFO: "fifo",
    modes.S_IFSOCK: "socket",
    modes.S_IFBLK: "block",
    modes.S_IFCHR: "character",
}
"""The name of each type of file."""


def text_of_bytes(name: str) -> str:
    r"""A name for JSON, which is UTF-8: other bytes as ``\xNN``. The URL has the exact name."""
    return os.fsencode(name).decode("utf-8", "backslashreplace")


def type_name(stat: FileStat) -> str:
    """The type of a file."""
    return TYPES.get(modes.S_IFMT(stat.mode), "unknown")


def file_object(name: str, url: str, stat: FileStat, target: str | None = None) -> dict[str, Any]:
    """A file; times are seconds since 1970. ``target`` is the text of a symbolic link."""
    made = {
        "name": text_of_bytes(name),
        "url": url,
        "type": type_name(stat),
        "mode": f"{modes.S_IMODE(stat.mode):04o}",
        "nlink": stat.nlink,
        "uid": stat.uid,
        "gid": stat.gid,
        "size": stat.size,
        "used": stat.used,
        "fsid": stat.fsid,
        "fileid": stat.fileid,
        "atime": stat.atime,
        "mtime": stat.mtime,
        "ctime": stat.ctime,
    }
    if modes.S_ISCHR(stat.mode) or modes.S_ISBLK(stat.mode):
        made["device"] = list(stat.device)
    if target is not None:
        made["target"] = text_of_bytes(target)
    return made
