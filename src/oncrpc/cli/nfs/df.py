"""``nfs df``: prints the space and the files of exported file systems as df does."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from oncrpc.cli.command import Option
from oncrpc.cli.nfs.command_line import NfsCommand
from oncrpc.cli.nfs.listing import BLOCK, human_size
from oncrpc.cli.nfs.names import quoted
from oncrpc.cli.nfs.objects import text_of_bytes
from oncrpc.cli.nfs.session import NfsOperand, NfsSession, RemotePlace, run_command
from oncrpc.nfs.filesystem import SpaceInfo

COMMAND = NfsCommand(
    "df",
    "URL...",
    "print the space of exports; without a path, of all exports of the server",
    (
        Option("human-readable", "h", "", "print sizes such as 1.5K and 12M"),
        Option("inodes", "i", "", "print numbers of files instead of space"),
        Option("json", "", "", "print a JSON object for each export, one on a line"),
    ),
)
SPACE = ("1K-blocks", "Used", "Available", "Use%")
SPACE_HUMAN = ("Size", "Used", "Avail", "Use%")
INODES = ("Inodes", "IUsed", "IFree", "IUse%")


def main(arguments: Sequence[str]) -> int:
    """Run it; returns the exit status."""
    return run_command(COMMAND, _print, arguments)


def _print(session: NfsSession) -> None:
    found: list[tuple[RemotePlace, SpaceInfo]] = []
    for operand in session.operands(session.request.operands):
        with session.reporting(operand):
            if operand.path:
                found.append(_space(session, operand))
                continue
            for name in session.server(operand).names:
                export = operand._replace(path=name)
                with session.reporting(export):
                    found.append(_space(session, export))
    if session.request.has("json"):
        for place, space in found:
            session.output.json(_object(place, space))
    elif found:
        _print_table(session, found)


def _space(session: NfsSession, operand: NfsOperand) -> tuple[RemotePlace, SpaceInfo]:
    place = session.place(operand)
    return place, place.fs.fsstat(place.path)


def _object(place: RemotePlace, space: SpaceInfo) -> dict[str, Any]:
    export = text_of_bytes(place.export)
    return {"export": export, "url": place.operand.url_of(place.export)} | space._asdict()


def _print_table(session: NfsSession, found: Sequence[tuple[RemotePlace, SpaceInfo]]) -> None:
    inodes, human = session.request.has("inodes"), session.request.has("human-readable")
    heads = INODES if inodes else SPACE_HUMAN if human else SPACE
    rows: list[tuple[str, ...]] = [("Filesystem", *heads)]
    for place, space in found:
        export = f"{place.operand.url.host}:{place.export}"
        name = quoted(export, terminal=session.output.terminal)
        rows.append((name, *(_files(space) if inodes else _bytes(space, human=human))))
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for first, *numbers in rows:
        cells = (f"{cell:>{width}}" for cell, width in zip(numbers, widths[1:], strict=True))
        session.output.line(" ".join([f"{first:<{widths[0]}}", *cells]))


def _bytes(space: SpaceInfo, *, human: bool) -> tuple[str, ...]:
    used = max(space.total_bytes - space.free_bytes, 0)
    sizes = (space.total_bytes, used, space.available_bytes)
    shown = (human_size(size) if human else str(-(-size // BLOCK)) for size in sizes)
    return (*shown, percent(used, used + space.available_bytes))


def _files(space: SpaceInfo) -> tuple[str, ...]:
    used = max(space.total_files - space.free_files, 0)
    numbers = (space.total_files, used, space.free_files)
    return (*map(str, numbers), percent(used, space.total_files))


def percent(part: int, whole: int) -> str:
    """A part in percent, rounded up as by df."""
    return f"{-(-100 * part // whole)}%" if whole else "-"
