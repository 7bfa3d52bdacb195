"""Trying to connect to local sockets that the kernel does not list.

The path may be a symbolic link, or lead to a server in another network namespace. Any user may have
registered it, and looking it up can block for ever, for example where a file system is mounted on
demand. So a thread does it, and nothing waits for that thread without a limit.
"""

from __future__ import annotations

import asyncio
import errno
import socket
from collections.abc import Callable, Collection

from oncrpc.addr import local_address
from oncrpc.host.threads import Threads

PATIENCE = 2.0
"""Seconds for a round of attempts; paths that were not tried by then stay unjudged."""

NOBODY = (errno.ECONNREFUSED, errno.ENOENT)


def refused(path: str) -> bool:
    """Whether a path or an abstract name has no server; False if that is unknown."""
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
            probe.setblocking(False)
            probe.connect(local_address(path))
    except OSError as error:
        return error.errno in NOBODY
    return False


class Attempts:
    """Rounds of attempts, one at a time; while one is stuck, no other starts."""

    def __init__(self, attempt: Callable[[str], bool] = refused) -> None:
        self.attempt = attempt
        self._threads = Threads[None](1)

    async def __call__(self, paths: Collection[str]) -> set[str]:
        """The paths that have no server."""
        found = set[str]()
        attempts = filter(self.attempt, paths)
        tried = self._threads.start(lambda: found.update(attempts)) if paths else None
        if tried is not None:
            await asyncio.wait((tried,), timeout=PATIENCE)
        return set(found)
