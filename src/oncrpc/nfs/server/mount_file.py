"""The file of the mount list, which is kept over a restart.

::

    nfsd mounts 1
    1764000000 tcp 192.0.2.1 /srv/a /srv/with%20space
    1764000300 udp 192.0.2.7

A line is a host: when it was last active, how it mounted, its address, and its directories. The
file is written in a thread, some seconds after a change. A damaged file is set aside: the list is a
hint. The list of rpc.mountd, ``/var/lib/nfs/rmtab``, can be read too.
"""

from __future__ import annotations

import asyncio
import logging
import os
import re
from collections.abc import Iterator
from contextlib import suppress
from threading import Lock
from urllib.parse import quote_from_bytes, unquote_to_bytes

from oncrpc.daemon.state.directory import Directory
from oncrpc.nfs.server.mount_list import Mount, MountingHost, MountList
from oncrpc.programs.mount import MNTPATHLEN

log = logging.getLogger("oncrpc.nfs")

MOUNTS_FILE = "mounts"
MOUNTS_VERSION = b"nfsd mounts 1"
PROVEN, UNPROVEN = b"tcp", b"udp"
DELAY = 5.0
"""Seconds between a change and the file: several changes are written at once."""

_LINE = re.compile(rb"([0-9]{1,15}) (tcp|udp) ([!-~]{1,255})((?: [!-~]+)*)")

_RMTAB_LINE = re.compile(rb"([!-~]{1,255}?):(/[^\0]{0,1023}):0x[0-9a-fA-F]{1,8}")

MAX_RMTAB = 16 << 20
"""Bytes that are read of rpc.mountd's list."""


class MountFile:
    """Keeps a mount list in a file of the state directory.

    ``former`` is the path of a list of rpc.mountd, which is read if there is no file yet; "" reads
    none.
    """

    def __init__(
        self, mounts: MountList, directory: Directory, *, delay: float = DELAY, former: str = ""
    ) -> None:
        self.mounts, self.directory = mounts, directory
        self.delay, self.former = delay, former
        self._waiting: asyncio.Task[None] | None = None
        self._failed = False
        # A thread may still write when ``save`` begins.
        self._writing = Lock()

    def load(self) -> None:
        """Read the file, and from now on write it after each change."""
        try:
            data = self.directory.read(MOUNTS_FILE)
            if data is None:
                self._read_former()
            for host, known in [] if data is None else list(decoded_mounts(data)):
                directories = known.directories
                self.mounts.restore(host, directories, proven=known.proven, seen=known.seen)
        except (OSError, ValueError) as error:
            aside = self.directory.set_aside(MOUNTS_FILE, keep=False)
            log.warning("the mount list is damaged: %s; %s", error, aside)
        self.mounts.drop_old()
        self.mounts.changed = self._schedule

    def _read_former(self) -> None:
        """Read the list of rpc.mountd. It may be missing; whether it is old is not known."""
        if not self.former:
            return
        with suppress(OSError):
            for host, directory in read_rmtab(self.former):
                self.mounts.add(host, directory, proven=False)

    def save(self) -> None:
        """Write the file now; a failure is logged once."""
        self._write(encoded_mounts(self.mounts))

    async def close(self) -> None:
        """Write changes that are not yet in the file, and stop writing."""
        self.mounts.changed = _ignore
        waiting, self._waiting = self._waiting, None
        if waiting is not None:
            waiting.cancel()
            with suppress(asyncio.CancelledError):
                await waiting
            self.save()

    def _schedule(self) -> None:
        if self._waiting is None:
            self._waiting = asyncio.ensure_future(self._keep_up())

    async def _keep_up(self) -> None:
        """Write until nothing has changed meanwhile."""
        written = -1
        while written != self.mounts.generation:
            await asyncio.sleep(self.delay)
            written = self.mounts.generation
            await asyncio.to_thread(self._write, encoded_mounts(self.mounts))
        self._waiting = None

    def _write(self, data: bytes) -> None:
        try:
            with self._writing:
                os.close(self.directory.replace(MOUNTS_FILE, [data])[0])
        except OSError as error:
            if not self._failed:
                log.warning("the mount list cannot be written: %s", error.strerror)
            self._failed = True
        else:
            self._failed = False


def _ignore() -> None:
    """Do nothing after a change."""


def encoded_mounts(mounts: MountList) -> bytes:
    """The text of a mount list."""
    return b"".join(line + b"\n" for line in (MOUNTS_VERSION, *_lines(mounts)))


def _lines(mounts: MountList) -> Iterator[bytes]:
    for host, known in mounts.hosts():
        way = PROVEN if known.proven else UNPROVEN
        quoted = [quote_from_bytes(directory).encode() for directory in known.directories]
        yield b" ".join([b"%d %s %s" % (known.seen, way, host.encode()), *quoted])


def decoded_mounts(data: bytes) -> Iterator[tuple[str, MountingHost]]:
    """The hosts of a text.

    Raises:
        ValueError: it is not the text of a mount list.
    """
    version, *lines = data.split(b"\n")
    if version != MOUNTS_VERSION or lines[-1:] != [b""]:
        raise ValueError("not a mount list of this version")
    for number, line in enumerate(lines[:-1], 2):
        matched = _LINE.fullmatch(line)
        if matched is None:
            raise ValueError(f"line {number} is not a host")
        known = MountingHost(float(matched[1]), proven=matched[2] == PROVEN)
        directories = [unquote_to_bytes(each) for each in matched[4].split()]
        if any(len(each) > MNTPATHLEN for each in directories):
            raise ValueError(f"line {number} has a path of more than {MNTPATHLEN} bytes")
        known.directories = dict.fromkeys(directories)
        yield matched[3].decode(), known


def read_rmtab(path: str) -> list[Mount]:
    """The mounts in the list of rpc.mountd: ``HOST:PATH:0x00000001`` in each line.

    Lines that are something else are left out: rpc.mountd does the same.

    Raises:
        OSError: the file cannot be read.
    """
    with open(path, "rb") as file:
        lines = file.read(MAX_RMTAB).split(b"\n")
    matches = [match for match in map(_RMTAB_LINE.fullmatch, lines) if match is not None]
    return [Mount(match[1].decode(), match[2]) for match in matches]
