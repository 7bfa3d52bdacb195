"""Changes that are made, but not yet on disk.

A call that makes a file lets others change the directory while it waits for the disk. A CREATE that
finds this file must not be answered earlier: its reply, too, promises that the file is there.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from functools import partial
from typing import Any, TypeAlias

Stored: TypeAlias = asyncio.Future[Any]
"""Done when a change is on disk."""


class Unstored:
    """The changes of one export, by the id of the file or directory that is changed.

    A change is removed when it is on disk, or when that has failed.
    """

    def __init__(self) -> None:
        self._changes: dict[bytes, set[Stored]] = {}

    def __len__(self) -> int:
        return len(self._changes)

    def add(self, file: bytes, stored: Stored) -> None:
        """A file is changed."""
        self._changes.setdefault(file, set()).add(stored)
        stored.add_done_callback(partial(self._ended, file))

    def of(self, file: bytes) -> Sequence[Stored]:
        """The changes of a file."""
        return tuple(self._changes.get(file, ()))

    def _ended(self, file: bytes, stored: Stored) -> None:
        changes = self._changes[file]
        changes.discard(stored)
        if not changes:
            del self._changes[file]
        if not stored.cancelled():
            stored.exception()  # its call has it, unless the call was refused meanwhile
