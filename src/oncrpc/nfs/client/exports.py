"""All exports of a server as one file system: each path belongs to one of the exports."""

from __future__ import annotations

import os
from contextlib import ExitStack, suppress
from typing import NamedTuple

from oncrpc.errors import CallError
from oncrpc.nfs.client.blocking import SyncRemoteFileSystem, blocking_target, sync_connect
from oncrpc.nfs.client.errors import NfsStatusError
from oncrpc.nfs.client.url import NfsUrl
from oncrpc.rpc.blocking import run


class FoundExport(NamedTuple):
    """A mounted export, and the path below it."""

    fs: SyncRemoteFileSystem
    path: str


class ServerExports:
    """Mounts each export of a server when a path below it is used; all calls block.

    ``close`` ends the connections. Only one thread at a time may use it.
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
        """The paths of the exports, read from the server once; none if it refuses to list them."""
        if self._names is None:
            target = blocking_target(self.server, timeout=self.timeout, mapper=self.mapper)
            listed: list[bytes] = []
            with suppress(CallError):
                listed = run(target.exports())
            self._names = [name for name in map(os.fsdecode, listed) if usable(name)]
        return self._names

    def find(self, path: str) -> FoundExport:
        """Mount the export of an absolute path: the longest one in the server's list.

        A server may hide its list. If no export matches, this mounts the directory of the path,
        or the path itself.

        Raises:
            OSError: the server refuses to mount it.
        """
        having = [name for name in self.names if _is_below(path, name)]
        if having:
            return self._found(max(having, key=len), path)
        try:
            return self._found(os.path.dirname(path), path)
        except NfsStatusError:
            return self._found(path, path)

    def _found(self, export: str, path: str) -> FoundExport:
        fs = self._mounted.get(export)
        if fs is None:
            url = self.server._replace(path=os.fsencode(export))
            mounting = sync_connect(url, timeout=self.timeout, mapper=self.mapper)
            fs = self._mounted[export] = self.connections.enter_context(mounting)
        return FoundExport(fs, path[len(export) :].strip("/") or "/")

    def names_below(self, path: str) -> list[str]:
        """The names directly below a path that lead to exports; none if it is in an export."""
        if any(_is_below(path, name) for name in self.names):
            return []
        start = path.rstrip("/") + "/"
        below = {name[len(start) :].split("/")[0] for name in self.names if name.startswith(start)}
        return sorted(below)


def usable(export: str) -> bool:
    """Whether the path of an export can be shown as directories.

    A server is not trusted: with a name such as ``..`` a copy of its files would be written outside
    of the directory that it is copied to.
    """
    names = export.rstrip("/").split("/")[1:]
    return export.startswith("/") and "\0" not in export and not {"", ".", ".."} & {*names}


def _is_below(path: str, export: str) -> bool:
    return path == export or path.startswith(export.rstrip("/") + "/")
