"""``nfs umount``: unmounts directories that ``nfs mount`` has mounted."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence

from oncrpc.cli.command import Option, run
from oncrpc.cli.nfs.command_line import NfsCommand, NfsRequest, parse_command
from oncrpc.cli.nfs.names import plain
from oncrpc.cli.nfs.output import ErrorReport
from oncrpc.nfs.fusemount.mount_table import absolute, mount_at

TOOL = "fusermount3"
BUSY = "busy"
COMMAND = NfsCommand(
    "umount",
    "DIRECTORY...",
    "unmount what nfs mount has mounted",
    (Option("lazy", "l", "", "detach a directory that is in use; it ends when it is not"),),
    connects=False,
)


def main(arguments: Sequence[str]) -> int:
    """Run it; returns the exit status."""
    return run(COMMAND.program, lambda: _unmount(parse_command(COMMAND, arguments)))


def _unmount(request: NfsRequest) -> int:
    errors = ErrorReport(COMMAND.program)
    for directory in request.operands:
        reason = _refusal(absolute(directory), lazy=request.has("lazy"))
        if reason:
            errors.line(f"{plain(directory)}: {reason}")
    return errors.finish()


def _refusal(directory: str, *, lazy: bool) -> str:
    """Unmount a directory; returns why that failed, or an empty text."""
    if mount_at(directory) is None:
        return "not mounted by 'nfs mount'; see 'findmnt -t fuse.nfs'"
    words = [TOOL, "-u", *(["-z"] * lazy), "--", directory]
    try:
        done = subprocess.run(words, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        return f"{TOOL} is missing; install fuse3, such as with apt"
    if not done.returncode:
        return ""
    reason = plain(done.stderr.strip().rpartition(": ")[2] or f"{TOOL} failed")
    if BUSY in reason:
        return f"{reason}; end the programs that 'fuser -vm {plain(directory)}' lists, or use -l"
    return reason
