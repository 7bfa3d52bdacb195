"""The command line of rpcinfo: the letters of the C tool, a long option for each, and more."""

from __future__ import annotations

from collections.abc import Sequence

from oncrpc.addr import split_host_port, transports
from oncrpc.cli.command import (
    COMMON,
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
from oncrpc.cli.mapper_options import MAPPER_OPTIONS, mapper_of_environment, not_empty
from oncrpc.errors import AddressError
from oncrpc.numbers import getrpcbyname

PROGRAM = "rpcinfo"
LARGEST = 0xFFFFFFFF
USAGE = """\
Usage: rpcinfo [-m | -s] [host]
       rpcinfo -p [host]
       rpcinfo -T netid host prognum [versnum]
       rpcinfo -l host prognum versnum
       rpcinfo [-n portnum] -u | -t host prognum [versnum]
       rpcinfo -a serv_address -T netid prognum [version]
       rpcinfo -b prognum versnum
       rpcinfo -d [-T netid] prognum versnum"""

FORMS = (
    Option("portmap", "p", "", "list the registrations in version 2 of the port mapper"),
    Option("summary", "s", "", "list the registered programs, one line each"),
    Option("statistics", "m", "", "show how often each procedure was called"),
    Option("list", "l", "", "list the addresses of one version of a program"),
    Option("tcp", "t", "", "ping a program over TCP"),
    Option("udp", "u", "", "ping a program over UDP"),
    Option("address", "a", "UADDR", "ping a program at a universal address; needs -T"),
    Option("broadcast", "b", "", "ask all hosts of the local networks for a program"),
    Option("delete", "d", "", "delete a registration of this host"),
)
"""The forms; at most one is given. Without any: a list, or with -T and a program a ping."""

OPTIONS = (
    *FORMS,
    Option("transport", "T", "NETID", "the transport, such as tcp, udp6 or local"),
    Option("program-port", "n", "PORT", "with -t or -u: ping this port, ask no port mapper"),
    Option("watch", "", "[SECONDS]", "list repeatedly, and mark what is new and what is gone"),
    Option("json", "", "", "write one JSON document"),
    Option("timeout", "", "SECONDS", "time for each reply, or for all replies with -b"),
    *MAPPER_OPTIONS,
    *COMMON,
)
SCAN = "scan"
"""As the first word: ask many hosts."""

HELP = f"""{USAGE}
       rpcinfo --watch[=SECONDS] [host]
       rpcinfo {SCAN} network...

List the registrations of a port mapper, or ping a program. A host is a name or an address,
and may have a port: HOST:PORT or [IPV6]:PORT. A program is a number or a name of /etc/rpc.
Without a version, all versions of the program are pinged. Exit status 0: everything answered.

{described(OPTIONS)}"""

OPERANDS = {
    "dump": (0, 1), "portmap": (0, 1), "summary": (0, 1), "statistics": (0, 999), "list": (3, 3),
    "tcp": (2, 3), "udp": (2, 3), "ping": (2, 3), "address": (1, 2), "broadcast": (2, 2),
    "delete": (2, 2), "watch": (0, 1),
}  # fmt: skip
"""The minimum and maximum number of operands of each form."""

ELSEWHERE = ("address", "broadcast")
"""The forms that do not ask a single port mapper."""

SILENT = ("broadcast", "delete")
"""The forms without JSON output."""

INTERVAL = 2.0
SHORTEST_INTERVAL, LONGEST_INTERVAL = 0.1, 86400.0
"""Seconds between two lists."""


FORM_NAMES = {option.name for option in FORMS}
WITH_HOST = ("dump", "portmap", "summary", "statistics", "list", "tcp", "udp", "ping")
"""The forms whose first operand is a host."""

LISTS = ("dump", "portmap", "summary", "statistics")
"""The forms in which the host may be left out."""


class RpcinfoRequest:
    """A parsed command line; ``form`` is a form's long name, ``dump``, ``watch`` or ``ping``."""

    def __init__(self) -> None:
        self.form = ""
        self.operands: list[str] = []
        self.address: str | None = None
        self.netid: str | None = None
        self.program_port = 0
        self.json = False
        self.timeout: float | None = None
        self.interval: float | None = None
        self.rpcbind_port: int | None = None
        self.socket: str | None = None
        self.mapper_host = ""
        self.by_variable = False

    @property
    def host(self) -> str | None:
        """The host whose port mapper lists; None for this one."""
        return self.operands[0] if self.operands else None


def is_scan(arguments: Sequence[str]) -> bool:
    """Whether the command line is a scan.

    Alone, or with a one-letter option, the word is the name of a host, as in the C tool.
    """
    first, *others = arguments or ("",)
    letters = [word for word in others if word[:1] == "-" and word[1:2].isalpha()]
    return first == SCAN and bool(others) and not letters


def parse_request(arguments: Sequence[str]) -> RpcinfoRequest:
    """Parse the command line.

    Raises:
        Failure: it is wrong; the message is the usage or what the C tool says. Done: ``--help``.
    """
    request = _read(arguments)
    if request.form == "address" and request.netid is None:
        raise Failure(USAGE)
    request.form = request.form or ("ping" if len(request.operands) > 1 else "dump")
    _check(request)
    _choose_mapper(request)
    if request.interval is not None:
        if request.form != "dump":
            raise Failure(f"{PROGRAM}: --watch does not go with --{request.form}")
        request.form = "watch"
    return request


def _read(arguments: Sequence[str]) -> RpcinfoRequest:
    """Take every option and operand; all mistakes are reported before the usage."""
    request = RpcinfoRequest()
    wrong = after_watch = False
    for name, value in read_options(PROGRAM, OPTIONS, arguments):
        if after_watch and name == OPERAND and _is_number(value):
            name = "watch"
        after_watch = (name, value) == ("watch", "")
        if name == OPERAND:
            request.operands.append(value)
        elif name == WRONG or (name in FORM_NAMES and request.form):
            wrong = True
        elif name in FORM_NAMES:
            request.form, request.address = name, value
        else:
            _SET[name](request, value)
    if wrong:
        raise Failure(USAGE)
    return request


def _choose_mapper(request: RpcinfoRequest) -> None:
    """Take the port from ``host:port``; without a host, take the port mapper of the environment."""
    has_host = request.form in WITH_HOST and not _ignores_host(request)
    if has_host and request.operands:
        _split_host(request)
    elif has_host or request.form == "delete" or _ignores_host(request):
        _take_environment(request)


def _ignores_host(request: RpcinfoRequest) -> bool:
    return request.form == "ping" and _is_local(request.netid)


def _split_host(request: RpcinfoRequest) -> None:
    host = request.operands[0]
    if not host:
        return  # the C tool's error is better known
    try:
        request.operands[0], port = split_host_port(host, -1)
    except AddressError as error:
        raise Failure(f"{PROGRAM}: {error}") from None
    if port < 0:
        return
    if request.rpcbind_port not in (None, port):
        raise Failure(f"{PROGRAM}: --port {request.rpcbind_port} contradicts the port of {host}")
    request.rpcbind_port = port


def _take_environment(request: RpcinfoRequest) -> None:
    """An option that names a port mapper wins over the variable."""
    if request.rpcbind_port is not None or request.socket is not None:
        return
    named = mapper_of_environment(PROGRAM)
    if named is None:
        return
    request.by_variable = True
    if named.local:
        request.socket = named.host
        return
    request.mapper_host, request.rpcbind_port = named
    if request.form in LISTS:
        request.operands = [named.host]


def _check(request: RpcinfoRequest) -> None:
    fewest, most = OPERANDS[request.form]
    if not fewest <= len(request.operands) <= most:
        raise Failure(USAGE)
    if request.form == "ping" and request.netid is None:
        raise Failure(USAGE)
    if request.form == "portmap" and request.program_port:
        raise Failure(USAGE)
    if request.json and request.form in SILENT:
        raise Failure(f"{PROGRAM}: --json does not go with --{request.form}")
    if request.socket is not None and (other := _other_place(request)):
        raise Failure(f"{PROGRAM}: --socket does not go with {other}")


def _other_place(request: RpcinfoRequest) -> str:
    """The part of the command line that names another port mapper than this host's."""
    if request.rpcbind_port is not None:
        return "--port"
    if request.form in ELSEWHERE:
        return f"--{request.form}"
    if request.form == "delete" or _ignores_host(request):
        return ""
    return "a host" if request.operands else ""


def _is_local(netid: str | None) -> bool:
    """Whether the transport is one for which the host is ignored."""
    entry = transports().get(netid or "")
    return entry is not None and entry.family == "loopback"


def program(text: str) -> int:
    """The number of a program that is given by number or name."""
    rest = text.lstrip("0123456789")
    if len(rest) > 1 or rest.isalpha():
        found = getrpcbyname(text)
        if found is None:
            raise Failure(f"{PROGRAM}: {text} is unknown service")
        return found
    return _bounded(text, "program number", LARGEST)


def version(text: str) -> int:
    """A version number."""
    return _bounded(text, "version number", LARGEST)


def _bounded(text: str, what: str, most: int) -> int:
    number = integer(text)
    if number is None or not 0 <= number <= most:
        raise Failure(f"{PROGRAM}: {text} is illegal {what}")
    return number


def _set_netid(request: RpcinfoRequest, value: str) -> None:
    request.netid = value


def _set_program_port(request: RpcinfoRequest, value: str) -> None:
    request.program_port = _bounded(value, "port number", 0xFFFF)


def _set_json(request: RpcinfoRequest, _: str) -> None:
    request.json = True


def _set_timeout(request: RpcinfoRequest, value: str) -> None:
    try:
        request.timeout = float(value)
    except ValueError:
        request.timeout = 0.0
    if not 0.0 < request.timeout <= 86400.0:
        raise Failure(f"{PROGRAM}: invalid timeout {value}: must be above 0, at most 86400")


def _set_interval(request: RpcinfoRequest, value: str) -> None:
    try:
        request.interval = float(value) if value else INTERVAL
    except ValueError:
        request.interval = 0.0
    if not SHORTEST_INTERVAL <= request.interval <= LONGEST_INTERVAL:
        bounds = f"{SHORTEST_INTERVAL:g} to {LONGEST_INTERVAL:g}"
        raise Failure(f"{PROGRAM}: invalid interval {value}: must be {bounds}")


def _is_number(text: str) -> bool:
    return text.isascii() and text.replace(".", "", 1).isdigit()


def _set_rpcbind_port(request: RpcinfoRequest, value: str) -> None:
    number = integer(value)
    if number is None or not 1 <= number <= 0xFFFF:
        raise Failure(f"{PROGRAM}: invalid port {value}: must be 1 to 65535")
    request.rpcbind_port = number


def _set_socket(request: RpcinfoRequest, value: str) -> None:
    request.socket = not_empty(PROGRAM, "socket", value)


def _help(_: RpcinfoRequest, __: str) -> None:
    from oncrpc.cli.rpcinfo.scan import HELP as MANY

    raise Done(f"{HELP}\n\n{MANY}")


def _version(_: RpcinfoRequest, __: str) -> None:
    raise Done(version_of(PROGRAM))


_SET = {
    "transport": _set_netid,
    "program-port": _set_program_port,
    "json": _set_json,
    "timeout": _set_timeout,
    "watch": _set_interval,
    "port": _set_rpcbind_port,
    "rpcbind-port": _set_rpcbind_port,
    "socket": _set_socket,
    "help": _help,
    "version": _version,
}
