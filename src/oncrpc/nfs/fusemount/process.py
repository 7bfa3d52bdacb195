"""The process that serves a mount: in the foreground, or in the background once it works."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any

from oncrpc.nfs.client.aio_pipeline import dial_aio
from oncrpc.nfs.client.mounting import ServerTarget
from oncrpc.nfs.client.url import NfsUrl, credential_of
from oncrpc.nfs.fusemount.libfuse import mount
from oncrpc.nfs.fusemount.operations import LoopThread, MountOperations
from oncrpc.nfs.fusemount.tree import MountedTree


def serve_mount(
    url: NfsUrl,
    directory: str,
    options: Mapping[str, Any],
    *,
    timeout: float,
    ready: Callable[[], None],
) -> None:
    """Mount a directory of a server, and serve it until it is unmounted.

    Raises:
        MountUnavailable: this host cannot mount. OSError, OncRpcError: as ``oncrpc.nfs.connect``.
    """
    with LoopThread(asyncio.new_event_loop) as thread:
        tree = thread.call(connected_tree(url, timeout=timeout))
        try:
            mount(MountOperations(thread, tree, ready), directory, options)
        finally:
            thread.call(tree.close())


async def connected_tree(url: NfsUrl, *, timeout: float) -> MountedTree:
    """Connect to the server; the errors are those of ``oncrpc.nfs.connect``."""
    clock = asyncio.get_running_loop().time
    target = ServerTarget(url, credential_of(url), timeout, None, None, dial_aio, clock)
    return MountedTree(target, *await target.connect())


def in_background(body: Callable[[Callable[[], None]], int]) -> int:
    """Run ``body`` in a child process; return 0 once it calls its argument.

    The child then continues in its own session, without standard files. If it ends before, return
    its exit status; its messages are on standard error.
    """
    sys.stdout.flush()
    sys.stderr.flush()
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        os.close(reading)
        os.setsid()
        status = 1
        try:
            status = body(lambda: _leave_terminal(writing))
            sys.stderr.flush()
        finally:
            os._exit(status)
    os.close(writing)
    try:
        with open(reading, "rb") as pipe:
            if pipe.read(1):
                return 0
    except KeyboardInterrupt:
        with suppress(ProcessLookupError):
            os.kill(child, signal.SIGTERM)
        raise
    _, ended = os.waitpid(child, 0)
    return os.waitstatus_to_exitcode(ended) or 1


def _leave_terminal(writing: int) -> None:
    """Leave the directory and the standard files, and tell the parent that the work has begun."""
    os.chdir("/")
    null = os.open(os.devnull, os.O_RDWR)
    for standard in (0, 1, 2):
        os.dup2(null, standard)
    os.close(null)
    os.write(writing, b"\1")
    os.close(writing)
