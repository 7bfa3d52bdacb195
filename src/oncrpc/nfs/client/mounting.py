"""Mounting: from a URL to the handle of a directory, over the port mapper and MOUNT (RFC 1813 §5).

The path of a URL may be below an exported directory. The client tries to mount the whole path
first, then the directories above it. It looks the rest of the path up with NFS.
"""

from __future__ import annotations

import errno
import os
import socket
from collections.abc import Awaitable, Callable, Iterator
from typing import NamedTuple, TypeVar

from oncrpc.client.connecting import ConnectTarget
from oncrpc.client.port_mapper import MapperClient
from oncrpc.errors import (
    CallError,
    NotRegistered,
    PortMapperUnreachable,
    ProcedureUnavailable,
    ProgramMismatch,
    ProgramUnavailable,
    ProtocolError,
    TransportError,
)
from oncrpc.nfs.client.errors import NfsStatusError, refusal
from oncrpc.nfs.client.operations import Operations
from oncrpc.nfs.client.pipeline import DEFAULT_CALL_TIMEOUT, Connector, Pipeline
from oncrpc.nfs.client.results import FileHandle
from oncrpc.nfs.client.url import VERSIONS, NfsUrl
from oncrpc.nfs.client.version2 import Version2
from oncrpc.nfs.client.version3 import Version3
from oncrpc.programs.mount import MOUNT_V3, MOUNTVERS, exportnode
from oncrpc.programs.nfs2 import NFS_VERSION
from oncrpc.programs.nfs3 import NFS_V3, nfsstat3
from oncrpc.rpc.auth import AUTH_NONE, Auth
from oncrpc.rpc.program import Client, Procedure

T = TypeVar("T")

MAX_TRANSFER = 1 << 20
"""Bytes of a READ or WRITE of the NFS client, even if the server allows more."""

LEAST_TRANSFER = 512
LISTING_SIZES = (8192, 64 << 10)
"""Bytes of a page of a directory, at least and at most."""

MAX_COMPONENTS = 256
"""Names in the path of a URL."""

MAX_EXPORTS = 65536
"""Entries of a server's list of exports that the NFS client reads."""

OTHER_VERSION = (NotRegistered, ProgramMismatch, ProgramUnavailable, ProcedureUnavailable)
"""Errors after which the client tries the next version."""

NOT_EXPORTED = {
    nfsstat3.NFS3ERR_NOENT,
    nfsstat3.NFS3ERR_ACCES,
    nfsstat3.NFS3ERR_NOTDIR,
    nfsstat3.NFS3ERR_PERM,
    nfsstat3.NFS3ERR_INVAL,
}
"""Refusals of MOUNT after which the client tries the directory above."""


class OfferedExport(NamedTuple):
    """An entry of a server's list of exports. Without ``clients`` everybody may mount it."""

    path: bytes
    clients: list[bytes]


class ServerTarget(NamedTuple):
    """How to reach a server. ``reserved_port`` None selects a port below 1024 if allowed."""

    url: NfsUrl
    auth: Auth
    timeout: float
    reserved_port: bool | None
    mapper: str | MapperClient | None
    dial: Connector
    clock: Callable[[], float]

    def program(self, version: type[Client], port: int | None) -> ConnectTarget[Pipeline]:
        """How to connect to a program of the server."""
        return ConnectTarget(
            self.url.host,
            version,
            dial=self.dial if self.reserved_port is not None else _reserved_first(self.dial),
            clock=self.clock,
            transport="tcp",
            port=port,
            auth=self.auth,
            timeout=self.timeout,
            reserved_port=self.reserved_port is not False,
            mapper=self.mapper,
        )

    async def connect(self) -> tuple[Operations, FileHandle]:
        """Mount the directory of the URL, with the first version that the server has.

        Raises:
            NotRegistered, TransportError, CallError, OSError: the server lacks both versions,
                cannot be reached, or refuses.
        """
        given, first = self.url.version, None
        for version in VERSIONS if given is None else (given,):
            try:
                return await self._connect(version)
            except OTHER_VERSION as error:
                first = first or error
        assert first is not None, "the last version returns or raises"
        raise first

    async def _connect(self, version: int) -> tuple[Operations, FileHandle]:
        handle, rest = await self._mount(version)
        operations = await self._operations(version)
        try:
            limits = await operations.fsinfo(handle)
            operations.read_size = _within(limits.read_max, LEAST_TRANSFER, MAX_TRANSFER)
            operations.write_size = _within(limits.write_max, LEAST_TRANSFER, MAX_TRANSFER)
            operations.listing_size = _within(limits.listing_preferred, *LISTING_SIZES)
            return operations, await self._directory(operations, handle, rest)
        except BaseException:
            operations.pipeline.close()
            raise

    async def _operations(self, version: int) -> Operations:
        client, made = _VERSIONS[version]
        return made(await self.pipeline(client, self.url.port))

    async def pipeline(self, version: type[Client], port: int | None) -> Pipeline:
        """Connect to a program; calls are sent again when the connection breaks."""
        target = self.program(version, port)
        pipeline = await target.open(self.timeout)

        async def reopen(seconds: float) -> socket.socket:
            return (await target.open(seconds)).detach()

        pipeline.reopen = reopen
        return pipeline

    async def remount(self, operations: Operations) -> FileHandle:
        """Mount again, after the handle of the root has become stale. Returns the new handle."""
        handle, rest = await self._mount(operations.version)
        return await self._directory(operations, handle, rest)

    async def _directory(
        self, operations: Operations, handle: FileHandle, rest: list[bytes]
    ) -> FileHandle:
        """The directory of the URL; a refusal names its path."""
        try:
            return await _directory(operations, handle, rest)
        except NfsStatusError as error:
            error.filename = os.fsdecode(self.url.path)
            raise

    async def exports(self) -> list[bytes]:
        """The paths in the server's list of exports."""
        return [export.path for export in await self.export_list()]

    async def export_list(self) -> list[OfferedExport]:
        """The server's list of exports, from MOUNT 3 or, if it does not have that, MOUNT 1."""
        try:
            return await self._export_list(MOUNT_V3.Client, MOUNT_V3.MOUNTPROC3_EXPORT)
        except OTHER_VERSION as error:
            try:
                return await self._export_list(MOUNTVERS.Client, MOUNTVERS.MOUNTPROC_EXPORT)
            except OTHER_VERSION:
                raise error from None

    async def _export_list(
        self, client: type[Client], procedure: Procedure[list[exportnode]]
    ) -> list[OfferedExport]:
        listed = await self._ask_mount(client, lambda pipeline: pipeline.call(procedure))
        return [
            OfferedExport(entry.ex_dir, [group.gr_name for group in entry.ex_groups])
            for entry in listed[:MAX_EXPORTS]
        ]

    async def _mount(self, version: int) -> tuple[FileHandle, list[bytes]]:
        """The handle of an exported directory, and the names from there to the path."""
        mount = MOUNT_V3.Client if version == 3 else MOUNTVERS.Client
        path = self.url.path
        return await self._ask_mount(mount, lambda pipeline: _mounted(pipeline, version, path))

    async def _ask_mount(self, client: type[Client], ask: Callable[[Pipeline], Awaitable[T]]) -> T:
        """Ask MOUNT, at the port of NFS if only that is known. Many servers serve both there."""
        try:
            return await self._ask_at(self.url.mount_port, client, ask)
        except (PortMapperUnreachable, NotRegistered) as error:
            if self.url.port is None:
                raise
            try:
                return await self._ask_at(self.url.port, client, ask)
            except (CallError, TransportError):
                raise error from None

    async def _ask_at(
        self, port: int | None, client: type[Client], ask: Callable[[Pipeline], Awaitable[T]]
    ) -> T:
        pipeline = await self.program(client, port).open(self.timeout)
        try:
            return await ask(pipeline)
        finally:
            pipeline.close()


