"""Configurations of the daemon on the loopback interface, and the listeners they open."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from oncrpc.daemon.config.values import Config
from oncrpc.daemon.listeners import Listeners, open_listeners

LOCALHOST = "127.0.0.1"


@contextmanager
def listening(config: Config) -> Iterator[Listeners]:
    """The listeners of a configuration."""
    listeners = open_listeners(config)
    try:
        yield listeners
    finally:
        listeners.close()


def local(tmp_path: Path, **options: object) -> Config:
    """Local sockets in a directory of their own."""
    sockets = (str(tmp_path / "sock"), f"@oncrpc-test-daemon-{os.getpid()}")
    lock = str(tmp_path / "lock")
    return Config(port=0, sockets=sockets, lock=lock, hosts=(LOCALHOST, "::1"), **options)  # type: ignore[arg-type]  # as the test says
