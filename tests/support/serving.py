"""A daemon on the loopback interface that keeps its state, for as long as a context lasts."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from oncrpc.daemon.config.values import Config
from oncrpc.daemon.state.directory import prepared
from oncrpc.portmap.daemon import Daemon
from support.listeners import listening, local


def stateful(tmp_path: Path, **options: object) -> Config:
    """Local sockets, and a directory ``state``."""
    options = {"state_dir": str(tmp_path / "state"), "liveness_interval": 0} | options
    return prepared(local(tmp_path, user=str(os.geteuid()), **options))


@asynccontextmanager
async def serving(config: Config) -> AsyncIterator[Daemon]:
    """The daemon, started; it is ended with the context."""
    with listening(config) as listeners:
        made = Daemon(config, listeners)
        made.start()
        try:
            yield made
        finally:
            await made.close()
