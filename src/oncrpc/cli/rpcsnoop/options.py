"""The command line of rpcsnoop: the capture, the form of the output, and which messages."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module
from typing import TYPE_CHECKING

from oncrpc.cli.command import (
    OPERAND,
    WRONG,
    Done,
    Option,
    UsageError,
    described,
    read_options,
    version_of,
)
from oncrpc.cli.rpcsnoop.capture_options import CAPTURE_NAMES, CAPTURE_OPTIONS, CaptureChoice
from oncrpc.cli.rpcsnoop.colors import WHEN
from oncrpc.cli.rpcsnoop.lines import SPANS, TIMES

if TYPE_CHECKING:
    from oncrpc.cli.rpcsnoop.filters import MessageFilter
    from oncrpc.cli.rpcsnoop.status_filter import StatusFilter
    from oncrpc.snoop.words.file_names import FileNames

PROGRAM = "rpcsnoop"
BY = ("client", "server", "file")
USAGE = "Usage: rpcsnoop [-v | -V | --json | --stats] [-t FORM] [OPTION]... FILE | -i NAME"
FILTER_OPTIONS = (
    Option("prog", "", "PROGRAM", "only this program, by name or number; or PROGRAM,VERSION"),
    Option("proc", "", "PROCEDURE", "only this procedure, by name or number"),
    Option("host", "", "ADDRESS", "only messages from or to this address"),
    Option("status", "", "STATUS", "only calls with this status; '!OK' for others, or unanswered"),
    Option("uid", "", "[UID]", "show the user of AUTH_SYS; with UID only calls of this user"),
    Option("file", "", "NAME", "only calls about this file, by name or handle; may be a pattern"),
    Option("follow", "", "FLOW", "mount: only messages of mounts, from the port mapper to NFS"),
    Option("spec", "", "FILE.x", "show the programs that this interface declares, too"),
)
"""Options that choose messages, and the interfaces by which they are read."""

OPTIONS = (
    Option("tree", "v", "", "show all fields of a message, with their offsets"),
    Option("layers", "V", "", "show a line for each layer: link, IP, TCP or UDP, RPC, program"),
    Option("json", "", "", "write each message as a JSON object on a line"),
    Option("stats", "", "", "show figures of each procedure instead of messages"),
    Option("by", "", "GROUP", "with --stats: figures of each client, server or file instead"),
    Option("time", "t", "FORM", "a: of day; d: since the line before; r: since the first line;"
           " service or transfer: one more column"),
    Option("names", "", "", "show names of hosts, looked up in the background"),
    Option("addresses", "r", "", "show addresses of hosts: the default"),
    Option("color", "", "WHEN", "colour lines: always, never, or auto: on a terminal"),
    *FILTER_OPTIONS,
    *CAPTURE_OPTIONS,
    Option("help", "h", "", "print this help"),
    Option("version", "", "", "print the version"),
)  # fmt: skip
HELP = f"""{USAGE}

Show the RPC messages in a capture file (pcap or pcapng, also compressed with gzip), or on a network
interface, one line each, in the words of snoop. The FILE - is standard input. An option may be
given more than once where it chooses messages: one of its values has to fit.

{described(OPTIONS)}"""
FILTERS = {
    "prog": "filters.ProgramFilter",
    "proc": "filters.ProcedureFilter",
    "host": "filters.HostFilter",
    "uid": "filters.UserFilter",
    "follow": "mount_flow.MountFlowFilter",
    "status": "status_filter.StatusFilter",
    "file": "file_filter.FileFilter",
}
"""Options that choose messages, and the class of each, which is loaded when it is needed."""


class SnoopRequest:
    """A parsed command line; ``form`` is a key of ``OUTPUTS``."""

    def __init__(self) -> None:
        self.forms: list[str] = []
        self.capture = CaptureChoice(PROGRAM)
        self.hosts: list[str] = []
        self.time = "d"
        self.spans: list[str] = []
        self.user = self.names = False
        self.color = "auto"
        self.by = ""
        self.specs: list[str] = []
        self.filters: list[MessageFilter] = []
        self.status: StatusFilter | None = None
        self.files: FileNames | None = None

    @property
    def shows(self) -> bool:
        """True if messages are shown, even if frames are written."""
        return bool(self.forms) or self.capture.prints

    @property
    def form(self) -> str:
        """The form of the output."""
        return self.forms[0] if self.forms else "lines"

    def take_time(self, value: str) -> None:
        """Take a form of time, or one more column of a time."""
        if value in SPANS:
            self.spans.append(value)
        elif value in TIMES:
            self.time = value
        else:
            forms = ", ".join((*TIMES, *SPANS))
            raise UsageError(f"{PROGRAM}: invalid form of time {value!r}: must be one of {forms}")


def parse_arguments(arguments: Sequence[str]) -> SnoopRequest:
    """Parse the command line.

    Raises:
        UsageError: it is wrong. Done: ``--help`` or ``--version``.
    """
    request, operands = SnoopRequest(), list[str]()
    chosen: dict[str, list[str]] = {}
    for name, value in read_options(PROGRAM, OPTIONS, arguments):
        match name:
            case "help":
                raise Done(HELP)
            case "version":
                raise Done(version_of(PROGRAM))
            case "tree" | "layers" | "json" | "stats":
                request.forms.append(name)
            case "names" | "addresses":
                request.names = name == "names"
            case "by":
                request.by = value
            case "color":
                request.color = value
            case "time":
                request.take_time(value)
            case _ if name in CAPTURE_NAMES:
                request.capture.take(name, value)
            case "uid" if not value:
                request.user = True
            case "spec":
                request.specs.append(value)
            case _ if name == OPERAND:
                operands.append(value)
            case _ if name == WRONG:
                raise UsageError(USAGE)
            case _:
                chosen.setdefault(name, []).append(value)
    _check(request)
    request.capture.finish(operands, USAGE)
    request.hosts = chosen.get("host", [])
    request.user |= "uid" in chosen
    choose(request, chosen)
    return request


def _check(request: SnoopRequest) -> None:
    if len(set(request.forms)) > 1:
        raise UsageError(f"{PROGRAM}: only one of -v, -V, --json or --stats is allowed")
    if request.color not in WHEN:
        raise UsageError(
            f"{PROGRAM}: invalid colour {request.color!r}: must be one of {', '.join(WHEN)}"
        )
    if request.by and (request.by not in BY or request.form != "stats"):
        raise UsageError(
            f"{PROGRAM}: --by={request.by} is not possible: --stats has --by={', '.join(BY)}"
        )
    if request.shows and request.capture.output == "-":
        shown = "--print" if request.capture.prints else f"--{request.form}"
        raise UsageError(f"{PROGRAM}: {shown} needs a FILE: --write=- is standard output")


def choose(request: SnoopRequest, chosen: dict[str, list[str]]) -> None:
    """Make the filters of the values that were given for each.

    Raises:
        UsageError: a value is wrong.
    """
    name = ""
    try:
        for name, values in chosen.items():
            module, _, kind = FILTERS[name].partition(".")
            made = getattr(import_module(f"oncrpc.cli.rpcsnoop.{module}"), kind)(values)
            if name == "status":
                request.status = made
            else:
                request.filters.append(made)
                request.files = made.files if name == "file" else request.files
    except ValueError as error:
        raise UsageError(f"{PROGRAM}: --{name}: {error}") from None
    if request.by == "file" and request.files is None:
        from oncrpc.snoop.words.file_names import FileNames

        request.files = FileNames()
