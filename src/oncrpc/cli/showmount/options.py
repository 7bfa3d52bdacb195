"""The command line of showmount: the options of the C tool, and where the port mapper is."""

from __future__ import annotations

import socket
from collections.abc import Sequence

from oncrpc.addr import split_host_port
from oncrpc.cli.command import (
    OPERAND,
    WRONG,
    Done,
    Failure,
    Option,
    described,
    integer,
    read_options,
    version_of,
)
from oncrpc.cli.mapper_options import mapper_of_environment
from oncrpc.client.mapper_address import MapperAddress
from oncrpc.errors import AddressError
from oncrpc.programs.portmap import PMAP_PORT

PROGRAM = "showmount"
TIMEOUT = 20.0
"""Seconds for each reply."""

USAGE = """\
Usage: showmount [-adehv]
       [--all] [--directories] [--exports]
       [--no-headers] [--help] [--version] [host]"""
FORMS = (
    Option("all", "a", "", "list the clients with the directories that they have mounted"),
    Option("directories", "d", "", "list the mounted directories"),
    Option("exports", "e", "", "list the exported directories, and who may mount them"),
)
"""The forms; at most one is given. Without any the clients are listed."""

OPTIONS = (
    *FORMS,
    Option("no-headers", "", "", "leave out the heading"),
    Option("timeout", "", "SECONDS", f"time for each reply; {TIMEOUT:g} by default"),
    Option("port", "", "PORT", "the port of the port mapper; 111 by default"),
    Option("help", "h", "", "print this help"),
    Option("version", "v", "", "print the version"),
)
HELP = f"""{USAGE}

Show what the mount program of an NFS server lists: by default the clients. A host is a name or
an address, and may have the port of its port mapper: HOST:PORT or [IPV6]:PORT. Without a host
this one is asked, or the port mapper that ONCRPC_MAPPER names.

{described(OPTIONS)}"""
HEADINGS = {
    "clients": "Hosts on",
    "all": "All mount points on",
    "directories": "Directories on",
    "exports": "Export list for",
}
LONGEST_TIMEOUT = 86400.0


class ShowmountRequest:
    """A parsed command line; ``form`` is a key of ``HEADINGS``.

    ``mapper`` is the one port mapper to ask, if the environment names one; else the host's port
    mapper at ``port`` is asked.
    """

    def __init__(self) -> None:
        self.forms: set[str] = set()
        self.operands: list[str] = []
        self.headers = True
        self.timeout = TIMEOUT
        self.host = ""
        self.port: int | None = None
        self.mapper: MapperAddress | None = None

    @property
    def form(self) -> str:
        """The list that is wanted."""
        return next(iter(self.forms), "clients")

    @property
    def heading(self) -> str:
        """The line above the list."""
        return f"{HEADINGS[self.form]} {self.host}:"


def parse_arguments(arguments: Sequence[str]) -> ShowmountRequest:
    """Parse the command line.

    Raises:
        Failure: it is wrong; the message is the usage or what the C tool says. Done: ``--help``.
    """
    request = ShowmountRequest()
    for name, value in read_options(PROGRAM, OPTIONS, arguments):
        _take(request, name, value)
    if len(request.forms) > 1:
        raise Failure(f"{PROGRAM}: only one of -a, -d or -e is allowed")
    if len(request.operands) > 1:
        raise Failure(f"{PROGRAM}: only one hostname is allowed")
    _choose_host(request)
    return request


def _take(request: ShowmountRequest, name: str, value: str) -> None:
    match name:
        case "help":
            raise Done(HELP)
        case "version":
            raise Done(version_of(PROGRAM))
        case "no-headers":
            request.headers = False
        case "timeout":
            request.timeout = _seconds(value)
        case "port":
            request.port = _port(value)
        case _ if name == OPERAND:
            request.operands.append(value)
        case _ if name == WRONG:
            raise Failure(USAGE)
        case _:
            request.forms.add(name)


def _seconds(value: str) -> float:
    try:
        seconds = float(value)
    except ValueError:
        seconds = 0.0
    if not 0.0 < seconds <= LONGEST_TIMEOUT:
        bounds = f"above 0, at most {LONGEST_TIMEOUT:g}"
        raise Failure(f"{PROGRAM}: invalid timeout {value}: must be {bounds}")
    return seconds


def _port(value: str) -> int:
    number = integer(value)
    if number is None or not 1 <= number <= 0xFFFF:
        raise Failure(f"{PROGRAM}: invalid port {value}: must be 1 to 65535")
    return number


def _choose_host(request: ShowmountRequest) -> None:
    """Take the host and the port mapper; without a host, those of the environment, or this one."""
    if request.operands:
        _split_host(request, request.operands[0])
        return
    if request.port is None:
        request.mapper = mapper_of_environment(PROGRAM)
    if request.mapper is not None and not request.mapper.local:
        request.host = request.mapper.host
    else:
        request.host = socket.gethostname()


def _split_host(request: ShowmountRequest, text: str) -> None:
    request.host = text
    if not text:
        return  # the C tool's error is better known
    try:
        request.host, port = split_host_port(text, -1)
    except AddressError as error:
        raise Failure(f"{PROGRAM}: {error}") from None
    if port < 0:
        return
    if request.port not in (None, port):
        raise Failure(f"{PROGRAM}: --port {request.port} contradicts the port of {text}")
    request.port = port


def mapper_port(request: ShowmountRequest) -> int:
    """The port at which the host's port mapper is asked."""
    return PMAP_PORT if request.port is None else request.port
