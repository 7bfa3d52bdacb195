"""The command line of a command of ``nfs``: its own options, and those of every command."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple, TypeVar

from oncrpc.cli.command import (
    COMMON,
    OPERAND,
    WRONG,
    Done,
    Option,
    UsageError,
    complain,
    described,
    integer,
    read_options,
    version_of,
)
from oncrpc.errors import AddressError
from oncrpc.nfs.client.pipeline import DEFAULT_CALL_TIMEOUT
from oncrpc.nfs.client.url import LARGEST_ID, SCHEME, VERSIONS, NfsUrl, parse_url

N = TypeVar("N", int, float)
LONGEST_TIMEOUT = 86400.0
CONNECTION = (
    Option("nfs-version", "", "NUMBER", "the version of NFS, 3 or 2; by default 3, then 2"),
    Option("uid", "", "NUMBER", "be this user on the server"),
    Option("gid", "", "NUMBER", "be in this group on the server"),
    Option("timeout", "", "SECONDS", f"time for each call; {DEFAULT_CALL_TIMEOUT:g} by default"),
)
"""The options of the connection, which every command has."""


class NfsCommand(NamedTuple):
    """A command: its first word, its operands for the help, what it does, and its options.

    ``least`` and ``most`` are the numbers of operands. ``one_dash``: long options may begin with
    one dash, as those of find(1). ``connects``: it has the options of the connection.
    """

    word: str
    operands: str
    summary: str
    options: tuple[Option, ...] = ()
    least: int = 1
    most: int | None = None
    one_dash: bool = False
    connects: bool = True

    @property
    def program(self) -> str:
        """The name in messages."""
        return f"nfs {self.word}"

    @property
    def all_options(self) -> tuple[Option, ...]:
        """Its own options, and those of every command."""
        return (*self.options, *(CONNECTION if self.connects else ()), *COMMON)

    @property
    def help(self) -> str:
        """The text of ``--help``."""
        usage = f"Usage: {self.program} [OPTION]... {self.operands}"
        summary = f"{self.summary[0].upper()}{self.summary[1:]}."
        return f"{usage}\n\n{summary}\n\n{described(self.all_options)}"


class ConnectionOptions(NamedTuple):
    """The options of the connection; None leaves what the URL says."""

    version: int | None = None
    uid: int | None = None
    gid: int | None = None
    timeout: float = DEFAULT_CALL_TIMEOUT

    def applied_to(self, url: NfsUrl) -> NfsUrl:
        """The URL with these options in place of its own."""
        return url._replace(
            version=url.version if self.version is None else self.version,
            uid=url.uid if self.uid is None else self.uid,
            gid=url.gid if self.gid is None else self.gid,
        )


class NfsRequest(NamedTuple):
    """A parsed command line. ``options`` has the last argument of each option that was given."""

    command: NfsCommand
    options: dict[str, str]
    operands: list[str]
    connection: ConnectionOptions

    def has(self, name: str) -> bool:
        """Whether the option was given."""
        return name in self.options

    def number(self, name: str, values: range) -> int | None:
        """The number that is the argument of an option; None if it was not given."""
        return _number(self.command, self.options, name, values)

    def wrong(self, message: str) -> UsageError:
        """An error of the command line."""
        return UsageError(f"{self.command.program}: {message}")

    def url(self, operand: str) -> NfsUrl:
        """An operand as URL, with the options of the command line.

        Raises:
            UsageError: it is not a URL.
        """
        try:
            return self.connection.applied_to(parse_url(operand))
        except AddressError as error:
            raise self.wrong(str(error)) from None


def is_url(operand: str) -> bool:
    """Whether an operand is meant as the URL of a file of a server."""
    return operand.startswith(f"{SCHEME}:")


def parse_command(command: NfsCommand, arguments: Sequence[str]) -> NfsRequest:
    """Parse the command line of a command.

    Raises:
        UsageError: it is wrong; the reason is on standard error. Done: ``--help`` or ``--version``.
    """
    options, operands = dict[str, str](), list[str]()
    words = list(_with_two_dashes(command, arguments)) if command.one_dash else arguments
    for name, value in read_options(command.program, command.all_options, words):
        if name == WRONG:
            raise _usage(command)
        if name == OPERAND:
            operands.append(value)
        else:
            options[name] = value
    if "help" in options:
        raise Done(command.help)
    if "version" in options:
        raise Done(version_of(command.program))
    _check_count(command, len(operands))
    connection = ConnectionOptions(
        _number(command, options, "nfs-version", range(min(VERSIONS), max(VERSIONS) + 1)),
        _number(command, options, "uid", range(LARGEST_ID + 1)),
        _number(command, options, "gid", range(LARGEST_ID + 1)),
        _timeout(command, options),
    )
    return NfsRequest(command, options, operands, connection)


def _usage(command: NfsCommand) -> UsageError:
    return UsageError(f"Try '{command.program} --help' for more information.")


def _check_count(command: NfsCommand, count: int) -> None:
    if count < command.least:
        complain(f"{command.program}: missing operand")
    elif command.most is not None and count > command.most:
        complain(f"{command.program}: too many operands")
    else:
        return
    raise _usage(command)


def _with_two_dashes(command: NfsCommand, arguments: Sequence[str]) -> Iterator[str]:
    """The words, with long options that begin with one dash spelt with two."""
    taking = {option.name: bool(option.argument) for option in command.all_options}
    argument = False
    for word in arguments:
        name = word[1:]
        is_long = word.startswith("-") and (name in taking or len(name) > 1)
        spelt = f"-{word}" if is_long and not argument and name[0] != "-" else word
        argument = not argument and taking.get(spelt[2:], False) and spelt.startswith("--")
        yield spelt


def _number(command: NfsCommand, options: dict[str, str], name: str, values: range) -> int | None:
    def parse(text: str) -> int:
        number = integer(text)
        if number is None or number not in values:
            raise ValueError(f"must be {values[0]} to {values[-1]}")
        return number

    return _value(command, options, name, parse)


def _timeout(command: NfsCommand, options: dict[str, str]) -> float:
    def parse(text: str) -> float:
        seconds = float(text)
        if not 0.0 < seconds <= LONGEST_TIMEOUT:
            raise ValueError
        return seconds

    try:
        given = _value(command, options, "timeout", parse)
    except UsageError:
        bounds = f"must be above 0, at most {LONGEST_TIMEOUT:g}"
        text = f"invalid timeout {options['timeout']}: {bounds}"
        raise UsageError(f"{command.program}: {text}") from None
    return DEFAULT_CALL_TIMEOUT if given is None else given


def _value(
    command: NfsCommand, options: dict[str, str], name: str, parse: Callable[[str], N]
) -> N | None:
    text = options.get(name)
    if text is None:
        return None
    try:
        return parse(text)
    except ValueError as error:
        raise UsageError(f"{command.program}: invalid {name} {text}: {error}") from None