_STATUSES = {status.value: status for status in nfsstat3}
_VERSIONS: dict[int, tuple[type[Client], type[Operations]]] = {
    3: (NFS_V3.Client, Version3),
    2: (NFS_VERSION.Client, Version2),
}


async def _mounted(pipeline: Pipeline, version: int, path: bytes) -> tuple[FileHandle, list[bytes]]:
    first: OSError | None = None
    for directory, rest in candidates(path):
        try:
            return await _MOUNT[version](pipeline, directory), rest
        except OSError as error:
            if getattr(error, "status", None) not in NOT_EXPORTED:
                raise
            first = first or error
    raise first or refusal(nfsstat3.NFS3ERR_NOENT)


def candidates(path: bytes) -> Iterator[tuple[bytes, list[bytes]]]:
    """The path and the directories above it, each with the names from there to the path."""
    names = [name for name in path.split(b"/") if name]
    if len(names) > MAX_COMPONENTS:
        raise OSError(errno.ENAMETOOLONG, f"over {MAX_COMPONENTS} names in the path of the URL")
    yield path, []
    for count in range(len(names) - 1, -1, -1):
        yield b"/" + b"/".join(names[:count]), names[count:]


async def _mount3(pipeline: Pipeline, directory: bytes) -> FileHandle:
    result = await pipeline.call(MOUNT_V3.MOUNTPROC3_MNT, directory)
    if result.body is None:
        raise refusal(nfsstat3(int(result.fhs_status)), os.fsdecode(directory))
    if not result.body.fhandle:
        raise ProtocolError("the server sent an empty file handle")
    return FileHandle(result.body.fhandle)


async def _mount1(pipeline: Pipeline, directory: bytes) -> FileHandle:
    result = await pipeline.call(MOUNTVERS.MOUNTPROC_MNT, directory)
    if result.body is None:
        if result.status in _STATUSES:
            raise refusal(_STATUSES[result.status], os.fsdecode(directory))
        raise OSError(errno.EREMOTEIO, f"the server refused to mount (error {result.status})")
    return FileHandle(result.body)


_MOUNT = {3: _mount3, 2: _mount1}
"""The call of MNT for each version of NFS."""


async def _directory(operations: Operations, handle: FileHandle, names: list[bytes]) -> FileHandle:
    """Look up a directory below a mounted one, without following links."""
    for name in names:
        handle = (await operations.lookup(handle, name)).handle
    if names and not (await operations.getattr(handle)).is_dir():
        raise refusal(nfsstat3.NFS3ERR_NOTDIR)
    return handle


def _within(size: int, least: int, most: int) -> int:
    return min(max(size, least), most)


def _reserved_first(dial: Connector) -> Connector:
    """Dial from a reserved port if this process is allowed to, else from any port."""

    async def dial_either(
        netid: str,
        host: str,
        port: int,
        *,
        auth: Auth = AUTH_NONE,
        timeout: float = DEFAULT_CALL_TIMEOUT,
        reserved_port: bool = False,
    ) -> Pipeline:
        if reserved_port:
            try:
                return await dial(netid, host, port, auth=auth, timeout=timeout, reserved_port=True)
            except TransportError as error:
                if error.errno not in (errno.EACCES, errno.EPERM, errno.EADDRINUSE):
                    raise
        return await dial(netid, host, port, auth=auth, timeout=timeout)

    return dial_either
