"""``nfs mv``: renames files and directories within an export."""

from __future__ import annotations

import errno
import posixpath
from collections.abc import Sequence

from oncrpc.cli.command import Option
from oncrpc.cli.nfs.command_line import NfsCommand
from oncrpc.cli.nfs.names import quoted
from oncrpc.cli.nfs.session import NfsOperand, NfsSession, RemotePlace, run_command

COMMAND = NfsCommand(
    "mv",
    "SOURCE_URL... TARGET_URL",
    "rename files, or move them into a directory of the same export",
    (
        Option("no-clobber", "n", "", "do not replace existing files"),
        Option("verbose", "v", "", "print each file that is moved"),
    ),
    least=2,
)


def main(arguments: Sequence[str]) -> int:
    """Run it; returns the exit status."""
    return run_command(COMMAND, _move_all, arguments)


def _move_all(session: NfsSession) -> None:
    *sources, last = session.operands(session.request.operands)
    with session.reporting(last):
        target = session.place(last)
        into = _is_directory(target)
        if len(sources) > 1 and not into:
            raise NotADirectoryError(errno.ENOTDIR, "Not a directory: several files need one")
        for source in sources:
            with session.reporting(source):
                _move(session, source, target, into=into)


def _is_directory(place: RemotePlace) -> bool:
    try:
        return place.fs.stat(place.path).is_dir()
    except FileNotFoundError:
        return False


def _move(session: NfsSession, operand: NfsOperand, target: RemotePlace, *, into: bool) -> None:
    source = session.place(operand)
    if source.path == "/":
        raise OSError(errno.EBUSY, "an export itself is not moved: name what is in it")
    if into:
        target = target.below(posixpath.basename(source.shown))
    if source.fs is not target.fs:
        text = f"not in the export of {target.shown}: copy it with 'nfs cp', then remove it"
        raise OSError(errno.EXDEV, text)
    if session.request.has("no-clobber") and _exists(target):
        return
    with session.errors.catching(f"{source.shown} to {target.shown}"):
        source.fs.rename(source.path, target.path)
        if session.request.has("verbose"):
            terminal = session.output.terminal
            names = (quoted(place.shown, terminal=terminal) for place in (source, target))
            session.output.line(f"renamed {' -> '.join(names)}")


def _exists(place: RemotePlace) -> bool:
    """Whether there is a file or a link, also a broken one."""
    try:
        place.fs.lstat(place.path)
    except FileNotFoundError:
        return False
    return True
