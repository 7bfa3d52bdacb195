"""Asking a daemon of this host over its control socket, and finding that."""

from __future__ import annotations

import argparse
import errno
import os
import socket
import time
from collections.abc import Iterator, Mapping

import msgspec

from oncrpc.cli.portmap import Parser, port_number, whole_path
from oncrpc.portmap.process import pidfile
from oncrpc.portmap.settings import LOCK
from oncrpc.portmap.state.statedir import RUN, base_of, name_for
from oncrpc.portmap.status.control import NAME, PROTOCOL, Reply, Request, address_in, encoded
from oncrpc.portmap.status.report import Status
from oncrpc.programs.portmap import PMAP_PORT

RUNNING, NOT_RUNNING, UNKNOWN = 0, 3, 4
"""What an exit status says of a service (Linux Standard Base, init script actions)."""

TIMEOUT = 10.0
"""Seconds for an answer."""

RESTART_TIME = 1.0
"""Seconds for which a daemon that does not listen may be starting anew in place."""

POLL = 0.05
MAX_ANSWER = 64 << 20
PIECE = 64 << 10


class NoStatus(Exception):
    """There is nothing to show: the exit status, and one line."""

    def __init__(self, status: int, line: str) -> None:
        super().__init__(line)
        self.status = status


class StatusParser(Parser):
    """Ends with the status of what cannot be told, since 1 is said of a service that died."""

    wrong = UNKNOWN


def add_place(made: argparse.ArgumentParser) -> None:
    """The options that say which daemon is asked."""
    add = made.add_argument
    add(
        "--state-dir", metavar="DIR", type=whole_path,
        help="ask the daemon with this --state-dir, instead of the usual one",
    )  # fmt: skip
    add(
        "-p", "--port", metavar="PORT", type=port_number, default=PMAP_PORT,
        help=f"ask the daemon on this port, instead of {PMAP_PORT}",
    )  # fmt: skip


def status_of(options: argparse.Namespace) -> Status:
    """What the daemon says that the options name.

    Raises:
        NoStatus: it does not run, or does not say.
    """
    named = options.state_dir
    folders = [named] if named else list(folders_of(options.port, os.environ))
    for folder in folders:
        try:
            return ask(folder)
        except FileNotFoundError:
            continue
    raise _nobody(folders, options.port)


def folders_of(port: int, environ: Mapping[str, str]) -> Iterator[str]:
    """Where a daemon that we started keeps its state, then where root's does."""
    base = None if os.geteuid() == 0 else base_of(environ)
    for folder in (base, RUN):
        if folder is not None:
            yield os.path.join(folder, name_for(port))


def ask(folder: str) -> Status:
    """What the daemon says that keeps its state there.

    Raises:
        FileNotFoundError: no daemon does.
        NoStatus: it does not say.
    """
    try:
        with _connected(folder) as sock:
            return _answer(sock)
    except (FileNotFoundError, NotADirectoryError, ConnectionRefusedError):
        raise FileNotFoundError(errno.ENOENT, "nobody is there", folder) from None
    except PermissionError:
        raise NoStatus(UNKNOWN, f"may not open {folder}/{NAME}; ask as root") from None
    except OSError as error:
        why = "no answer in time" if isinstance(error, TimeoutError) else error.strerror
        raise NoStatus(UNKNOWN, f"cannot ask {folder}/{NAME}: {why}") from None


def _connected(folder: str) -> socket.socket:
    """A socket of whoever listens; one that starts anew in place is waited for."""
    until = time.monotonic() + RESTART_TIME
    while True:
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        sock.settimeout(TIMEOUT)
        try:
            with address_in(folder) as path:
                sock.connect(path)
            return sock
        except OSError as error:
            sock.close()
            if error.errno != errno.ECONNREFUSED or time.monotonic() > until:
                raise
        time.sleep(POLL)


def _answer(sock: socket.socket) -> Status:
    sock.sendall(encoded(Request("status", PROTOCOL)))
    data = bytearray()
    while not data.endswith(b"\n") and len(data) <= MAX_ANSWER:
        piece = sock.recv(PIECE)
        if not piece:
            raise NoStatus(UNKNOWN, "the daemon has ended the connection; ask again")
        data += piece
    try:
        reply = msgspec.json.decode(data, type=Reply)
    except msgspec.DecodeError as error:
        raise NoStatus(UNKNOWN, f"the daemon is of another version: {error}") from None
    if reply.status is None:
        raise NoStatus(UNKNOWN, f"the daemon says: {reply.error}")
    return reply.status


def _nobody(folders: list[str], port: int) -> NoStatus:
    """Nobody has a control socket; one without a state directory may run all the same."""
    try:
        holder = pidfile.read(LOCK) if port == PMAP_PORT else None
    except PermissionError:
        return NoStatus(UNKNOWN, f"may not read {LOCK}; ask as root")
    except OSError:
        holder = None
    if holder is not None and holder.alive:
        said = "runs without a state directory (--no-state), and cannot be asked"
        return NoStatus(UNKNOWN, f"process {holder.pid} {said}")
    where = " or ".join(folders)
    return NoStatus(NOT_RUNNING, f"not running: nobody keeps registrations in {where}")
