"""Fast versions of the usual command lines ``rpcsnoop FILE`` and ``rpcsnoop --stats FILE``.

The output is that of ``trace``. They load fewer modules, and build no message for most frames.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Sequence
from importlib import import_module

from oncrpc.cli import command
from oncrpc.cli.command import Failure
from oncrpc.cli.rpcsnoop.words import STATISTICS, TRACE
from oncrpc.snoop.capture.files import batches_of
from oncrpc.snoop.capture.frames import FramePlace

PROGRAM = "rpcsnoop"
Batch = tuple[bytes, Iterable[FramePlace]]
"""A piece of the file, and the places of the frames in it."""


def main(arguments: Sequence[str]) -> int:
    """Run the command; returns its exit status."""
    if STATISTICS not in arguments and sys.stdout is not None and sys.stdout.isatty():
        status: int = import_module(TRACE).main(arguments)  # lines may have colours
        return status
    (file,) = (each for each in arguments if each != STATISTICS)
    form = "usual_figures" if STATISTICS in arguments else "usual_lines"
    module = import_module(f"oncrpc.cli.rpcsnoop.{form}")
    batches: Iterable[Batch] = _batches(file)
    if sys.stderr is not None and sys.stderr.isatty():
        from oncrpc.cli.rpcsnoop.progress import beside

        batches = beside(batches, file, length=lambda batch: len(batch[0]))
    return command.run(PROGRAM, lambda: module.show(file, batches))


def _batches(file: str) -> Iterator[Batch]:
    """The frames of a file; errors of the system name the file."""
    try:
        if file == "-":
            yield from batches_of(sys.stdin.buffer)
        else:
            with open(file, "rb", buffering=0) as opened:
                yield from batches_of(opened)
    except OSError as error:
        raise Failure(f"{PROGRAM}: {file}: {error.strerror}") from None
