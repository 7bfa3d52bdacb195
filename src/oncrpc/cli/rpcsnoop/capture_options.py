"""The options of the capture: the interface, the limits, and the files to read and to write."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from oncrpc.cli.command import WRONG, Done, Option, UsageError, read_options, version_of
from oncrpc.snoop.live.interface import WHOLE

CAPTURE_OPTIONS = (
    Option("interface", "i", "NAME", "capture on this network interface until Ctrl-C; any: on all"),
    Option("count", "c", "N", "end after N messages were shown; with --write alone after N frames"),
    Option("write", "w", "FILE", "write the frames to a pcapng file instead of showing messages"),
    Option("print", "", "", "with --write: show messages, too"),
    Option("snaplen", "s", "BYTES", "capture at most this number of bytes of each frame"),
    Option("promiscuous", "", "", "capture frames for other hosts, too"),
    Option("relinquish", "Z", "USER", "once the capture is open, become this user"),
)
CAPTURE_NAMES = frozenset(option.name for option in CAPTURE_OPTIONS)
ONLY_LIVE = {"snaplen": "-s", "promiscuous": "--promiscuous", "relinquish": "-Z"}
SHORTEST = 96
"""Bytes of a frame that contain the headers up to that of RPC."""


def read_command_line(
    program: str, options: Sequence[Option], arguments: Sequence[str], *, usage: str, help_: str
) -> Iterator[tuple[str, str]]:
    """Yield options and operands, as ``read_options`` does.

    Raises:
        UsageError: the command line is invalid. Done: ``--help`` or ``--version``.
    """
    for name, value in read_options(program, options, arguments):
        match name:
            case "help":
                raise Done(help_)
            case "version":
                raise Done(version_of("rpcsnoop"))
            case _ if name == WRONG:
                raise UsageError(usage)
            case _:
                yield name, value


class CaptureChoice:
    """The values of the options; either ``interface`` or ``file`` is set."""

    def __init__(self, program: str) -> None:
        self._program = program
        self._given = dict[str, str]()
        self.file = ""

    @property
    def interface(self) -> str:
        """The interface to capture on, "" if a file is read."""
        return self._given.get("interface", "")

    @property
    def output(self) -> str:
        """The file to write, "" for none."""
        return self._given.get("write", "")

    @property
    def prints(self) -> bool:
        """True if messages are shown although a file is written."""
        return "print" in self._given

    @property
    def promiscuous(self) -> bool:
        """True to capture frames for other hosts."""
        return "promiscuous" in self._given

    @property
    def user(self) -> str | None:
        """The user to become, None for the usual one."""
        return self._given.get("relinquish")

    @property
    def most(self) -> int:
        """The limit of captured bytes of a frame."""
        return self._number("snaplen", SHORTEST, WHOLE)

    @property
    def count(self) -> int | None:
        """The number of messages or frames after which to end, None for no limit."""
        return self._number("count", 1, 1 << 62) if "count" in self._given else None

    def take(self, name: str, value: str) -> None:
        """Take an option."""
        self._given[name] = value

    def finish(self, operands: Sequence[str], usage: str) -> None:
        """Set the file from the operands, and check all values.

        Raises:
            UsageError: a value is invalid, or the options cannot be combined.
        """
        if self.interface and operands:
            raise UsageError(f"{self._program}: a capture file is not allowed with -i\n{usage}")
        if not self.interface and len(operands) != 1:
            what = "only one capture file is allowed"
            if not operands:
                what = "missing capture file, or -i INTERFACE to capture"
            raise UsageError(f"{self._program}: {what}\n{usage}")
        self.file = "".join(operands)
        for name, spelt in ONLY_LIVE.items():
            if self.file and name in self._given:
                raise UsageError(f"{self._program}: {spelt} needs -i INTERFACE")
        if self.prints and not self.output:
            raise UsageError(f"{self._program}: --print needs --write")
        _ = self.most, self.count  # check their values

    def _number(self, name: str, least: int, most: int) -> int:
        value = self._given.get(name, str(most))
        number = int(value) if value.isdecimal() and value.isascii() and len(value) < 20 else -1
        if not least <= number <= most:
            raise UsageError(
                f"{self._program}: --{name}: invalid number {value!r}: must be {least} to {most}"
            )
        return number
