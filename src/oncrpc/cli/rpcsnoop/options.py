"""The command line of rpcsnoop: the capture, the form of the output, and which messages."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module
from typing import TYPE_CHECKING

from oncrpc.cli.command import (
    OPERAND,
    Option,
    UsageError,
    described,
)
from oncrpc.cli.rpcsnoop.capture_options import (
    CAPTURE_NAMES,
    CAPTURE_OPTIONS,
    CaptureChoice,
    read_command_line,
)
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
"""Options that choose messages, or add programs."""

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

{described(OPTIONS)}

Other commands, each with its own --help: rpcsnoop explain shows why a mount fails, and rpcsnoop top
shows rates. Write ./top for a file with that name."""
FILTERS = {
    "prog": "filters.ProgramFilter",
    "proc": "filters.ProcedureFilter",
    "host": "filters.HostFilter",
    "uid": "filters.UserFilter",
    "follow": "mount_flow.MountFlowFilter",
    "status": "status_filter.StatusFilter",
    "file": "file_filter.FileFilter",
}
"""The class of each option that chooses messages; it is loaded when needed."""


class SnoopRequest:
    """A parsed command line; ``form`` is a key of ``OUTPUTS``.

    Raises:
        UsageError: from all methods, for a value that is invalid.
    """

    def __init__(self, program: str = PROGRAM) -> None:
        self.program = program
        self.forms: list[str] = []
        self.capture = CaptureChoice(program)
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
        self._chosen: dict[str, list[str]] = {}

    @property
    def shows(self) -> bool:
        """True if messages are shown even while frames are written."""
        return bool(self.forms) or self.capture.prints

    @property
    def only_counts(self) -> bool:
        """True if the only output is figures of all messages."""
        special = self._chosen or self.by or self.specs or self.capture.output
        return self.form == "stats" and not special and self.capture.count is None

    @property
    def form(self) -> str:
        """The form of the output."""
        return self.forms[0] if self.forms else "lines"

    def take(self, name: str, value: str) -> None:
        """Set an option."""
        match name:
            case "tree" | "layers" | "json" | "stats":
                self.forms.append(name)
            case "names" | "addresses":
                self.names = name == "names"
            case "by":
                self.by = value
            case "color":
                self.color = value
            case "time":
                self._take_time(value)
            case _ if name in CAPTURE_NAMES:
                self.capture.take(name, value)
            case "uid" if not value:
                self.user = True
            case "spec":
                self.specs.append(value)
            case _:
                self._chosen.setdefault(name, []).append(value)

    def _take_time(self, value: str) -> None:
        """Set the form of times, or add a column."""
        if value in SPANS:
            self.spans.append(value)
        elif value in TIMES:
            self.time = value
        else:
            forms = ", ".join((*TIMES, *SPANS))
            raise self._error(f"invalid form of time {value!r}: must be one of {forms}")

    def finish(self) -> None:
        """Check the combination of options, and create the filters."""
        if len(set(self.forms)) > 1:
            layers = "-V, " if self.program == PROGRAM else ""  # of a daemon, -V is the version
            raise self._error(f"only one of -v, {layers}--json or --stats is allowed")
        if self.color not in WHEN:
            raise self._error(f"invalid colour {self.color!r}: must be one of {', '.join(WHEN)}")
        if self.by and self.by not in BY:
            raise self._error(f"invalid group {self.by!r}: must be one of {', '.join(BY)}")
        if self.by and self.form != "stats":
            raise self._error("--by needs --stats")
        if self.shows and self.capture.output == "-":
            shown = "--print" if self.capture.prints else f"--{self.form}"
            raise self._error(f"{shown} needs a FILE: --write=- is standard output")
        self.hosts = self._chosen.get("host", [])
        self.user |= "uid" in self._chosen
        self._choose()

    def _choose(self) -> None:
        """Create the filters from their values."""
        name = ""
        try:
            for name, values in self._chosen.items():
                module, _, kind = FILTERS[name].partition(".")
                made = getattr(import_module(f"oncrpc.cli.rpcsnoop.{module}"), kind)(values)
                if name == "status":
                    self.status = made
                else:
                    self.filters.append(made)
                    self.files = made.files if name == "file" else self.files
        except ValueError as error:
            raise self._error(f"--{name}: {error}") from None
        if self.by == "file" and self.files is None:
            from oncrpc.snoop.words.file_names import FileNames

            self.files = FileNames()

    def _error(self, text: str) -> UsageError:
        return UsageError(f"{self.program}: {text}")


def parse_arguments(arguments: Sequence[str]) -> SnoopRequest:
    """Parse the command line.

    Raises:
        UsageError: it is wrong. Done: ``--help`` or ``--version``.
    """
    request, operands = SnoopRequest(), list[str]()
    for name, value in read_command_line(PROGRAM, OPTIONS, arguments, usage=USAGE, help_=HELP):
        if name == OPERAND:
            operands.append(value)
        else:
            request.take(name, value)
    _check_user(request, operands)
    request.capture.finish(operands, USAGE)
    request.finish()
    return request


def _check_user(request: SnoopRequest, operands: Sequence[str]) -> None:
    """Reject ``--uid 0 FILE``: the user ID would be taken for a file."""
    files = 0 if request.capture.interface else 1
    numbers = [word for word in operands if word.isdecimal()]
    if request.user and numbers and len(operands) > files:
        raise UsageError(f"{PROGRAM}: write the user after '=': --uid={numbers[0]}")
