"""The lines of ``nfsd top`` on a terminal of some size.

The procedures come first, the most frequent one on top, then some open files, those that were used
last on top, then the clients, which scroll.
"""

from __future__ import annotations

from oncrpc.cli.daemons.text import called
from oncrpc.cli.daemons.top_lines import Line, Scroll, fitted, head_line
from oncrpc.cli.nfsd.status import (
    CALLS,
    CLIENTS,
    FILES,
    RIGHT,
    call_row,
    client_row,
    file_row,
    summary_lines,
)
from oncrpc.nfs.daemon.status import NfsdStatus

ALWAYS = ("connections", "calls", "refused", "dropped", "mounts", "locks", "grace", "open files")
"""Lines of the summary that also a low terminal has."""

HIGH = 40
"""Lines of a terminal that has room for the whole summary."""

FEWEST_CLIENTS = 4
"""Lines for clients, if there are as many."""

FEW_FILES, MANY_FILES = 3, 10
"""Lines for open files on a low terminal, and on a high one."""

LEFT_OUT = ("last call", "connections")
LEFT_OUT_FILES = ("open for", "client", "unsynced")
WIDE = 1 << 16


def picture(status: NfsdStatus, scroll: Scroll, *, columns: int, lines: int) -> list[Line]:
    """The lines for a terminal of that size."""
    head, *summary = summary_lines(status)
    above = [head_line(head, columns)]
    above += [Line(text) for text in summary if lines >= HIGH or text.startswith(ALWAYS)]
    clients = min(len(status.clients), FEWEST_CLIENTS)
    files = _files(status, lines, columns)
    above += _calls(status, room=lines - len(above) - len(files) - clients - 2)
    above += files[: max(lines - len(above) - clients - 2, 0)]
    page = lines - len(above) - 2
    scroll.fit(len(status.clients), page)
    rows = [client_row(each) for each in status.clients]
    title, *texts = fitted(CLIENTS, rows, columns, left_out=LEFT_OUT, right=RIGHT)
    body = [Line(""), Line(title, title=True), *map(Line, texts[scroll.shown])]
    return [line._replace(text=line.text[:columns]) for line in [*above, *body][:lines]]


def _files(status: NfsdStatus, lines: int, columns: int) -> list[Line]:
    """A table of the open files that were used last."""
    most = MANY_FILES if lines >= HIGH else FEW_FILES
    rows = [file_row(each) for each in status.files[:most]]
    if not rows:
        return []
    title, *texts = fitted(FILES, rows, columns, left_out=LEFT_OUT_FILES, right=RIGHT)
    return [Line(""), Line(title, title=True), *map(Line, texts)]


def _calls(status: NfsdStatus, *, room: int) -> list[Line]:
    """A table of the procedures that were called lately, as far as there is room."""
    lately = [each for each in called(status) if each.rate] or called(status)
    rows = [call_row(each, status.calls) for each in lately[: max(room - 2, 0)]]
    if not rows:
        return []
    title, *texts = fitted(CALLS, rows, WIDE, right=RIGHT)
    return [Line(""), Line(title, title=True), *map(Line, texts)]
