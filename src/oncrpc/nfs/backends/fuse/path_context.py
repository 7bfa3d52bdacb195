"""``fuse_get_context()`` of fusepy and mfusepy, for calls that do not come from FUSE.

Both modules ask libfuse for the user of a call. Without a call from libfuse, this reads memory that
is not initialized. So a function that knows the user of the NFS call replaces that of the library,
in the modules that are imported. Calls of a FUSE mount in the same process get the answer of
libfuse, as before.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

from oncrpc.nfs.filesystem import Identity

MODULES = ("mfusepy", "fuse", "fusepy")
"""Names under which fusepy and mfusepy are imported."""

LIBRARY, FUNCTION = "_libfuse", "fuse_get_context"


@dataclass(frozen=True)
class PathContext:
    """The user of a call, as ``struct fuse_context``. NFS knows no process, so ``pid`` is 0."""

    uid: int
    gid: int
    pid: int = 0
    umask: int = 0

    @property
    def contents(self) -> PathContext:
        """What a pointer to it points to."""
        return self


_CURRENT: ContextVar[PathContext | None] = ContextVar("fuse_context", default=None)


@contextmanager
def calling_for(who: Identity) -> Iterator[None]:
    """``fuse_get_context()`` returns this user in the block."""
    token = _CURRENT.set(PathContext(who.uid, who.gid))
    try:
        yield
    finally:
        _CURRENT.reset(token)


class ContextFunction:
    """The function that replaces the one of the library."""

    def __init__(self, original: Callable[[], Any]) -> None:
        self._original = original

    def __call__(self) -> Any:
        """The context of the present call."""
        current = _CURRENT.get()
        return self._original() if current is None else current


def replace_context_functions() -> None:
    """Replace the function in each imported module that has not been changed yet."""
    for name in MODULES:
        library = getattr(sys.modules.get(name), LIBRARY, None)
        original = getattr(library, FUNCTION, None)
        if original is not None and not isinstance(original, ContextFunction):
            setattr(library, FUNCTION, ContextFunction(original))
