"""What a copy is asked to do, and what it has done."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import NamedTuple

from oncrpc.errors import OncRpcError, TransportError
from oncrpc.nfs.client.results import FileStat

DEFAULT_JOBS = 16
"""Files that the NFS client copies at once."""


class CopyOptions(NamedTuple):
    """How to copy.

    ``recursive`` copies directories, and links as links. ``preserve`` keeps modes, all times, and
    owners where permitted. ``no_clobber`` leaves existing files alone. ``resume`` skips files that
    have the size and the time of their source, and continues partial copies. ``jobs`` is the number
    of files in progress.
    """

    recursive: bool = False
    preserve: bool = False
    no_clobber: bool = False
    resume: bool = False
    jobs: int = DEFAULT_JOBS


class CopyFailure(OSError):
    """A file was not copied: ``error`` is why.

    ``filename`` is the source, or the target if the error is there.
    """

    def __init__(self, place: str, error: Exception) -> None:
        number = getattr(error, "errno", None)
        of_system = isinstance(error, OSError) and not isinstance(error, OncRpcError)
        reason = (of_system and getattr(error, "strerror", None)) or str(error)
        super().__init__(errno.EIO if number is None else number, reason, place)
        self.error = error

    @property
    def lost(self) -> bool:
        """Whether the server cannot be reached, so that all other files would fail too."""
        return isinstance(self.error, (TransportError, TimeoutError))


class ActiveFile:
    """A file in progress: ``done`` of ``size`` bytes are copied."""

    def __init__(self, name: str, size: int, done: int) -> None:
        self.name, self.size, self.done = name, size, done


class CopyReport:
    """The progress and the result of a copy.

    ``files`` counts the files, links and special files that were copied, ``skipped`` those that
    were complete or must not be replaced, ``failed`` those that could not be copied. ``active`` are
    the files in progress. ``renamed``: the target is the name of the copy, not a directory to copy
    into. ``on_failure`` and ``on_copied`` are called at once; the latter with the
    names of source and target.
    """

    def __init__(self) -> None:
        self.files = self.bytes = self.skipped = self.failed = 0
        self.active: list[ActiveFile] = []
        self.renamed = False
        self.on_failure: Callable[[CopyFailure], None] = lambda _: None
        self.on_copied: Callable[[str, str], None] = lambda *_: None

    def fail(self, failure: CopyFailure) -> None:
        """Count an error, and report it."""
        self.failed += 1
        self.on_failure(failure)

    @contextmanager
    def copying(self, name: str, size: int, start: int) -> Iterator[Callable[[int], None]]:
        """A file is in progress; the function that this yields counts its bytes."""
        active = ActiveFile(name, size, start)
        self.active.append(active)

        def moved(count: int) -> None:
            active.done += count
            self.bytes += count

        try:
            yield moved
        finally:
            self.active.remove(active)


@contextmanager
def failing_at(place: str) -> Iterator[None]:
    """Give an error the name of the file that it is about.

    Raises:
        CopyFailure: in place of an ``OSError`` or an ``OncRpcError``.
    """
    try:
        yield
    except CopyFailure:
        raise
    except (OSError, OncRpcError) as error:
        raise CopyFailure(place, error) from error


STEPS = (1, 100, 1_000, 1_000_000, 1_000_000_000, 2_000_000_000)
"""Nanoseconds of the steps in which file systems store times."""


def is_complete(source: FileStat, target: FileStat) -> bool:
    """Whether the target has the size and the time of the source, as far as it stores times."""
    if not target.is_file() or source.size != target.size:
        return False
    return any(source.mtime_ns // step * step == target.mtime_ns for step in STEPS)


def joined(above: str, name: bytes) -> str:
    """The name of an entry, for messages."""
    text = os.fsdecode(name)
    return f"{above.rstrip('/')}/{text}" if above else text
