"""The options about the capture itself: the interface, what is captured of it, and the file."""

from __future__ import annotations

from collections.abc import Sequence

from oncrpc.cli.command import Option, UsageError
from oncrpc.snoop.live.interface import WHOLE

CAPTURE_OPTIONS = (
    Option("interface", "i", "NAME", "capture on this network interface until Ctrl-C; any: on all"),
    Option("count", "c", "N", "end after N messages were shown; with --write alone after N frames"),
    Option("write", "w", "FILE", "write the frames to a pcapng file instead of showing messages"),
    Option("print", "", "", "with --write: show messages, too"),
    Option("snaplen", "s", "BYTES", "capture at most so many bytes of each frame"),
    Option("promiscuous", "", "", "capture frames for other hosts, too"),
    Option("relinquish", "Z", "USER", "once the capture is open, become this user"),
)
CAPTURE_NAMES = frozenset(option.name for option in CAPTURE_OPTIONS)
ONLY_LIVE = {"snaplen": "-s", "promiscuous": "--promiscuous", "relinquish": "-Z"}
SHORTEST = 96
"""Bytes of a frame that hold the headers up to those of RPC."""


class CaptureChoice:
    """What was chosen; there is an ``interface`` or a ``file``."""

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
        """How many bytes of a frame are captured."""
        return self._number("snaplen", SHORTEST, WHOLE)

    @property
    def count(self) -> int | None:
        """How many messages, or frames, are enough."""
        return self._number("count", 1, 1 << 62) if "count" in self._given else None

    def take(self, name: str, value: str) -> None:
        """Take an option."""
        self._given[name] = value

    def finish(self, operands: Sequence[str], usage: str) -> None:
        """Take the operands, and check all.

        Raises:
            UsageError: they do not fit together.
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
        _ = self.most, self.count  # are checked

    def _number(self, name: str, least: int, most: int) -> int:
        value = self._given.get(name, str(most))
        number = int(value) if value.isdecimal() and value.isascii() and len(value) < 20 else -1
        if not least <= number <= most:
            raise UsageError(
                f"{self._program}: --{name}: invalid number {value!r}: must be {least} to {most}"
            )
        return number
