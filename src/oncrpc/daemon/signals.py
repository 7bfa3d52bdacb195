"""The signals of a daemon, all of them.

========================  ======================================================================
SIGTERM, SIGINT, SIGQUIT  end
SIGHUP                    read the configuration again
SIGUSR2                   restart in place: execute the program again in this process
SIGUSR1, SIGPIPE          ignored, as by the C daemon
========================  ======================================================================

``ignore`` is called first, because the default action of most signals would kill a starting
process; ``install_handlers`` when the daemon answers calls; ``finish`` when it has ended.

A restart keeps the process, its sockets, its connections and the application's state. Clients that
call while the program is replaced wait in the sockets. A failed restart is detected beforehand or
leaves the daemon unchanged.
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
from collections.abc import Sequence
from typing import Any

import msgspec
from msgspec.structs import replace

from oncrpc.aio.connections import Carried
from oncrpc.daemon import lockfile
from oncrpc.daemon.activation import stored_name
from oncrpc.daemon.handover import Handover, KeptConnection
from oncrpc.daemon.lockfile import SERVING, Holder
from oncrpc.daemon.notify import Notifier
from oncrpc.daemon.reexec import Image, block_signals, unblock_signals
from oncrpc.daemon.runtime import Runtime
from oncrpc.host.processes import started_at

log = logging.getLogger("oncrpc.daemon")

ENDING = (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT)
HANDLED = (signal.SIGHUP, signal.SIGUSR2)
IGNORED = (signal.SIGUSR1, signal.SIGPIPE)

HANDOVER_DRAIN = 0.5
"""Seconds that calls in progress may take before a new image takes over."""

ITERATIONS = 3
"""Event-loop iterations to run so that pending signals are handled."""


def ignore() -> None:
    """Ignore signals until handlers are installed."""
    for number in (*HANDLED, *IGNORED):
        signal.signal(number, signal.SIG_IGN)


def finish() -> None:
    """Ignore every signal. Called when the daemon has ended."""
    for number in (*ENDING, *HANDLED):
        signal.signal(number, signal.SIG_IGN)


class Signals:
    """Handles signals for a daemon, and reports to the lock file and the service manager.

    ``number`` counts the images of this process, ``events`` the signals handled; both are
    written to the lock file, where ``reload`` waits for them.
    """

    def __init__(
        self, daemon: Runtime[Any], *, image: Image, locks: Sequence[int], notifier: Notifier
    ) -> None:
        self.daemon, self.image = daemon, image
        self.locks, self.notifier = locks, notifier
        former = daemon.former
        self.number = 1 if former is None else former.image + 1
        self.events = 0 if former is None else former.events + 1
        self._restart: asyncio.Task[None] | None = None

    def install_end_handlers(self) -> None:
        """Install the handlers of the terminating signals."""
        loop = asyncio.get_running_loop()
        for number in ENDING:
            loop.add_signal_handler(number, self.daemon.ended.set)
        for number in IGNORED:
            signal.signal(number, signal.SIG_IGN)

    def install_handlers(self) -> None:
        """Install the other handlers, and report that the daemon serves."""
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGHUP, self._reread)
        loop.add_signal_handler(signal.SIGUSR2, self._on_restart)
        unblock_signals()
        if self.notifier:
            self._store()
        self._report(SERVING)

    def end(self) -> None:
        """Report to the service manager that the daemon is about to end."""
        self.notifier.stopping()

    def _report(self, text: str) -> None:
        started = started_at(os.getpid()) or 0
        lockfile.write(self.locks, Holder(os.getpid(), started, self.number, self.events, text))
        self.notifier.ready(text)

    def _store(self) -> None:
        """Store our own sockets in systemd's fd store."""
        listeners = self.daemon.listeners
        for sock, netid in listeners.every():
            passed = listeners.of(sock)
            if not (passed.foreign or passed.stored):
                name = stored_name(self.daemon.app.name, netid, passed.role)
                self.notifier.store(sock, name)
                listeners.passed[sock] = replace(passed, stored=True)

    def _reread(self) -> None:
        self.notifier.reloading("reading the files again")
        fault = self.daemon.reread()
        self.events += 1
        self._report(fault or SERVING)

    def _on_restart(self) -> None:
        if self._restart is None or self._restart.done():
            self._restart = asyncio.ensure_future(self.restart())
            self._restart.add_done_callback(_raise_error)

    async def restart(self) -> None:
        """Restart as a new image; on failure continue."""
        fault = await self.image.fault()
        if not fault:
            log.info("restarting in place")
            self.notifier.reloading("restarting in place")
            fault = await self._replace()
        if self.daemon.ended.is_set():
            return
        text = f"restart failed: {fault}; continuing"
        log.error("%s", text)
        self.events += 1
        self._report(text)

    async def _replace(self) -> str:
        """Replace the program. Returns only on failure: the reason."""
        daemon = self.daemon
        try:
            connections = await daemon.server.freeze(drain=HANDOVER_DRAIN)
            block_signals()
            for _ in range(ITERATIONS):
                await asyncio.sleep(0)
            if daemon.ended.is_set():
                return "told to end"
            daemon.app.settle()
            self.image.replace(self._handover(connections))
        except OSError as error:
            return (error.strerror or "").lower()
        finally:
            unblock_signals()
            if not daemon.ended.is_set():
                daemon.server.thaw()

    def _handover(self, connections: list[Carried]) -> Handover:
        daemon, listeners = self.daemon, self.daemon.listeners
        return Handover(
            pid=os.getpid(),
            image=self.number,
            events=self.events,
            folder=self.image.folder,
            locks=list(self.locks),
            sockets=[listeners.of(sock) for sock, _ in listeners.every()],
            connections=[KeptConnection(*each) for each in connections],
            left=msgspec.Raw(daemon.app.leave()),
            kept=list(daemon.app.descriptors()),
            state=daemon.folders.state,
            control=daemon.folders.control,
            web=None if listeners.web is None else listeners.web.fileno(),
        )


def _raise_error(restart: asyncio.Task[None]) -> None:
    """Let the loop log an unexpected error."""
    if not restart.cancelled():
        restart.result()
