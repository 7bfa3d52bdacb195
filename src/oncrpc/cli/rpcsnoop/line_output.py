"""Messages as lines of snoop."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator

from oncrpc.cli.rpcsnoop.colors import painter, plain, wants_color
from oncrpc.cli.rpcsnoop.lines import LineBegin, user_mark
from oncrpc.cli.rpcsnoop.options import SnoopRequest
from oncrpc.cli.rpcsnoop.output import MessageOutput
from oncrpc.snoop.messages import RpcMessage
from oncrpc.snoop.words.line import line_of
from oncrpc.snoop.words.programs import KnownPrograms


class LineOutput(MessageOutput):
    """A line of snoop for each message."""

    def __init__(self, request: SnoopRequest, programs: KnownPrograms) -> None:
        super().__init__(request, programs)
        self._begin = LineBegin(request.time, request.spans, name=_namer(request))
        colored = wants_color(request.color, sys.stdout)
        self._paint = painter(programs) if colored else plain

    def add(self, message: RpcMessage) -> Iterator[str]:
        """The line of a message."""
        yield self._begin.of(message) + self._words(message, line_of(message, self._programs))

    def _words(self, message: RpcMessage, words: str) -> str:
        user = user_mark(message) if self._request.user else ""
        return self._paint(message, words + user)


def _namer(request: SnoopRequest) -> Callable[[str], str]:
    if not request.names:
        return str
    from oncrpc.cli.rpcsnoop.host_names import HostNames  # starts threads

    return HostNames()
