"""Messages between the server and a worker process, with descriptors, over a stream socket.

Each message has its length in front, and the number of descriptors (0 or 1) that come with it. The
kernel delivers descriptors in the order of the messages.
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
"""Descriptors that one read takes; the kernel ends a read before the next message with one."""

Received = Callable[[bytes, int | None], None]
"""Takes a message, and its descriptor, which it owns."""


class WorkerChannel:
    """One end. ``lost`` is called once, when the other end is closed or cannot be understood.

    Both processes are parts of one server, so a message has no limit.
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
        """Send a message, and close its descriptor here."""
        if self.closed:
            _close(descriptor)
            return
        header = HEADER.pack(len(message), descriptor is not None)
        self._unsent.append((header + message, descriptor))
        if len(self._unsent) == 1:
            self._write()

    def close(self) -> None:
        """Close this end; messages that were not sent are dropped."""
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
        if not data or flags & socket.MSG_CTRUNC:  # too many files are open: some are lost
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
