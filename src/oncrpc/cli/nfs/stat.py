"""``nfs stat``: prints the attributes of files as stat does."""

from __future__ import annotations

import stat as modes
import time
from collections.abc import Iterator, Sequence
from functools import partial

from oncrpc.cli.command import Option
from oncrpc.cli.nfs.command_line import NfsCommand
from oncrpc.cli.nfs.listing import group_name, user_name
from oncrpc.cli.nfs.names import quoted
from oncrpc.cli.nfs.objects import file_object
from oncrpc.cli.nfs.session import NfsSession, RemotePlace, run_command
from oncrpc.nfs.client.results import SECOND, FileStat

COMMAND = NfsCommand(
    "stat",
    "URL...",
    "print the attributes of files",
    (
        Option("dereference", "L", "", "follow symbolic links"),
        Option("json", "", "", "print a JSON object for each file, one on a line"),
    ),
)
KINDS = {
    modes.S_IFDIR: "directory",
    modes.S_IFLNK: "symbolic link",
    modes.S_IFIFO: "fifo",
    modes.S_IFSOCK: "socket",
    modes.S_IFBLK: "block special file",
    modes.S_IFCHR: "character special file",
}
"""The types of files in the words of stat(1)."""

DISK_BLOCK = 512
"""Bytes of the blocks in which stat(1) counts."""


def main(arguments: Sequence[str]) -> int:
    """Run it; returns the exit status."""
    return run_command(COMMAND, lambda session: session.each(partial(_print, session)), arguments)


def _print(session: NfsSession, place: RemotePlace) -> None:
    follow = session.request.has("dereference")
    stat = place.fs.stat(place.path) if follow else place.fs.lstat(place.path)
    target = place.fs.readlink(place.path) if stat.is_symlink() else None
    if session.request.has("json"):
        session.output.json(file_object(place.shown, place.url, stat, target))
        return
    name = quoted(place.shown, terminal=session.output.terminal)
    if target is not None:
        name += f" -> {quoted(target, terminal=session.output.terminal)}"
    for line in stat_lines(name, stat):
        session.output.line(line)


def stat_lines(name: str, stat: FileStat) -> Iterator[str]:
    """The lines of a file."""
    empty = stat.is_file() and not stat.size
    kind = "regular empty file" if empty else KINDS.get(modes.S_IFMT(stat.mode), "regular file")
    yield f"  File: {name}"
    yield f"  Size: {stat.size:<15} Blocks: {-(-stat.used // DISK_BLOCK):<10} {kind}"
    device = f"Device: {stat.fsid:x}h  Inode: {stat.fileid:<11} Links: {stat.nlink}"
    if modes.S_ISCHR(stat.mode) or modes.S_ISBLK(stat.mode):
        device += f"     Device type: {stat.device[0]},{stat.device[1]}"
    yield device
    access = f"Access: ({modes.S_IMODE(stat.mode):04o}/{modes.filemode(stat.mode)})"
    user, group = user_name(stat.uid), group_name(stat.gid)
    yield f"{access}  Uid: ({stat.uid:5}/{user:>8})   Gid: ({stat.gid:5}/{group:>8})"
    yield f"Access: {_moment(stat.atime_ns)}"
    yield f"Modify: {_moment(stat.mtime_ns)}"
    yield f"Change: {_moment(stat.ctime_ns)}"


def _moment(nanoseconds: int) -> str:
    seconds, part = divmod(nanoseconds, SECOND)
    try:
        local = time.localtime(seconds)
    except (OverflowError, OSError, ValueError):  # from a server, any number
        return f"{seconds}.{part:09}"
    return f"{time.strftime('%Y-%m-%d %H:%M:%S', local)}.{part:09} {time.strftime('%z', local)}"
