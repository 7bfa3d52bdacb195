"""The log of refused handles: why a client that has mounted an export gets ESTALE or EACCES."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

from oncrpc.caching import Bounded
from oncrpc.errors import AuthError
from oncrpc.nfs.status import NfsError
from oncrpc.programs.nfs3 import nfsstat3
from oncrpc.rpc.program import Caller

log = logging.getLogger("oncrpc.nfs")

AGAIN = 600.0
"""Seconds until the same refusal of a host is logged again: clients try for hours."""

MAX_REFUSALS = 256
"""Refusals that are remembered."""

REFUSED = "refused a file handle from %s:%d: %s"


class HandleRefusals:
    """Logs each refusal of a host once in ``AGAIN`` seconds.

    ``_logged`` is a cache of times. Its key is the host and the status, its bound ``MAX_REFUSALS``.
    """

    def __init__(self, *, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._logged = Bounded[tuple[str, int], float](MAX_REFUSALS)

    def note(self, caller: Caller, error: NfsError | AuthError) -> None:
        """Log a refusal; not that of a caller who is asked to try again."""
        status = error.stat if isinstance(error, AuthError) else error.status
        if status is nfsstat3.NFS3ERR_JUKEBOX:
            return
        now, key = self._now(), (caller.host, int(status))
        if now - self._logged.get(key, now - AGAIN) < AGAIN:
            return
        self._logged.keep(key, now)
        reason = str(error) if isinstance(error, AuthError) else error.strerror
        log.warning(REFUSED, caller.host, caller.port, reason)
