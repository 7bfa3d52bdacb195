"""Messages between the server and a worker process, with descriptors, over a stream socket.

A header before each message has its length and the number of its descriptors (0 or 1). The kernel
delivers descriptors in the order of the messages.
"""

from __future__ import annotations

import asyncio
import os
import socket
import struct
from collections import deque
from collections.abc import Callable
from contextlib import suppress

HEADER = struct.Struct(">IB")
READ_SIZE = 1 << 18
MAX_DESCRIPTORS = 16
"""Descriptors in one read. The kernel ends a read before the next message that has one."""

Received = Callable[[bytes, int | None], None]
"""Handles a message and its descriptor, which it must close."""


class WorkerChannel:
    """One end of the channel. ``lost`` is called once, when the connection ends or fails.

    Messages have no size limit: both processes belong to one server.
    """

    def __init__(self, sock: socket.socket, received: Received, lost: Callable[[], None]) -> None:
        sock.setblocking(False)
        self.sock, self._received, self._lost = sock, received, lost
        self._loop = asyncio.get_running_loop()
        self._data, self._descriptors = bytearray(), deque[int]()
        self._unsent = deque[tuple[bytes, int | None]]()
        self.closed = False
        self._loop.add_reader(sock, self._read)

    def send(self, message: bytes, descriptor: int | None = None) -> None:
        """Send a message; its descriptor is closed in this process."""
        if self.closed:
            _close(descriptor)
            return
        header = HEADER.pack(len(message), descriptor is not None)
        self._unsent.append((header + message, descriptor))
        if len(self._unsent) == 1:
            self._write()

    def close(self) -> None:
        """Close this end, and drop messages that are not sent yet."""
        if self.closed:
            return
        self.closed = True
        self._loop.remove_reader(self.sock)
        self._loop.remove_writer(self.sock)
        self.sock.close()
        for descriptor in (*self._descriptors, *(each for _, each in self._unsent)):
            _close(descriptor)
        self._unsent.clear()
        self._descriptors.clear()

    def _write(self) -> None:
        while self._unsent:
            data, descriptor = self._unsent[0]
            descriptors = [] if descriptor is None else [descriptor]
            try:
                sent = socket.send_fds(self.sock, [data], descriptors)
            except (BlockingIOError, InterruptedError):
                self._loop.add_writer(self.sock, self._write)
                return
            except OSError:
                self._end()
                return
            _close(descriptor)
            if sent < len(data):
                self._unsent[0] = data[sent:], None
            else:
                self._unsent.popleft()
        self._loop.remove_writer(self.sock)

    def _read(self) -> None:
        try:
            data, descriptors, flags, _ = socket.recv_fds(
                self.sock, READ_SIZE, MAX_DESCRIPTORS, socket.MSG_CMSG_CLOEXEC
            )
        except (BlockingIOError, InterruptedError):
            return
        except OSError:
            data, descriptors, flags = b"", [], 0
        self._descriptors.extend(descriptors)
        if not data or flags & socket.MSG_CTRUNC:  # MSG_CTRUNC: too many open files, some are lost
            self._end()
            return
        self._data += data
        self._take_messages()

    def _take_messages(self) -> None:
        while len(self._data) >= HEADER.size and not self.closed:
            size, has_descriptor = HEADER.unpack_from(self._data)
            end = HEADER.size + size
            if len(self._data) < end:
                return
            message = bytes(memoryview(self._data)[HEADER.size : end])
            del self._data[:end]
            self._received(message, self._descriptors.popleft() if has_descriptor else None)

    def _end(self) -> None:
        if not self.closed:
            self.close()
            self._lost()


def _close(descriptor: int | None) -> None:
    if descriptor is not None:
        with suppress(OSError):
            os.close(descriptor)
