"""Asking libwrap, if the host has it, so that it decides and does nothing else.

The library keeps its state in static variables, reads both files for each question, looks up names
and runs commands. Here it gets the name and the address, so that it looks up nothing but netgroups.
It reads copies of the files in memory, so that a change of a file cannot add a command. The caller
makes sure that they have no option with a side effect (``HostsFile.plain``). With ``resident`` set,
libwrap never replaces the process.

One question at a time: a second one raises ``Busy`` and does not wait.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import os
import socket
import struct
import threading
from collections.abc import Iterator, Sequence

from msgspec import Struct

from oncrpc.access.hosts.patterns import UNKNOWN, NamedHost
from oncrpc.access.hosts.rules import DaemonId

SONAME = "libwrap.so.0"
EVERYBODY = b"ALL: ALL\n"
ABSENT = b""
"""A path that no file can have."""

REQUEST = 16384
"""Bytes for a ``struct request_info``, which has some 1,100; its layout does not matter here."""

MAX_TEXT = 127
"""Bytes of a name or an address that libwrap takes; it cuts longer ones."""

END, DAEMON, USER = 0, 2, 3
CLIENT_NAME, CLIENT_ADDR, SERVER_NAME, SERVER_ADDR, SERVER_SIN = 4, 5, 7, 8, 9
"""Keys of the arguments of request_init(3)."""


class Busy(Exception):
    """libwrap cannot be asked now."""


class LibwrapQuestion(Struct, frozen=True):
    """A client and what it calls, as libwrap compares them."""

    address: bytes
    name: bytes
    local: bytes
    daemon: DaemonId


def question(client: NamedHost, local: NamedHost, daemon: DaemonId) -> LibwrapQuestion | None:
    """The question about a client; None if libwrap would cut one of its texts."""
    address, name, here = (
        text.encode("utf-8", "replace")
        for text in (client.address, client.name or UNKNOWN, local.address)
    )
    if any(len(text) > MAX_TEXT or b"\0" in text for text in (address, name, here)):
        return None
    return LibwrapQuestion(address, name, here, daemon)


class Libwrap:
    """The library, and the texts that it reads.

    Raises:
        OSError: the library is missing, or cannot read texts from memory.
    """

    def __init__(self, soname: str = SONAME) -> None:
        self._library = ctypes.CDLL(soname)
        try:
            ctypes.c_int.in_dll(self._library, "resident").value = 1
            self._tables = [
                ctypes.c_char_p.in_dll(self._library, name)
                for name in ("hosts_allow_table", "hosts_deny_table")
            ]
            self._init, self._access = self._library.request_init, self._library.hosts_access
        except (AttributeError, ValueError) as error:
            raise OSError(f"{soname} is another library: {error}") from None
        self._init.restype = ctypes.c_void_p
        self._request = ctypes.create_string_buffer(REQUEST)
        self._busy = threading.Lock()
        self._texts: list[int] = []
        self._paths: Sequence[bytes] = (ABSENT, ABSENT)
        self._everybody = _keep(EVERYBODY)
        try:
            self._check()
        except OSError:
            self.close()
            raise

    def _check(self) -> None:
        """Check that libwrap reads the texts: a missing file would allow everybody."""
        nobody = LibwrapQuestion(b"192.0.2.1", b"unknown", b"unknown", DaemonId(frozenset(), 0))
        if self.ask("check", nobody, ABSENT, _path(self._everybody)):
            raise OSError(errno.ENOENT, "it cannot read /proc/self/fd")

    def read(self, allow: str, deny: str) -> None:
        """Replace the texts that decide.

        Raises:
            Busy: another thread is asking.
            OSError: they cannot be kept in memory; the former ones are gone, too.
        """
        with self.alone():
            self._forget()
            self._check()
            for text in (allow, deny):
                self._texts.append(_keep(text.encode("ascii", "surrogateescape")))
            self._paths = [_path(text) for text in self._texts]

    def close(self) -> None:
        """Release the texts; the object cannot be used any more."""
        self._forget()
        os.close(self._everybody)

    def _forget(self) -> None:
        self._paths = (ABSENT, ABSENT)
        while self._texts:
            os.close(self._texts.pop())

    def judge(self, asked: LibwrapQuestion) -> bool:
        """The answers for all names of the daemon in two texts (``oncrpc.access.hosts.rules``).

        Raises:
            Busy: another thread is asking, or no texts were read.
        """
        with self.alone():
            allow, deny = self._paths
            if not (allow and deny):
                raise Busy
            names = asked.daemon.names
            allowed = [name for name in names if self.ask(name, asked, allow, deny)]
            if len(allowed) in (0, len(names)):
                return bool(allowed)
            # A name is denied. The others count only if hosts.allow allows one of them, so ask
            # again with a hosts.deny that denies everybody else.
            everybody = _path(self._everybody)
            return any(self.ask(name, asked, allow, everybody) for name in allowed)

    @contextlib.contextmanager
    def alone(self) -> Iterator[None]:
        """Hold the library for one question; a second one at the same time raises ``Busy``."""
        if not self._busy.acquire(blocking=False):
            raise Busy
        try:
            yield
        finally:
            self._busy.release()

    def ask(self, daemon: str, asked: LibwrapQuestion, allow: bytes, deny: bytes) -> bool:
        """The decision of libwrap for one name of the daemon by the files at these paths."""
        for table, path in zip(self._tables, (allow, deny), strict=True):
            table.value = path
        port = ctypes.create_string_buffer(
            struct.pack("=H", socket.AF_INET) + struct.pack("!H12x", asked.daemon.port)
        )
        self._init(
            self._request,
            *(DAEMON, daemon.encode()),
            *(USER, UNKNOWN.encode()),
            *(CLIENT_NAME, asked.name),
            *(CLIENT_ADDR, asked.address),
            *(SERVER_NAME, UNKNOWN.encode()),
            *(SERVER_ADDR, asked.local),
            *(SERVER_SIN, port),
            END,
        )
        return bool(self._access(self._request))


def _keep(text: bytes) -> int:
    """A file in memory with the text."""
    descriptor = os.memfd_create("hosts")
    try:
        os.write(descriptor, text)
    except OSError:
        os.close(descriptor)
        raise
    return descriptor


def _path(descriptor: int) -> bytes:
    return f"/proc/self/fd/{descriptor}".encode()
