"""``oncrpc.nfs.connect``: mount an exported directory, for asyncio."""

from __future__ import annotations

import asyncio
from collections.abc import Generator
from typing import Any

from oncrpc.client.port_mapper import MapperClient
from oncrpc.nfs.client.aio_pipeline import dial_aio
from oncrpc.nfs.client.filesystem import RemoteFileSystem
from oncrpc.nfs.client.mounting import ServerTarget
from oncrpc.nfs.client.pipeline import DEFAULT_CALL_TIMEOUT
from oncrpc.nfs.client.url import NfsUrl, credential_of, parse_url
from oncrpc.rpc.auth import Auth


class MountedLater:
    """The result of ``connect``: ``await`` mounts, and ``async with`` also closes."""

    def __init__(self, target: ServerTarget) -> None:
        self.target = target
        self._mounted: RemoteFileSystem | None = None

    def __await__(self) -> Generator[Any, None, RemoteFileSystem]:
        return self._mount().__await__()

    async def _mount(self) -> RemoteFileSystem:
        return RemoteFileSystem(self.target, *await self.target.connect())

    async def __aenter__(self) -> RemoteFileSystem:
        self._mounted = await self
        return self._mounted

    async def __aexit__(self, *_: object) -> None:
        assert self._mounted is not None, "__aenter__ has set it"
        self._mounted.close()


def connect(
    url: str | NfsUrl,
    *,
    auth: Auth | None = None,
    timeout: float = DEFAULT_CALL_TIMEOUT,
    reserved_port: bool | None = None,
    mapper: str | MapperClient | None = None,
) -> MountedLater:
    """Mount a directory of an NFS server.

    ::

        async with oncrpc.nfs.connect("nfs://files.example/export") as fs:
            print(await fs.listdir("photos"))

    The connections are closed at the end of the context. Without a context, mount with
    ``fs = await oncrpc.nfs.connect(url)``, and end with ``fs.close()``.

    The URL is ``nfs://host[:port]/path``. The path is an exported directory, or a directory below
    one. The options of the URL are ``version`` (3 or 2; by default 3, then 2), ``port`` or
    ``nfsport``, ``mountport``, ``lockport``, ``uid`` and ``gid``. A missing port is looked up at
    the port mapper of the host, or at ``mapper``.

    ``auth`` is the credential; the default is AUTH_SYS with the user of this process, or with
    ``uid`` and ``gid`` of the URL. ``timeout`` is the limit of each call in seconds. If the
    connection breaks, the client connects again and repeats the call within that limit.
    ``reserved_port`` selects a source port below 1024, which many servers require; None uses one if
    this process is allowed to.

    Raises:
        NfsStatusError: the server refuses to mount. NotRegistered, TransportError, CallTimeout,
            CallError. AddressError: an invalid URL.
    """
    place = parse_url(url) if isinstance(url, str) else url
    target = ServerTarget(
        place,
        credential_of(place) if auth is None else auth,
        timeout,
        reserved_port,
        mapper,
        dial_aio,
        asyncio.get_running_loop().time,
    )
    return MountedLater(target)
