"""Port mappers in this process: on the loopback interface, with their own local sockets."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from oncrpc.daemon.config.source import OPTION, ConfigSource, Layer
from oncrpc.daemon.handover import Handover
from oncrpc.daemon.listeners import Listeners, Wanted, open_listeners
from oncrpc.daemon.reexec import Start, of_this_process
from oncrpc.daemon.run import owner_of, serve
from oncrpc.daemon.runtime import Runtime
from oncrpc.daemon.state.directory import prepared
from oncrpc.daemon.state.folders import Folders
from oncrpc.portmap.app import PortMapper
from oncrpc.portmap.config import LOCK, SCHEMA, PortmapConfig

LOCALHOST = "127.0.0.1"
TABLES = {"interval": "liveness", "watch": "liveness", "listen": "web"}
"""The tables of options outside ``[daemon]``."""


class Daemon(Runtime[PortmapConfig]):
    """A port mapper in this process."""

    app: PortMapper


class Setup(NamedTuple):
    """The settings of a daemon; each ``daemon()`` makes a new port mapper."""

    source: ConfigSource[PortmapConfig]
    sockets: tuple[str, ...] = ()
    lock: str = LOCK
    folders: Folders = Folders()

    @property
    def config(self) -> PortmapConfig:
        """The configuration that a daemon starts with."""
        return self.source.read().config

    def app(self) -> PortMapper:
        """A new port mapper."""
        return PortMapper(sockets=self.sockets, lock=self.lock)

    def wanted(self) -> Wanted:
        """The sockets to open."""
        return Wanted(self.config.daemon, self.sockets, PortMapper.title)

    def daemon(self, listeners: Listeners, former: Handover | None = None) -> Daemon:
        """A daemon on listeners."""
        return Daemon(self.app(), self.source, listeners, folders=self.folders, former=former)


def setup(
    *, sockets: tuple[str, ...] = (), lock: str = LOCK, file: str | None = None, **options: Any
) -> Setup:
    """A daemon with options: the keys of ``[daemon]`` and of ``TABLES``, with underscores."""
    layer = {
        f"{TABLES.get(name, 'daemon')}.{name.replace('_', '-')}": value
        for name, value in options.items()
    }
    return Setup(ConfigSource(SCHEMA, [Layer(OPTION, layer)], path=file), sockets, lock)


def local(tmp_path: Path, **options: Any) -> Setup:
    """Local sockets in a directory, and free ports of the loopback interface."""
    sockets = (str(tmp_path / "sock"), f"@oncrpc-test-daemon-{os.getpid()}")
    defaults: dict[str, Any] = {"port": 0, "bind": (LOCALHOST, "::1")}
    return setup(sockets=sockets, lock=str(tmp_path / "lock"), **(defaults | options))


def with_folders(made: Setup) -> Setup:
    """The same, with its directories made."""
    table = made.config.daemon
    return made._replace(folders=prepared(owner_of(made.app(), table), table))


def stateful(tmp_path: Path, **options: Any) -> Setup:
    """A daemon that keeps its registrations in the directory ``state``."""
    options = {"state_dir": str(tmp_path / "state"), "interval": 0} | options
    return with_folders(local(tmp_path, user=str(os.geteuid()), **options))


@contextmanager
def listening(made: Setup) -> Iterator[Listeners]:
    """The listeners of a daemon."""
    listeners = open_listeners(made.wanted())
    try:
        yield listeners
    finally:
        listeners.close()


async def live(daemon: Daemon, ready: asyncio.Event) -> None:
    """Run a daemon until a signal ends it, as its process does."""
    origin = Start(of_this_process())
    await serve(lambda: daemon, origin=origin, ready=lambda _: ready.set())


@asynccontextmanager
async def serving(made: Setup) -> AsyncIterator[Daemon]:
    """The daemon, started; it is ended with the context."""
    with listening(made) as listeners:
        daemon = made.daemon(listeners)
        daemon.start()
        try:
            yield daemon
        finally:
            await daemon.close()
