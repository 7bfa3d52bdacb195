"""Choose the messages to show, and their order."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

from oncrpc.snoop.messages import RpcMessage

if TYPE_CHECKING:
    from oncrpc.cli.rpcsnoop.filters import MessageFilter
    from oncrpc.cli.rpcsnoop.status_filter import StatusFilter
    from oncrpc.snoop.words.file_names import FileNames
    from oncrpc.snoop.words.programs import KnownPrograms

MAX_OPEN_CALLS = 100_000
"""Calls without a reply that ``--status unanswered`` remembers."""

Place = tuple[int, int]
"""The number of the frame and the xid of a call."""


class Selection:
    """Chooses messages by filters and by the status of the reply.

    ``files`` learns from all messages, including those that are not chosen. With a status filter, a
    call is shown with its reply, because the reply decides.
    """

    def __init__(
        self,
        filters: Sequence[MessageFilter],
        status: StatusFilter | None,
        programs: KnownPrograms,
        *,
        files: FileNames | None = None,
    ) -> None:
        self._filters, self._status, self._programs = filters, status, programs
        self._files = files
        self._all = not filters and status is None and files is None
        self._open: dict[Place, None] = {}

    def chosen(self, message: RpcMessage) -> Sequence[RpcMessage]:
        """The messages to show at this message."""
        if self._all:
            return (message,)
        if self._files is not None:
            self._files.learn(message)
        # Every filter gets every message: --follow keeps state.
        fits = [each(message, self._programs) for each in self._filters]
        if self._status is None:
            return (message,) if all(fits) else ()
        if message.is_call:
            if all(fits) and not message.retransmission:
                self._remember(message)
            return ()
        if message.call is not None:
            self._open.pop(_place(message.call), None)
        if not all(fits) or not self._status(message, self._programs):
            return ()
        alone = message.call is None or message.duplicate
        return (message,) if alone or message.call is None else (message.call, message)

    def rest(self, unanswered: Iterable[RpcMessage]) -> Iterator[RpcMessage]:
        """The calls without a reply, at the end, if they are chosen."""
        if self._status is not None and self._status.unanswered:
            for call in unanswered:
                if _place(call) in self._open:
                    yield call

    @property
    def unknown_statuses(self) -> Sequence[str]:
        """Statuses that were asked for, and that neither a reply nor a built-in program has."""
        return self._status.unknown if self._status is not None else ()

    def _remember(self, call: RpcMessage) -> None:
        self._open[_place(call)] = None
        if len(self._open) > MAX_OPEN_CALLS:
            del self._open[next(iter(self._open))]


def _place(call: RpcMessage) -> Place:
    return call.number, call.xid
