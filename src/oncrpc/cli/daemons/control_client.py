"""Finds a daemon of this host, and asks it over its control socket."""

from __future__ import annotations

import argparse
import errno
import os
import socket
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from functools import partial
from typing import Any, NamedTuple, TypeVar

from msgspec import Struct

from oncrpc.cli.command import safe_text
from oncrpc.cli.daemon_options import combined, port_number, whole_path
from oncrpc.cli.daemons.kind import DaemonKind, S
from oncrpc.daemon import lockfile
from oncrpc.daemon.config.values import ConfigError
from oncrpc.daemon.control.protocol import (
    NAME,
    PROTOCOL,
    STATUS,
    Request,
    address_in,
    answer_in,
    request_line,
)
from oncrpc.daemon.state.folders import base_of, lasting_base_of, name_for

A = TypeVar("A", bound=Struct)

RUNNING, NOT_RUNNING, UNKNOWN = 0, 3, 4
"""Exit statuses about a service (Linux Standard Base, init script actions)."""

TIMEOUT = 10.0
"""Seconds for an answer of the daemon."""

RESTART_TIME = 1.0
"""Seconds that a daemon may take to restart in place, during which it does not listen."""

HOMELESS = (
    "a daemon of yours has no control socket without {}; start it with a --state-dir, and name that"
)
"""A reason for which the daemon of an ordinary user may run and not be found."""

OTHER_DAEMON = "; for another daemon: -p PORT or --state-dir DIR"
LOOPBACK_HOSTS = ("127.0.0.1", "[::1]", "localhost")
UNREADABLE = "cannot read the daemon's answer (another version?)"
POLL = 0.05
MAX_ANSWER = 8 << 20
"""Bytes of an answer: a daemon lists 4,096 registrations at most."""

PIECE = 64 << 10
SHORTEST = 0.001
"""A socket timeout of 0 would mean that the socket does not block."""


class NoStatus(Exception):
    """The daemon returned no status: the exit status, and a line that says why."""

    def __init__(self, status: int, line: str) -> None:
        super().__init__(line)
        self.status = status


class DaemonPlace(NamedTuple):
    """Where a daemon may be found.

    Its control socket is in one of ``folders``, and its process id in one of ``locks``. ``fault``
    is a reason for which it may run elsewhere, such as an invalid configuration file. ``hint`` says
    how to ask another daemon, where no option named this one.
    """

    folders: Sequence[str]
    locks: Sequence[str]
    fault: str = ""
    hint: str = ""


def add_place(made: argparse.ArgumentParser, kind: DaemonKind[Any]) -> None:
    """Add the options that name the daemon to ask."""
    add = made.add_argument
    add(
        "--state-dir", metavar="DIR", type=whole_path,
        help="the daemon with this --state-dir, instead of the usual one",
    )  # fmt: skip
    add(
        *kind.port_flags, metavar="PORT", type=partial(local_port, elsewhere=kind.elsewhere),
        help=f"the daemon on this port, instead of {kind.port}; also 127.0.0.1:PORT",
    )  # fmt: skip
    kind.add_file(made)


def local_port(text: str, *, elsewhere: str = "") -> int:
    """A port for ``argparse``, which may follow an address or name of this host's loopback."""
    host, colon, port = text.rpartition(":")
    if colon and host not in LOOPBACK_HOSTS:
        advice = f"; for other hosts use '{elsewhere} {text}'" if elsewhere else ""
        raise argparse.ArgumentTypeError(f"{host} is not a loopback address{advice}")
    return int(port_number(port))


def place_of(
    options: argparse.Namespace,
    kind: DaemonKind[Any],
    environ: Mapping[str, str] = os.environ,
) -> DaemonPlace:
    """Where a daemon with these options, this environment and their configuration file is.

    Raises:
        NoStatus: the file is invalid.
    """
    named = {
        "daemon.state-dir": options.state_dir,
        "daemon.port": options.port,
        "config": options.config,
    }
    given = {name: value for name, value in named.items() if value is not None}
    source = combined(kind.command, given, environ, wrong=UNKNOWN).source
    fault = ""
    try:
        table = source.read().config.daemon
    except ConfigError as error:
        if source.path is not None:
            raise NoStatus(UNKNOWN, str(error)) from None
        table, fault = source.without_file().config.daemon, str(error)
    state, port, own = table.state_dir, table.port, table.pid_file
    locked = port == kind.port and kind.lock
    if not state and not locked and os.geteuid() != 0 and _base(kind, environ) is None:
        fault = fault or HOMELESS.format(_variables(kind))
    return DaemonPlace(
        folders=[state] if state else list(folders_of(kind, port, environ)),
        locks=[*([own] if own else ()), *([kind.lock] if locked else ())],
        fault=fault,
        hint="" if given else OTHER_DAEMON,
    )


def status_of(place: DaemonPlace, kind: DaemonKind[S]) -> S:
    """The status of the daemon at that place.

    Raises:
        NoStatus: it does not run, or does not answer.
    """
    return answer_of(place, Request(STATUS, PROTOCOL), kind.status)


