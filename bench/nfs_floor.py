"""A bare loop with the system calls of an NFS server, and nothing else: the floor in Python.

It knows one connection at a time of 8, checks no handle, no export and no user, and its replies
are right only for the calls of the benchmark. A handle is the name of a file below the directory.

    nfs_floor.py DIRECTORY PORT
"""

# ruff: noqa: ARG002  # methods have the same arguments
from __future__ import annotations

import os
import select
import socket
import struct
import sys
import threading
from collections.abc import Callable
from contextlib import suppress

MARK = struct.Struct(">I")
CALL = struct.Struct(">I8xI4x")
ATTRIBUTES = struct.Struct(">IIIIIQQIIQQIIIIII")
GETATTR, LOOKUP, ACCESS, READ, WRITE, COMMIT = 1, 3, 4, 6, 7, 21
BIG = 32 << 10
VERIFIER = b"verifier"


def fattr3(found: os.stat_result) -> bytes:
    """The attributes of a file."""
    atime, mtime, ctime = found.st_atime_ns, found.st_mtime_ns, found.st_ctime_ns
    return ATTRIBUTES.pack(
        2 if found.st_mode & 0o40000 else 1, found.st_mode & 0o7777, found.st_nlink, found.st_uid,
        found.st_gid, found.st_size, found.st_blocks * 512, 0, 0, 1, found.st_ino,
        atime // 10**9, atime % 10**9, mtime // 10**9, mtime % 10**9, ctime // 10**9, ctime % 10**9,
    )  # fmt: skip


ACCEPTED = struct.pack(">5I", 1, 0, 0, 0, 0)
OK = ACCEPTED + bytes(4)
OK_WITH = OK + MARK.pack(1)


