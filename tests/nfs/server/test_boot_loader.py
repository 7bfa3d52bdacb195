"""A boot loader loads a file by version 2 over UDP, call by call as U-Boot 2023.01 sends them."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from oncrpc.aio.serve import serve
from oncrpc.nfs.server.duplicates import NfsDuplicates
from oncrpc.nfs.server.mount import MountProgram
from oncrpc.nfs.server.mount_list import MountList
from oncrpc.nfs.server.nfs2 import Nfs2
from support.boot_server import IMAGE, exported
from support.exported2 import string
from support.loopback_peers import LOCALHOST, port_of
from support.loops import run
from support.words import words

MOUNT, NFS = 100005, 100003
MNT, UMNTALL = 1, 4
LOOKUP, READLINK, READ = 4, 5, 6
PIECE = 1024
"""Bytes of a READ of U-Boot."""

ISDIR, NOENT = 21, 2


class BootLoader:
    """Calls as U-Boot does: as root without a name, xids from 1 on, one call at a time."""

    def __init__(self, port: int) -> None:
        self.sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.sock.connect((LOCALHOST, port))
        self.sock.setblocking(False)
        self.xid = 0

    async def call(self, prog: int, proc: int, *arguments: int | bytes) -> bytes:
        """The results of a call."""
        self.xid += 1
        message = words(
            self.xid, 0, 2,           # xid, CALL, rpcvers
            prog, 2, proc,
            1, 20, 0, 0, 0, 0, 0,     # cred AUTH_SYS: no stamp, no name, root
            0, 0,                     # verf AUTH_NONE
            *arguments,
        )  # fmt: skip
        loop = asyncio.get_running_loop()
        await loop.sock_sendall(self.sock, message)
        reply = await loop.sock_recv(self.sock, 1 << 16)
        assert reply[:24] == words(self.xid, 1, 0, 0, 0, 0)
        return reply[24:]

    async def status(self, prog: int, proc: int, *arguments: int | bytes) -> int:
        """The status of a call."""
        return int.from_bytes((await self.call(prog, proc, *arguments))[:4], "big")

    async def mounted(self, path: bytes) -> bytes:
        """The handle of a directory."""
        result = await self.call(MOUNT, MNT, string(path))
        assert result[:4] == words(0)
        return result[4:36]

    async def looked_up(self, directory: bytes, name: bytes) -> bytes:
        """The handle of a file."""
        result = await self.call(NFS, LOOKUP, directory, string(name))
        assert result[:4] == words(0)
        return result[4:36]

    async def loaded(self, file: bytes) -> bytes:
        """The content of a file: READs until one is empty, as U-Boot does."""
        content = b""
        while True:
            result = await self.call(NFS, READ, file, len(content), PIECE, 0)
            assert result[:4] == words(0)
            size = int.from_bytes(result[72:76], "big")
            if not size:
                return content
            content += result[76 : 76 + size]


@asynccontextmanager
async def booting() -> AsyncIterator[BootLoader]:
    shares = exported()
    services = Nfs2(shares), *MountProgram(shares, MountList()).services()
    async with serve(
        *services, transports=["udp"], host=LOCALHOST, duplicates=NfsDuplicates()
    ) as server:
        loader = BootLoader(port_of(server, "udp"))
        with loader.sock:
            yield loader


def test_file_is_loaded_by_reads() -> None:
    async def scenario() -> None:
        async with booting() as loader:
            directory = await loader.mounted(b"/srv/boot")
            assert await loader.loaded(await loader.looked_up(directory, b"image")) == IMAGE
            assert await loader.call(MOUNT, UMNTALL) == b""

    run(scenario())


def test_symbolic_link_is_read_after_isdir() -> None:
    async def scenario() -> None:
        async with booting() as loader:
            directory = await loader.mounted(b"/srv/boot")
            link = await loader.looked_up(directory, b"current")
            assert await loader.status(NFS, READ, link, 0, PIECE, 0) == ISDIR
            assert await loader.call(NFS, READLINK, link) == words(0) + string(b"image")

    run(scenario())


def test_missing_file_ends_the_load() -> None:
    async def scenario() -> None:
        async with booting() as loader:
            directory = await loader.mounted(b"/srv/boot")
            assert await loader.status(NFS, LOOKUP, directory, string(b"missing")) == NOENT

    run(scenario())
