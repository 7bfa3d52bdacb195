"""Trying local sockets that the kernel's list lacks: the path may lead there in another way.

A symbolic link, or a server in another network namespace that shares the directory. A path is
whatever somebody registered; looking it up may take for ever where a file system is mounted on
demand, and so it is done in a thread that nobody has to wait for.
"""

from __future__ import annotations

import asyncio
import errno
import socket
from collections.abc import Callable, Collection

from oncrpc.addr import local_address
from oncrpc.host.threads import Aside

PATIENCE = 2.0
"""Seconds that one round of attempts may take; what was not tried by then cannot be judged."""

NOBODY = (errno.ECONNREFUSED, errno.ENOENT)


def refused(path: str) -> bool:
    """Whether nobody serves at a path or an abstract name; False where that cannot be told."""
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
            probe.setblocking(False)
            probe.connect(local_address(path))
    except OSError as error:
        return error.errno in NOBODY
    return False


class Attempts:
    """Rounds of attempts, one at a time: while one is stuck, no other is begun."""

    def __init__(self, attempt: Callable[[str], bool] = refused) -> None:
        self.attempt = attempt
        self._aside = Aside[None](1)

    async def __call__(self, paths: Collection[str]) -> set[str]:
        """Those of the paths at which nobody serves."""
        found = set[str]()
        attempts = filter(self.attempt, paths)
        tried = self._aside.start(lambda: found.update(attempts)) if paths else None
        if tried is not None:
            await asyncio.wait((tried,), timeout=PATIENCE)
        return set(found)