class Floor:
    """One process, one thread, and one more for fdatasync."""

    def __init__(self, directory: str, port: int) -> None:
        self.directory = directory
        self.files: dict[bytes, int] = {}
        self.poller = select.epoll()
        self.listener = socket.create_server(("127.0.0.1", port))
        self.poller.register(self.listener, select.EPOLLIN)
        self.room = bytearray(4 << 20)
        self.rest: dict[int, tuple[socket.socket, bytearray]] = {}
        self.unstored: list[tuple[socket.socket, int, bytes]] = []
        self.due, self.stored = threading.Event(), []
        self.woken = os.eventfd(0)
        self.poller.register(self.woken, select.EPOLLIN)
        threading.Thread(target=self.store, daemon=True).start()

    def descriptor(self, handle: bytes) -> int:
        found = self.files.get(handle)
        if found is None:
            name = os.path.join(self.directory, handle.rstrip(b"\0").decode())
            flags = os.O_RDONLY if os.path.isdir(name) else os.O_RDWR
            found = self.files[handle] = os.open(name, flags)
        return found

    def run(self) -> None:
        while True:
            for descriptor, _ in self.poller.poll():
                if descriptor == self.woken:
                    os.read(self.woken, 8)
                    waiting, self.stored = self.stored, []
                    for sock, length, out in waiting:
                        with suppress(OSError):  # the load generator has ended
                            sock.sendall(MARK.pack(0x80000000 | length) + out)
                elif descriptor == self.listener.fileno():
                    sock, _ = self.listener.accept()
                    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                    self.rest[sock.fileno()] = sock, bytearray()
                    self.poller.register(sock, select.EPOLLIN)
                else:
                    try:
                        self.serve(*self.rest[descriptor])
                    except ConnectionError:
                        self.rest.pop(descriptor)[0].close()

    def serve(self, sock: socket.socket, rest: bytearray) -> None:
        room = memoryview(self.room)
        kept = len(rest)
        room[:kept] = rest
        count = sock.recv_into(room[kept:])
        if not count:
            self.poller.unregister(sock)
            del self.rest[sock.fileno()]
            sock.close()
            return
        end, at, out = kept + count, 0, list[bytes]()
        while end - at >= 4:
            length = MARK.unpack_from(room, at)[0] & 0x7FFFFFFF
            if end - at < 4 + length:
                break
            self.answer(sock, room[at + 4 : at + 4 + length], out)
            at += 4 + length
        rest[:] = room[at:end]
        if out:
            sock.sendall(b"".join(out))

    def answer(self, sock: socket.socket, call: memoryview, out: list[bytes]) -> None:
        proc = MARK.unpack_from(call, 20)[0]
        at = 28 + 4 + MARK.unpack_from(call, 28)[0] + 8
        if proc == 0:
            out += MARK.pack(0x80000000 | 24), call[:4], ACCEPTED
            return
        length = MARK.unpack_from(call, at)[0]
        handle = bytes(call[at + 4 : at + 4 + length])
        at += 4 + (length + 3 & ~3)
        file = self.descriptor(handle)
        METHODS[proc](self, sock, call, at, file, out)

    def getattr(self, sock, call, at, file, out) -> None:  # type: ignore[no-untyped-def]
        out += MARK.pack(0x80000000 | 112), call[:4], OK, fattr3(os.fstat(file))

    def access(self, sock, call, at, file, out) -> None:  # type: ignore[no-untyped-def]
        out += (
            MARK.pack(0x80000000 | 120),
            call[:4],
            OK_WITH,
            fattr3(os.fstat(file)),
            MARK.pack(0x1F),
        )

    def lookup(self, sock, call, at, file, out) -> None:  # type: ignore[no-untyped-def]
        length = MARK.unpack_from(call, at)[0]
        name = bytes(call[at + 4 : at + 4 + length])
        found = os.stat(name, dir_fd=file, follow_symlinks=False)
        handle = MARK.pack(len(name)) + name + bytes(-len(name) % 4)
        body = (
            call[:4],
            OK,
            handle,
            MARK.pack(1),
            fattr3(found),
            MARK.pack(1),
            fattr3(os.fstat(file)),
        )
        out += MARK.pack(0x80000000 | sum(map(len, body))), *body

    def read(self, sock, call, at, file, out) -> None:  # type: ignore[no-untyped-def]
        offset, count = struct.unpack_from(">QI", call, at)
        if count < BIG:
            data = os.pread(file, count, offset)
            head = OK_WITH + fattr3(os.fstat(file)) + struct.pack(">3I", count, 0, count)
            out += MARK.pack(0x80000000 | 4 + len(head) + count), call[:4], head, data
            return
        head = OK_WITH + fattr3(os.fstat(file)) + struct.pack(">3I", count, 0, count)
        out += MARK.pack(0x80000000 | 4 + len(head) + count), call[:4], head
        sock.sendall(b"".join(out), socket.MSG_MORE)
        out.clear()
        while count:
            sent = os.sendfile(sock.fileno(), file, offset, count)
            offset, count = offset + sent, count - sent

    def write(self, sock, call, at, file, out) -> None:  # type: ignore[no-untyped-def]
        offset, count, stable, _ = struct.unpack_from(">Q3I", call, at)
        before = os.fstat(file)
        os.pwrite(file, call[at + 20 : at + 20 + count], offset)
        wcc = struct.pack(">IQ4I", 1, before.st_size, 0, 0, 0, 0)
        tail = MARK.pack(1) + fattr3(os.fstat(file)) + struct.pack(">2I", count, stable) + VERIFIER
        body = bytes(call[:4]) + OK + wcc + tail
        if stable:
            self.unstored.append((sock, file, body))
            self.due.set()
        else:
            out += MARK.pack(0x80000000 | len(body)), body

    def commit(self, sock, call, at, file, out) -> None:  # type: ignore[no-untyped-def]
        found = os.fstat(file)
        wcc = struct.pack(">IQ4I", 1, found.st_size, 0, 0, 0, 0)
        body = bytes(call[:4]) + OK + wcc + MARK.pack(1) + fattr3(found) + VERIFIER
        self.unstored.append((sock, file, body))
        self.due.set()

    def store(self) -> None:
        """Sync in groups."""
        while True:
            self.due.wait()
            self.due.clear()
            group, self.unstored = self.unstored, []
            for file in {file for _, file, _ in group}:
                os.fdatasync(file)
            self.stored += [(sock, len(body), body) for sock, _, body in group]
            os.eventfd_write(self.woken, 1)


METHODS: dict[int, Callable[..., None]] = {
    GETATTR: Floor.getattr, LOOKUP: Floor.lookup, ACCESS: Floor.access,
    READ: Floor.read, WRITE: Floor.write, COMMIT: Floor.commit,
}  # fmt: skip

if __name__ == "__main__":
    Floor(sys.argv[1], int(sys.argv[2])).run()