def answer_of(place: DaemonPlace, request: Request, form: type[A]) -> A:
    """The answer of the daemon at that place.

    Raises:
        NoStatus: it does not run, does not answer, or refuses.
    """
    for folder in place.folders:
        try:
            return _ask(folder, request, form)
        except FileNotFoundError:
            continue
    raise _nobody(place)


def folders_of(kind: DaemonKind[Any], port: int, environ: Mapping[str, str]) -> Iterator[str]:
    """The directory of the user's own daemon, then that of root's."""
    base = None if os.geteuid() == 0 else _base(kind, environ)
    for folder in (base, kind.root_folder):
        if folder is not None:
            yield os.path.join(folder, name_for(kind.name, port, kind.port))


def _base(kind: DaemonKind[Any], environ: Mapping[str, str]) -> str | None:
    return lasting_base_of(environ) if kind.lasting else base_of(environ)


def _variables(kind: DaemonKind[Any]) -> str:
    if kind.lasting:
        return "$STATE_DIRECTORY, $XDG_STATE_HOME and $HOME"
    return "$RUNTIME_DIRECTORY and $XDG_RUNTIME_DIR"


def ask_status(folder: str, kind: DaemonKind[S]) -> S:
    """The status of the daemon whose control socket is in that directory.

    Raises:
        FileNotFoundError: no daemon listens there.
        NoStatus: it does not answer.
    """
    return _ask(folder, Request(STATUS, PROTOCOL), kind.status)


def _ask(folder: str, request: Request, form: type[A]) -> A:
    with _errors_of(folder), _connected(folder) as sock:
        return _answer(sock, request, form)


def followed(place: DaemonPlace, request: Request, form: type[A]) -> tuple[A, socket.socket]:
    """Ask the daemon. Returns its answer, and the socket for the lines that follow.

    Raises:
        NoStatus: it does not run, does not answer, or refuses.
    """
    for folder in place.folders:
        with suppress(FileNotFoundError), _errors_of(folder), ExitStack() as stack:
            sock = stack.enter_context(_connected(folder))
            answer = _answer(sock, request, form, piece=1)  # what follows stays in the socket
            sock.settimeout(None)
            stack.pop_all()
            return answer, sock
    raise _nobody(place)


@contextmanager
def _errors_of(folder: str) -> Iterator[None]:
    """Convert errors of a control socket to NoStatus; FileNotFoundError if no daemon listens."""
    try:
        yield
    except (FileNotFoundError, NotADirectoryError, ConnectionRefusedError):
        raise FileNotFoundError(errno.ENOENT, "nobody is there", folder) from None
    except PermissionError:
        raise NoStatus(UNKNOWN, f"may not open {folder}/{NAME}; ask as root") from None
    except OSError as error:
        why = "no answer in time" if isinstance(error, TimeoutError) else error.strerror
        raise NoStatus(UNKNOWN, f"cannot ask {folder}/{NAME}: {why}") from None


def _connected(folder: str) -> socket.socket:
    """A connected socket; a daemon that restarts in place is waited for."""
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


def _answer(sock: socket.socket, request: Request, form: type[A], *, piece: int = PIECE) -> A:
    sock.sendall(request_line(request))
    try:
        answer = answer_in(bytes(_line(sock, piece)), request.ask, form)
    except (ValueError, RecursionError) as error:
        raise NoStatus(UNKNOWN, f"{UNREADABLE}: {safe_text(str(error))}") from None
    if isinstance(answer, str):
        raise NoStatus(UNKNOWN, f"the daemon reports: {safe_text(answer)}")
    return answer


def _line(sock: socket.socket, most: int) -> bytearray:
    """The answer up to its line end, within one deadline; ``most`` bytes are read at once."""
    until, data = time.monotonic() + TIMEOUT, bytearray()
    while not data.endswith(b"\n"):
        sock.settimeout(max(until - time.monotonic(), SHORTEST))
        piece = sock.recv(most)
        if not piece:
            raise NoStatus(UNKNOWN, "the daemon closed the connection; try again")
        data += piece
        if len(data) > MAX_ANSWER:
            raise NoStatus(UNKNOWN, f"the daemon's answer is longer than {MAX_ANSWER} bytes")
        if time.monotonic() >= until:
            raise TimeoutError
    return data


def _nobody(place: DaemonPlace) -> NoStatus:
    """The error where no control socket answers; a daemon without one may run all the same."""
    where = " or ".join(f"{folder}/{NAME}" for folder in place.folders)
    nobody = f"nobody answers at {where}"
    for lock in place.locks:
        try:
            holder = lockfile.read(lock)
        except PermissionError:
            return NoStatus(UNKNOWN, f"may not read {lock}; ask as root")
        except OSError:
            continue
        if holder is not None and holder.alive:
            said = f"runs, and cannot be asked: {nobody}; see --state-dir"
            return NoStatus(UNKNOWN, f"process {holder.pid} {said}")
    if place.fault:
        return NoStatus(UNKNOWN, place.fault)
    return NoStatus(NOT_RUNNING, f"not running: {nobody}{place.hint}")
