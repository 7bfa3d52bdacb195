"""Statistics by client, server or file instead of by procedure (``--stats --by``)."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from oncrpc.cli.rpcsnoop.figures import Row, tables
from oncrpc.snoop.messages import RpcMessage
from oncrpc.snoop.streams.statistics import CallStatistics, ProcedureFigures
from oncrpc.snoop.words.file_names import FileNames

MAX_GROUPS = 1000
"""Clients, servers or files with their own figures; further ones share one line."""

MAX_LABELS = 10_000
"""Waiting calls whose file is remembered."""

OTHER, NONE = "other", "-"
Label = Callable[[RpcMessage], str]
"""Returns the group of a call."""


class GroupedStatistics(CallStatistics):
    """Counts messages by group."""

    def __init__(self, label: Label, *, outcome: Callable[[RpcMessage], str]) -> None:
        super().__init__(outcome=outcome)
        self._label = label
        self._groups: dict[str, ProcedureFigures] = {}

    def rows(self) -> list[Row]:
        """The figures of each group, those with the most calls first."""
        return sorted(
            (((label,), each) for label, each in self._groups.items()),
            key=lambda row: (row[0] == (OTHER,), -row[1].calls, row[0]),
        )

    def _figures_of(self, call: RpcMessage) -> ProcedureFigures:
        label = self._label(call)
        if label not in self._groups and len(self._groups) >= MAX_GROUPS:
            label = OTHER
        return self._groups.setdefault(label, ProcedureFigures())


class FileLabels:
    """The file of a call: the same for its reply, even if another name is learned in between.

    Cache: files by frame and xid of the call, at most ``MAX_LABELS``, the newest. The second
    look-up of a call removes its file.
    """

    def __init__(self, files: FileNames) -> None:
        self._files = files
        self._labels: dict[tuple[int, int], str] = {}

    def __call__(self, call: RpcMessage) -> str:
        """The first file in a call."""
        place = (call.number, call.xid)
        known = self._labels.pop(place, None)
        if known is not None:
            return known
        label = next(iter(self._files.files_of(call)), NONE)
        self._labels[place] = label
        if len(self._labels) > MAX_LABELS:
            del self._labels[next(iter(self._labels))]
        return label


def label_of(by: str, files: FileNames | None) -> Label:
    """A function that returns the group of a call."""
    if by == "file":
        assert files is not None
        return FileLabels(files)
    if by == "client":
        return lambda call: call.source.host
    return lambda call: call.target.host


def group_lines(by: str, statistics: GroupedStatistics) -> Iterator[str]:
    """The tables of the groups."""
    yield from tables((by,), statistics.rows())
