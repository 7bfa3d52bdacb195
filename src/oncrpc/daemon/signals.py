"""What a daemon is asked while it serves: to read its files again, and to start anew in place.

SIGUSR2 puts a new image of the program in the place of this one: the process, its sockets, its
connections and its registrations stay. From the freezing of the old one to the start of the new one
nobody is answered; whoever asks waits in the sockets. Whatever keeps the new image from starting is
found before, or leaves everything as it was.
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
from collections.abc import Sequence

from msgspec.structs import replace

from oncrpc.aio.connections import Carried
from oncrpc.daemon import lock as pidfile
from oncrpc.daemon.activation import name_for
from oncrpc.daemon.handover import Handover, Kept, registrations_of
from oncrpc.daemon.listeners import Listeners
from oncrpc.daemon.lock import SERVING, Holder
from oncrpc.daemon.notify import Notifier
from oncrpc.daemon.reexec import Image, hold_signals, obey_signals
from oncrpc.host.processes import started_at
from oncrpc.portmap.daemon import Daemon

log = logging.getLogger("oncrpc.portmap")

HANDOVER_DRAIN = 0.5
"""Seconds that calls under way have before a new image takes over."""

TURNS = 3
"""Of the loop, in which a signal that has arrived is seen."""


class Life:
    """Obeys signals on behalf of a daemon, and tells of it where that is asked for."""

    def __init__(
        self,
        daemon: Daemon,
        listeners: Listeners,
        *,
        image: Image,
        locks: Sequence[int],
        notifier: Notifier,
        former: Handover | None = None,
    ) -> None:
        self.daemon, self.listeners, self.image = daemon, listeners, image
        self.locks, self.notifier = locks, notifier
        self.number = 1 if former is None else former.image + 1
        self.events = 0 if former is None else former.events + 1
        self._restart: asyncio.Task[None] | None = None

    def begin(self) -> None:
        """The daemon answers: obey from now on, and tell that."""
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGHUP, self._reread)
        loop.add_signal_handler(signal.SIGUSR2, self._asked_to_restart)
        obey_signals()
        if self.notifier:
            self._store()
        self._ready(SERVING)

    def end(self) -> None:
        """The daemon is about to end."""
        self.notifier.stopping()

    def _ready(self, said: str) -> None:
        started = started_at(os.getpid()) or 0
        pidfile.write(self.locks, Holder(os.getpid(), started, self.number, self.events, said))
        self.notifier.ready(said)

    def _store(self) -> None:
        """Leave our sockets with the service manager, those that it has not given us."""
        for sock, netid in self.listeners.sockets:
            passed = self.listeners.of(sock)
            if not (passed.foreign or passed.stored):
                self.notifier.store(sock, name_for(netid))
                self.listeners.passed[sock] = replace(passed, stored=True)

    def _reread(self) -> None:
        self.notifier.reloading("reading the files again")
        fault = self.daemon.reread()
        self.events += 1
        self._ready(fault or SERVING)

    def _asked_to_restart(self) -> None:
        if self._restart is None or self._restart.done():
            self._restart = asyncio.ensure_future(self.restart())
            self._restart.add_done_callback(_tell)

    async def restart(self) -> None:
        """Go on as a new image; if that cannot be, go on as before."""
        fault = await self.image.fault()
        if not fault:
            log.info("restarting in place")
            self.notifier.reloading("restarting in place")
            fault = await self._replace()
        if self.daemon.ended.is_set():
            return
        said = f"not restarted: {fault}; going on as before"
        log.error("%s", said)
        self.events += 1
        self._ready(said)

    async def _replace(self) -> str:
        """Why it could not be done; it does not return if it could."""
        ended = self.daemon.ended
        try:
            connections = await self.daemon.server.freeze(drain=HANDOVER_DRAIN)
            hold_signals()
            for _ in range(TURNS):
                await asyncio.sleep(0)
            if ended.is_set():
                return "told to end"
            self.daemon.settle()
            self.image.replace(self._handover(connections))
        except OSError as error:
            return (error.strerror or "").lower()
        finally:
            obey_signals()
            if not ended.is_set():
                self.daemon.server.thaw()

    def _handover(self, connections: list[Carried]) -> Handover:
        daemon, listeners = self.daemon, self.listeners
        return Handover(
            pid=os.getpid(),
            image=self.number,
            events=self.events,
            folder=self.image.folder,
            locks=list(self.locks),
            sockets=[listeners.of(sock) for sock, _ in listeners.sockets],
            connections=[Kept(*each) for each in connections],
            registrations=registrations_of(daemon.registry),
            since=daemon.ages.since(daemon.registry),
            warm=daemon.warm is not None,
            state=daemon.config.state_dir,
            control=daemon.config.control_dir,
            web=None if listeners.web is None else listeners.web.fileno(),
        )


def _tell(restart: asyncio.Task[None]) -> None:
    """Have the loop log what nobody expected."""
    if not restart.cancelled():
        restart.result()
