"""A client that mounts as real ones do: port mapper, MOUNT, NFS, locks, step by step.

The connection to a port stays open. A step that fails ends the mount with ``MountFailed``.
"""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from struct import pack, unpack_from
from typing import Self

from oncrpc.rpc.record import RecordReader, encode_record
from support.hosts import Host

MAPPER, NFS, MOUNT, NLM, STATUS = 100000, 100003, 100005, 100021, 100024
PROTOCOLS = {"tcp": 6, "udp": 17}
AUTH_SYS = pack(">IIIIIIII", 1, 24, 0, 4, 0x636C6E74, 0, 0, 0)
"""The credential of root on the machine "clnt"."""

AUTH_NONE = bytes(8)
RESERVED = range(700, 1023)
XIDS = count(0x10000)


class MountFailed(Exception):
    """A step failed."""


def opaque(data: bytes) -> bytes:
    """Opaque data with its size and padding."""
    return pack(">I", len(data)) + data + bytes(-len(data) % 4)


class MountClient:
    """Calls one server. ``timeout`` is seconds for a TCP reply, UDP is tried three times."""

    def __init__(
        self, host: Host, server: str, *, timeout: float = 1.3, reserved: bool = True
    ) -> None:
        self._host, self.server = host, server
        self._timeout, self._reserved = timeout, reserved
        self._sockets: dict[tuple[str, int], socket.socket] = {}
        self.credential = AUTH_SYS

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for sock in self._sockets.values():
            sock.close()

    def call(
        self, transport: str, port: int, target: tuple[int, int, int], arguments: bytes = b""
    ) -> bytes:
        """The results of a call that is accepted."""
        plain = target[2] == 0 and self.credential is AUTH_SYS
        credential = AUTH_NONE if plain else self.credential
        call = pack(">IIIIII", next(XIDS), 0, 2, *target) + credential + bytes(8) + arguments
        with _failing():
            sock = self._socket(transport, port)
            reply = self._by_tcp(sock, call) if transport == "tcp" else self._by_udp(sock, call)
            if len(reply) < 24 or any(reply[8:12] + reply[20:24]):
                raise MountFailed(f"{target}: {reply[8:].hex()}")
            return reply[24:]

    def _socket(self, transport: str, port: int) -> socket.socket:
        known = self._sockets.get((transport, port))
        if known is not None:
            return known
        with self._host.network():
            kind = socket.SOCK_STREAM if transport == "tcp" else socket.SOCK_DGRAM
            sock = socket.socket(socket.AF_INET, kind)
        self._sockets[transport, port] = sock
        if self._reserved:
            _bind_reserved(sock)
        sock.settimeout(self._timeout)
        sock.connect((self.server, port))
        return sock

    def _by_tcp(self, sock: socket.socket, call: bytes) -> bytes:
        sock.sendall(encode_record(call))
        reader = RecordReader()
        while True:
            data = sock.recv(65536)
            if not data:
                raise MountFailed("closed")
            reader.feed(data)
            for record in reader.records():
                return record

    def _by_udp(self, sock: socket.socket, call: bytes) -> bytes:
        sock.settimeout(0.3)
        for _ in range(3):
            sock.send(call)
            try:
                return sock.recv(65536)
            except TimeoutError:
                continue
        raise MountFailed("no answer")

    def port(self, prog: int, vers: int, transport: str, *, by: str = "") -> int:
        """The port of a program, by version 2 of the port mapper."""
        arguments = pack(">IIII", prog, vers, PROTOCOLS[transport], 0)
        results = self.call(by or transport, 111, (MAPPER, 2, 3), arguments)
        found = int.from_bytes(results[:4], "big")
        if not found:
            raise MountFailed("not registered")
        return found

    def address(self, prog: int, vers: int, netid: bytes) -> str:
        """The universal address of a program, by version 4 of the port mapper."""
        arguments = pack(">II", prog, vers) + opaque(netid) + opaque(b"") + opaque(b"")
        results = self.call("udp", 111, (MAPPER, 4, 3), arguments)
        return results[4 : 4 + int.from_bytes(results[:4], "big")].decode()

    def null(self, transport: str, port: int, prog: int, vers: int) -> None:
        """Ask whether a program answers."""
        self.call(transport, port, (prog, vers, 0))

    def handle(self, transport: str, port: int, path: str, vers: int = 3) -> bytes:
        """The handle of a path, by MNT."""
        results = self.call(transport, port, (MOUNT, vers, 1), opaque(path.encode()))
        checked(results)
        return results[8 : 8 + int.from_bytes(results[4:8], "big")]

    def nfs(self, transport: str, port: int, proc: int, arguments: bytes) -> bytes:
        """A procedure of NFS 3; the status has to be good."""
        results = self.call(transport, port, (NFS, 3, proc), arguments)
        checked(results)
        return results

    def mount(
        self,
        path: str = "/srv/data",
        *,
        transport: str = "tcp",
        mount_transport: str = "udp",
        vers: int = 3,
    ) -> tuple[int, bytes]:
        """Mount a directory by NFS 3; returns the port of NFS, and the handle."""
        mount_port = self.port(MOUNT, 3, mount_transport, by="udp")
        self.null(mount_transport, mount_port, MOUNT, 3)
        handle = self.handle(mount_transport, mount_port, path)
        port = self.port(NFS, vers, transport, by="udp")
        self.begin(handle, transport=transport, port=port, vers=vers)
        return port, handle

    def begin(
        self, handle: bytes, *, transport: str = "tcp", port: int = 2049, vers: int = 3
    ) -> None:
        """What a client asks NFS before it shows the directory."""
        self.null(transport, port, NFS, vers)
        for proc in (19, 1):  # FSINFO, GETATTR
            self.nfs(transport, port, proc, opaque(handle))

    def lock(self, port: int, handle: bytes) -> int:
        """Lock a file by NLM 4; returns the status."""
        lock = opaque(b"clnt") + opaque(handle) + opaque(b"owner") + pack(">IQQ", 1, 0, 0)
        arguments = opaque(b"ck") + pack(">II", 0, 1) + lock + pack(">II", 0, 1)
        results = self.call("tcp", port, (NLM, 4, 2), arguments)
        return int(unpack_from(">I", results, 8)[0])


def checked(results: bytes) -> None:
    """Fail if the status, the first word, is an error."""
    if any(results[:4]):
        raise MountFailed(f"status {int.from_bytes(results[:4], 'big')}")


def _bind_reserved(sock: socket.socket) -> None:
    for port in RESERVED:
        try:
            sock.bind(("", port))
        except OSError:
            continue
        return
    raise MountFailed("no reserved port is free")


@contextmanager
def _failing() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise MountFailed(str(error)) from error
