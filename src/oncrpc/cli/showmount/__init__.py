"""showmount: shows the exports of an NFS server, and which clients have mounted them.

Output, messages and exit status are byte for byte those of the C tool; every difference is on
purpose.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Sequence

from oncrpc import sync
from oncrpc.cli import command
from oncrpc.cli.showmount.lists import EXPORTS, MOUNTS, ListedExport, ShownMount
from oncrpc.cli.showmount.options import PROGRAM, ShowmountRequest, parse_arguments
from oncrpc.cli.showmount.server import listed

EVERYBODY = "(everyone)"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; returns its exit status."""
    words = sys.argv[1:] if arguments is None else arguments
    return command.run(PROGRAM, lambda: _execute(words))


def _execute(arguments: Sequence[str]) -> int:
    request = parse_arguments(arguments)
    found = sync.run(_lines(request))
    encoding = sys.stdout.encoding
    for line in [request.heading] * request.headers + found:
        sys.stdout.write(line.encode(encoding, "backslashreplace").decode(encoding) + "\n")
    return 0


async def _lines(request: ShowmountRequest) -> list[str]:
    if request.form == "exports":
        return list(export_lines(await listed(request, EXPORTS, "export")))
    return mount_lines(request.form, await listed(request, MOUNTS, "dump"))


def export_lines(entries: Sequence[ListedExport]) -> Iterator[str]:
    """A line for each export, in the server's order; columns are aligned by bytes, as in C."""
    width = max((len(entry.directory) for entry in entries), default=0)
    for directory, groups in entries:
        names = ",".join(map(shown, groups)) if groups else EVERYBODY
        yield f"{shown(directory)}{' ' * (width - len(directory))} {names}"


def mount_lines(form: str, entries: Iterable[ShownMount]) -> list[str]:
    """The lines of the other forms, sorted by bytes, each of them once."""
    texts = {
        "clients": lambda entry: entry.host,
        "directories": lambda entry: entry.directory,
        "all": b":".join,
    }
    return [shown(text) for text in sorted({texts[form](entry) for entry in entries})]


def shown(text: bytes) -> str:
    r"""A server's string for a terminal: control characters as ``\xNN``."""
    decoded = text.decode("utf-8", "backslashreplace")
    if decoded.isprintable():
        return decoded
    return "".join(each if each.isprintable() else ascii(each)[1:-1] for each in decoded)
