"""Follows a daemon over its control socket, message by message."""

from __future__ import annotations

import asyncio
import socket
from pathlib import Path

import msgspec

from oncrpc.daemon.control.protocol import (
    PROTOCOL,
    TRACE,
    Request,
    TracedMessage,
    address_in,
    request_line,
)


class TraceReader:
    """One who follows a daemon."""

    def __init__(self, folder: Path) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        with address_in(str(folder)) as path:
            self.sock.connect(path)
        self.sock.setblocking(False)
        self._read = bytearray()

    def close(self) -> None:
        self.sock.close()

    async def begin(self, about: str = "") -> bytes:
        """Ask; returns the answer."""
        await asyncio.get_running_loop().sock_sendall(
            self.sock, request_line(Request(TRACE, PROTOCOL, about))
        )
        return await self.line()

    async def line(self) -> bytes:
        """The next line, empty at the end."""
        while b"\n" not in self._read:
            piece = await asyncio.get_running_loop().sock_recv(self.sock, 1 << 16)
            if not piece:
                return b""
            self._read += piece
        line, _, self._read = self._read.partition(b"\n")
        return bytes(line)

    async def message(self) -> TracedMessage:
        """The next message."""
        return msgspec.json.decode(await self.line(), type=TracedMessage)
