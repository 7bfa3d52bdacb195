"""The options of a daemon, made from the declaration of its configuration.

What is given on the command line and in the environment variable becomes two layers over the file
(``daemon.config.source``). Options that are not keys of the file, such as ``--foreground``, belong
to the process and are the only ones declared here.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from shlex import split
from typing import TYPE_CHECKING, Any, Generic, NamedTuple, NoReturn, TypeVar

from oncrpc import __version__
from oncrpc.daemon.config.declare import Declared, KeyOption, declared
from oncrpc.daemon.config.read import Schema
from oncrpc.daemon.config.source import OPTION, ConfigSource, Layer
from oncrpc.daemon.config.tables import Config
from oncrpc.daemon.config.values import LOG_FORMATS, FilePath, FilePathOrUrl, LogFormat, is_url

if TYPE_CHECKING:
    from _typeshed import SupportsWrite

C = TypeVar("C", bound=Config)

CHOICES: dict[type, Sequence[str]] = {LogFormat: LOG_FORMATS}
PROCESS = ("debug", "foreground", "config")
"""Options that are not keys of the file."""

_AT_ANY_WIDTH = partial(argparse.HelpFormatter, width=80)
"""For usage lines: a formatter that asks for the terminal's width loads more modules."""


class Parser(argparse.ArgumentParser):
    """Reports a wrong option in one line."""

    wrong = 1
    """The exit status of a usage error; 1 as in the C daemon."""

    place = ""
    """Where the options are, unless on the command line."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options, formatter_class=_AT_ANY_WIDTH)

    def format_help(self) -> str:
        """The help, as wide as the terminal."""
        self.formatter_class = argparse.HelpFormatter
        return super().format_help()

    def _print_message(self, message: str, file: SupportsWrite[str] | None = None) -> None:
        """Print help and version; that they cannot be written is a failure.

        ``file`` is None if standard output or error is closed.
        """
        if file is not sys.stdout:
            if file is not None:
                super()._print_message(message, file)
            return
        from oncrpc.cli.command import run  # the daemon does not need it

        status = run(self.prog, lambda: sys.stdout.write(message) and 0)
        if status:
            sys.exit(status)

    def error(self, message: str) -> NoReturn:
        """Exit with one line."""
        message = f"{self.place}: {message}" if self.place else message
        self.exit(self.wrong, f"{self.prog}: {message}; see '{self.prog} --help'\n")


class Either(argparse.BooleanOptionalAction):
    """An option and its opposite, ``--state`` and ``--no-state``."""

    def format_usage(self) -> str:
        """The letter alone, if there is one."""
        letter = self.option_strings[0]
        return letter if len(letter) == 2 else super().format_usage()


class Command(NamedTuple, Generic[C]):
    """How a daemon is called: its name, its configuration, and the text of its help."""

    name: str
    schema: Schema[C]
    description: str
    epilog: str = ""

    @property
    def variable(self) -> str:
        """The environment variable that has options too."""
        return f"{self.name.upper()}_OPTIONS"


class GivenOptions(NamedTuple, Generic[C]):
    """The options of the process, and the source of the configuration."""

    source: ConfigSource[C]
    debug: bool = False
    foreground: bool = False


def options_of(command: Command[C], *, operands: bool = True) -> Parser:
    """A parser of the daemon's options; what is not given is not in its result."""
    made = Parser(
        prog=command.name, description=command.description, epilog=command.epilog or None,
        add_help=False, argument_default=argparse.SUPPRESS,
    )  # fmt: skip
    add = made.add_argument
    add("-d", "--debug", action="store_true", help="stay in the foreground, debug to stderr")
    add("-f", "--foreground", action="store_true", help="stay in the foreground, log to stderr")
    _add_keys(made, command, operands=operands)
    add(
        "--config", metavar="FILE", type=whole_path,
        help=f"read the configuration from this file instead of {command.schema.file}",
    )  # fmt: skip
    return made


def parser_of(command: Command[C], *, operands: bool = True) -> Parser:
    """The parser of the command line: with ``--version`` and ``--help``."""
    made = options_of(command, operands=operands)
    version = f"{command.name} (oncrpc) {__version__}"
    made.add_argument("-V", "--version", action="version", version=version)
    made.add_argument("--help", action="help", help="show this help and exit")
    return made


def given(
    command: Command[C], arguments: Sequence[str], environ: Mapping[str, str] = os.environ
) -> GivenOptions[C]:
    """The options of the command line and the environment; exits if one of them is wrong."""
    found = vars(parser_of(command).parse_args(arguments))
    return combined(command, found, environ)


