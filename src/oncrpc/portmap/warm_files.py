"""The C daemon's files (``-w``) beside a running registry: read first, written after changes.

Each write replaces the files as a whole. A registry that is written quickly is written after every
change; a larger one less often, so that writing takes at most a tenth of the time.
"""

from __future__ import annotations

import asyncio
import logging
import os

from oncrpc.daemon.config.values import StartError
from oncrpc.errors import XdrError
from oncrpc.portmap.config import WARM_START
from oncrpc.portmap.registry import Registry
from oncrpc.portmap.warmstart import WarmStart

log = logging.getLogger("oncrpc.portmap")

QUICK = 0.005
"""Seconds: a registry that is written in this time is written after every change."""

SAVING_SHARE = 10
"""Writing a larger registry may take this fraction of the time, 1/10."""

SAVE_AGAIN = 1.0
"""Seconds before a failed write is repeated."""


class WarmFiles:
    """Keeps the files at ``path`` like the registry; ``active`` until they cannot be used."""

    def __init__(self, path: str, registry: Registry) -> None:
        self.path, self.registry = path, registry
        self._files = WarmStart(path)
        self.active = True
        self._timer: asyncio.TimerHandle | None = None
        self._save_at = 0.0

    def written_after(self, moment: float) -> bool:
        """Whether another port mapper has written readable files after that time."""
        if self._files.written() <= moment:
            return False
        try:
            self._files.load(Registry())
        except (OSError, XdrError):
            return False
        return True

    def load(self, *, into: Registry | None = None) -> None:
        """Register the entries of the files; with ``into`` only check that they may be overwritten.

        Raises:
            StartError: a file there has another content.
        """
        registry = self.registry if into is None else into
        try:
            restored = self._files.load(registry)
            if registry is self.registry:
                log.info("restored %d registrations", restored)
        except XdrError as error:
            if not self._files.ours:
                raise StartError(
                    f"{self.path} is not a file of registrations: {error}; name another file"
                ) from None
            log.error("%s: %s; %s", self.path, error, self._files.set_aside())
        except OSError as error:
            log.error("cannot read %s, and will not write it: %s", error.filename, error.strerror)
            self.active = False
        self.active = self.active and self._writable()

    def _writable(self) -> bool:
        folder = folder_of(self.path)
        if os.access(folder, os.W_OK | os.X_OK):
            return True
        text = "uid %d may not write to %s; registrations are not written there: chown it"
        log.warning(text, os.geteuid(), folder)
        return False

    def changed(self) -> None:
        """Write the files as soon as their share of the time allows."""
        if self.active and self._timer is None:
            loop = asyncio.get_running_loop()
            self._timer = loop.call_at(self._save_at, self._save)

    def settle(self) -> None:
        """Write pending changes now."""
        if self._timer is not None:
            self._timer.cancel()
            self._save()

    def _save(self) -> None:
        self._timer = None
        clock = asyncio.get_running_loop().time
        began = clock()
        saved = self._files.save(self.registry)
        took = clock() - began
        pause = 0.0 if took < QUICK else SAVING_SHARE * took
        self._save_at = clock() + (pause if saved else SAVE_AGAIN)
        if not saved:
            self.changed()


def folder_of(path: str) -> str:
    """The directory of the files: ``path`` itself, or its parent."""
    return path if os.path.isdir(path) else os.path.dirname(path)


def check(path: str) -> None:
    """Refuse a path without a directory: the first change would be too late to learn.

    Raises:
        StartError: the directory is missing.
    """
    if os.path.isdir(path):
        return
    folder = os.path.dirname(path)
    if path == WARM_START or not os.path.isdir(folder):
        missing = WARM_START if path == WARM_START else folder
        raise StartError(
            f"the directory {missing}, to keep registrations in, is missing; create it for the"
            " user that the daemon becomes, or name another with --warm-start"
        )
