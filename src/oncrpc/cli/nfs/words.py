"""The commands of ``nfs``, and the module of each."""

from __future__ import annotations

TYPE_CHECKING = False  # typing.TYPE_CHECKING without loading typing
if TYPE_CHECKING:
    from collections.abc import Sequence

WORDS = {
    "ls": "oncrpc.cli.nfs.ls",
    "cat": "oncrpc.cli.nfs.cat",
    "stat": "oncrpc.cli.nfs.stat",
    "df": "oncrpc.cli.nfs.df",
    "find": "oncrpc.cli.nfs.find",
    "tree": "oncrpc.cli.nfs.tree",
    "mkdir": "oncrpc.cli.nfs.mkdir",
    "rm": "oncrpc.cli.nfs.rm",
    "mv": "oncrpc.cli.nfs.mv",
    "cp": "oncrpc.cli.nfs.cp",
    "ln": "oncrpc.cli.nfs.ln",
    "chmod": "oncrpc.cli.nfs.chmod",
    "touch": "oncrpc.cli.nfs.touch",
    "ping": "oncrpc.cli.nfs.ping",
    "bench": "oncrpc.cli.nfs.bench",
    "mount": "oncrpc.cli.nfs.mount",
    "umount": "oncrpc.cli.nfs.umount",
}
"""The module of each command. It has ``COMMAND``, an ``NfsCommand``, and ``main``."""

SUMMARIES = {
    "ls": "list directories, or the exports of a server",
    "cat": "write the content of files to standard output",
    "stat": "print the attributes of files",
    "df": "print the space of exports; without a path, of all exports of the server",
    "find": "print the URLs of files in directories and below that pass all tests",
    "tree": "draw directories and what is below them",
    "mkdir": "create directories",
    "rm": "remove files",
    "mv": "rename files, or move them into a directory of the same export",
    "cp": "copy files to a server, from it, or between servers",
    "ln": "create a hard link to a file, or with -s a symbolic link",
    "chmod": "set the permissions of files, octal",
    "touch": "set the times of files to now, and create missing ones",
    "ping": "ask each layer of a server, and say which one fails and why",
    "bench": "measure how fast a directory of a server is read, written and listed",
    "mount": "mount a directory of a server by FUSE, without root",
    "umount": "unmount what nfs mount has mounted",
}
"""What each command does, for the help of ``nfs``."""


def module_of(arguments: Sequence[str]) -> str | None:
    """The module for a command line; None if its first word is unknown."""
    return WORDS.get(arguments[0]) if arguments else None
