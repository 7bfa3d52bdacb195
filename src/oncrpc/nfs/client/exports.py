"""The file system of a whole server: a path is found in the export that has it."""

from __future__ import annotations

import os
from contextlib import ExitStack
from typing import NamedTuple

from oncrpc.nfs.client.blocking import SyncRemoteFileSystem, blocking_target, sync_connect
from oncrpc.nfs.client.url import NfsUrl
from oncrpc.rpc.blocking import run


class FoundExport(NamedTuple):
    """A mounted export, and the path below it."""

    fs: SyncRemoteFileSystem
    path: str


class ServerExports:
    """Mounts the exports of a server when a path below is used; all calls block.

    ``close`` ends the connections. One thread at a time may use it.
    """

    def __init__(self, server: NfsUrl, *, timeout: float, mapper: str | None = None) -> None:
        self.server, self.timeout, self.mapper = server, timeout, mapper
        self.connections = ExitStack()
        self._names: list[str] | None = None
        self._mounted: dict[str, SyncRemoteFileSystem] = {}

    def close(self) -> None:
        """Close all connections."""
        self._mounted.clear()
        self.connections.close()

    @property
    def names(self) -> list[str]:
        """The paths of the exports; the server is asked once."""
        if self._names is None:
            target = blocking_target(self.server, timeout=self.timeout, mapper=self.mapper)
            self._names = [os.fsdecode(name) for name in run(target.exports())]
        return self._names

    def find(self, path: str) -> FoundExport:
        """The export that has an absolute path: the longest one that is listed.

        Without one the directory of the path is mounted; a server may hide its list.

        Raises:
            OSError: the server refuses to mount it.
        """
        having = [name for name in self.names if _is_below(path, name)]
        export = max(having, key=len, default=os.path.dirname(path))
        fs = self._mounted.get(export)
        if fs is None:
            url = self.server._replace(path=os.fsencode(export))
            mounting = sync_connect(url, timeout=self.timeout, mapper=self.mapper)
            fs = self._mounted[export] = self.connections.enter_context(mounting)
        return FoundExport(fs, path[len(export) :].strip("/") or "/")

    def names_below(self, path: str) -> list[str]:
        """The next names on the way from a path to the exports below, none if it is in one."""
        if any(_is_below(path, name) for name in self.names):
            return []
        start = path.rstrip("/") + "/"
        below = {name[len(start) :].split("/")[0] for name in self.names if name.startswith(start)}
        return sorted(below)


def _is_below(path: str, export: str) -> bool:
    return path == export or path.startswith(export.rstrip("/") + "/")
