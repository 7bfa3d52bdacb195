"""libwrap, where the host has it: what it says about a client, and that it does nothing else.

The library keeps everything in static variables, reads both files for each question, looks up
names, and runs commands. Here it is given the name and the address, so that it looks up nothing but
netgroups. It reads texts that we have read before, kept in memory: a change of a file cannot slip a
command in. Whoever asks has seen to it that they hold no option that makes it do something, see
``HostsFile.plain``. It never replaces our process (``resident``).

One question at a time: a second one is refused rather than made to wait.
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
"""A path at which there never is a file."""

REQUEST = 16384
"""Bytes for a ``struct request_info``: it has some 1,100, and nobody looks into it here."""

MAX_TEXT = 127
"""Bytes of a name or an address: libwrap cuts what is longer."""

END, DAEMON, USER = 0, 2, 3
CLIENT_NAME, CLIENT_ADDR, SERVER_NAME, SERVER_ADDR, SERVER_SIN = 4, 5, 7, 8, 9
"""What the arguments of request_init(3) are."""


class Busy(Exception):
    """It cannot be asked now."""


class LibwrapQuestion(Struct, frozen=True):
    """Who calls, and where: texts as libwrap compares them."""

    address: bytes
    name: bytes
    local: bytes
    daemon: DaemonId


def question(client: NamedHost, local: NamedHost, daemon: DaemonId) -> LibwrapQuestion | None:
    """The question about a client; None where libwrap cannot be asked, as it would cut a text."""
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
        OSError: the host has no such library, or it cannot be given texts.
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
        """See that it reads what we give it: a file that is not there would allow everybody."""
        nobody = LibwrapQuestion(b"192.0.2.1", b"unknown", b"unknown", DaemonId(frozenset(), 0))
        if self._ask("check", nobody, ABSENT, _path(self._everybody)):
            raise OSError(errno.ENOENT, "it cannot read /proc/self/fd")

    def read(self, allow: str, deny: str) -> None:
        """Judge by these texts from now on.

        Raises:
            Busy: another thread is asking.
            OSError: they cannot be kept; the former ones are gone.
        """
        with self._alone():
            self._forget()
            self._check()
            for text in (allow, deny):
                self._texts.append(_keep(text.encode("ascii", "surrogateescape")))
            self._paths = [_path(text) for text in self._texts]

    def close(self) -> None:
        """Give back what holds the texts; it is not asked any more."""
        self._forget()
        os.close(self._everybody)

    def _forget(self) -> None:
        self._paths = (ABSENT, ABSENT)
        while self._texts:
            os.close(self._texts.pop())

    def judge(self, asked: LibwrapQuestion) -> bool:
        """What the two texts say to all names of the daemon (``oncrpc.access.hosts.rules``).

        Raises:
            Busy: another thread is asking, or there are no texts.
        """
        with self._alone():
            allow, deny = self._paths
            if not (allow and deny):
                raise Busy
            names = asked.daemon.names
            allowed = [name for name in names if self._ask(name, asked, allow, deny)]
            if len(allowed) in (0, len(names)):
                return bool(allowed)
            # A name is denied. The others count only if hosts.allow allows one of them, so ask
            # again with a hosts.deny that denies everybody else.
            everybody = _path(self._everybody)
            return any(self._ask(name, asked, allow, everybody) for name in allowed)

    @contextlib.contextmanager
    def _alone(self) -> Iterator[None]:
        if not self._busy.acquire(blocking=False):
            raise Busy
        try:
            yield
        finally:
            self._busy.release()

    def _ask(self, daemon: str, asked: LibwrapQuestion, allow: bytes, deny: bytes) -> bool:
        """What libwrap says to one name with the files at these paths."""
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
    """A file without a name that holds the text."""
    descriptor = os.memfd_create("hosts")
    try:
        os.write(descriptor, text)
    except OSError:
        os.close(descriptor)
        raise
    return descriptor


def _path(descriptor: int) -> bytes:
    return f"/proc/self/fd/{descriptor}".encode()