def combined(
    command: Command[C],
    found: Mapping[str, Any],
    environ: Mapping[str, str] = os.environ,
    *,
    wrong: int = Parser.wrong,
) -> GivenOptions[C]:
    """Parsed options over those of the environment; exits with ``wrong`` if those are wrong."""
    held = _from_environment(command, environ, wrong)
    layers = [Layer(OPTION, _keys(found)), Layer(command.variable, _keys(held))]
    process = {name: found.get(name, held.get(name)) for name in PROCESS}
    source = ConfigSource(command.schema, layers, path=process["config"])
    return GivenOptions(source, bool(process["debug"]), bool(process["foreground"]))


def _keys(found: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in found.items() if name not in PROCESS}


def _from_environment(
    command: Command[C], environ: Mapping[str, str], wrong: int
) -> dict[str, Any]:
    text = environ.get(command.variable, "")
    if not text:
        return {}
    made = options_of(command)
    made.place, made.wrong = command.variable, wrong
    try:
        words = split(text)
    except ValueError as error:
        made.error(str(error).lower())
    return vars(made.parse_args(words))


def _add_keys(made: Parser, command: Command[C], *, operands: bool) -> None:
    groups: dict[str, Any] = {"": made}
    for key in declared(command.schema.type):
        for option in key.options:
            if option.operand and not operands:
                continue
            if option.group not in groups:
                groups[option.group] = made.add_mutually_exclusive_group()
            _add(groups[option.group], key, option, command)


def _add(to: Any, key: Declared, option: KeyOption, command: Command[Any]) -> None:
    """Add one option; its name among the parsed ones is the path of its key."""
    text = option.help.replace("{default}", f"{key.default}").replace("NAME", command.name)
    shared: dict[str, Any] = {"dest": key.path, "help": text}
    if option.operand:
        read = _reader(key, option, command)
        to.add_argument(
            key.path, metavar=option.metavar, nargs="*", type=read, default=argparse.SUPPRESS,
            help=text,
        )  # fmt: skip
    elif key.item is bool:
        to.add_argument(*option.flags, action=Either, **shared)
    elif option.const and not option.metavar:
        to.add_argument(*option.flags, action="append_const", const=option.const, **shared)
    else:
        shared["metavar"] = option.metavar
        if option.const:
            shared |= {"nargs": "?", "const": option.const}
        if key.many:
            shared["action"] = "extend" if option.split else "append"
        if key.item in CHOICES:
            shared["choices"] = CHOICES[key.item]
        to.add_argument(*option.flags, type=_reader(key, option, command), **shared)


def _reader(key: Declared, option: KeyOption, command: Command[Any]) -> Callable[[str], Any]:
    """How the text of an option is read."""
    if key.item in PATH_READERS:
        return PATH_READERS[key.item]
    if key.item in (int, float):
        return number_within(
            option.metavar.lower(),
            key.item,
            option.least or key.meta.ge or 0,
            key.meta.le or 0,
            zero=option.least > 0,
        )
    read = partial(_hooked, command.schema.hooks[key.item])
    return (lambda text: [read(each) for each in text.split(",")]) if option.split else read


def _hooked(hook: Callable[[object], object], text: str) -> object:
    try:
        return hook(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def number_within(
    name: str, kind: type[int] | type[float], least: float, most: float, *, zero: bool = False
) -> Callable[[str], float]:
    """A function for ``argparse`` that reads a number between two bounds, or ``zero``."""

    def read(text: str) -> float:
        try:
            if kind is int and not (text.isascii() and text.removeprefix("-").isdigit()):
                raise ValueError
            number = kind(text)
            if not (least <= number <= most or (zero and number == 0)):
                raise ValueError
        except ValueError:
            other = "0, or " if zero else ""
            problem = f"invalid {name} {text}: must be {other}{least} to {most}"
            raise argparse.ArgumentTypeError(problem) from None
        return number

    return read


port_number = number_within("port", int, 0, 65535)


def whole_path(text: str) -> str:
    """A path that stays the same when the directory is changed."""
    if not text:
        raise argparse.ArgumentTypeError("the name of a file is missing")
    return os.path.abspath(text)


PATH_READERS: dict[type, Callable[[str], str]] = {
    FilePath: whole_path,
    FilePathOrUrl: lambda text: text if is_url(text) else whole_path(text),
}
"""How the kinds of paths are read."""
