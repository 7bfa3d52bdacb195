"""Turn messages into the lines of a request."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator

from oncrpc.cli.command import UsageError, complain
from oncrpc.cli.rpcsnoop.options import SnoopRequest
from oncrpc.cli.rpcsnoop.output import output_of
from oncrpc.cli.rpcsnoop.selection import Selection
from oncrpc.snoop.capture.frames import CaptureDamaged
from oncrpc.snoop.messages import RpcMessage
from oncrpc.snoop.streams.tracer import KEEP, Tracer
from oncrpc.snoop.words.programs import KnownPrograms

STATUSES_LISTED = "'--status !OK' shows the calls of all errors"
KEPT = {"lines": KEEP, "layers": KEEP, "tree": 1 << 21, "json": 1 << 21, "stats": 512}
"""Bytes of each message that are kept for each form."""


class ShownMessages:
    """The lines of a request; with ``at_once`` all modules are loaded now."""

    def __init__(self, program: str, request: SnoopRequest, *, at_once: bool = False) -> None:
        self._program, programs = program, programs_of(program, request)
        if at_once:
            programs.load()
        self.keep = max(KEPT[request.form], KEEP if request.files is not None else 0)
        self.tracer = Tracer(keep=self.keep)
        self.output = output_of(request, programs)
        self._selection = Selection(request.filters, request.status, programs, files=request.files)
        self._left, self._sums = request.capture.count, request.form == "stats"

    def lines(
        self, messages: Iterable[RpcMessage], remarks: Callable[[], Iterator[str]]
    ) -> Iterator[str]:
        """The lines; ``remarks`` follow figures.

        Raises:
            CaptureDamaged: from ``messages``; raised after the last line.
        """
        damage: CaptureDamaged | None = None
        try:
            for message in messages:
                for each in self._selection.chosen(message):
                    yield from self.output.add(each)
                    self._left = None if self._left is None else self._left - 1
                if self._enough:
                    break
        except CaptureDamaged as error:
            damage = error
        if not self._enough:
            for call in self._selection.rest(self.tracer.matcher.unanswered()):
                yield from self.output.add(call)
        yield from self.output.end(self.tracer)
        if self._sums:
            yield from remarks()
        for name in self._selection.unknown_statuses:
            complain(f"{self._program}: unknown status {name}; {STATUSES_LISTED}")
        if damage is not None:
            raise damage

    @property
    def _enough(self) -> bool:
        return self._left is not None and self._left <= 0


def write_lines(lines: Iterable[str]) -> None:
    """Write lines to standard output, in its encoding."""
    encoding = sys.stdout.encoding
    for line in lines:
        sys.stdout.write(line.encode(encoding, "backslashreplace").decode(encoding) + "\n")


def programs_of(program: str, request: SnoopRequest) -> KnownPrograms:
    """The known programs, and those of the interface files of the request.

    Raises:
        UsageError: an interface cannot be read.
    """
    programs = KnownPrograms()
    for path in request.specs:
        try:
            programs.add_interface(path)
        except ImportError as error:
            raise UsageError(f"{program}: {_reason(path, error)}") from None
    return programs


def _reason(path: str, error: ImportError) -> str:
    """Why an interface cannot be read; the text of an error of the file names it."""
    cause = error.__cause__ or error.__context__
    return f"{path}: {cause.strerror}" if isinstance(cause, OSError) else str(error)
