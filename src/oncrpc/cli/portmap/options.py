"""The options of the command ``portmap``, which commands that are asked for by a word have too."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Mapping, Sequence
from functools import partial
from ipaddress import ip_address
from shlex import split
from typing import TYPE_CHECKING, Any, NoReturn

from oncrpc import __version__
from oncrpc.addr import family_of
from oncrpc.cli.portmap.settings import OPTION, VARIABLE, Asked
from oncrpc.cli.portmap.subcommands import WORDS
from oncrpc.daemon.config.layers import LOG_FORMATS
from oncrpc.daemon.config.values import (
    LIVENESS_INTERVAL,
    LONGEST_INTERVAL,
    POLICY_FILE,
    SHORTEST_INTERVAL,
    WARM_START,
)
from oncrpc.daemon.web.address import Place, place_of
from oncrpc.errors import AddressError

if TYPE_CHECKING:
    from _typeshed import SupportsWrite

DESCRIPTION = """\
Maps RPC program numbers to addresses: program 100000, versions 2, 3 and 4 (portmap and rpcbind,
RFC 1833), on UDP and TCP over IPv4 and IPv6 and on local sockets. Without -d or -f it goes to the
background, returning once it serves, and logs to syslog."""


_AT_ANY_WIDTH = partial(argparse.HelpFormatter, width=80)
"""For looking at options: one that asks for the terminal's width loads a lot to do so."""


class Parser(argparse.ArgumentParser):
    """Says in one line what is wrong with the options."""

    wrong = 1
    """The exit status then, as that of the C daemon."""

    place = ""
    """Where the options are, unless on the command line."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options, formatter_class=_AT_ANY_WIDTH)

    def format_help(self) -> str:
        """The help, as wide as the terminal."""
        self.formatter_class = argparse.HelpFormatter
        return super().format_help()

    def _print_message(self, message: str, file: SupportsWrite[str] | None = None) -> None:
        """Help and version are what was asked for: that they cannot be written is a failure.

        ``file`` is None for standard output or error where that is closed.
        """
        if file is not sys.stdout:
            if file is not None:
                super()._print_message(message, file)
            return
        from oncrpc.cli.command import run  # the daemon does without

        status = run(self.prog, lambda: sys.stdout.write(message) and 0)
        if status:
            sys.exit(status)

    def error(self, message: str) -> NoReturn:
        """End with one line."""
        message = f"{self.place}: {message}" if self.place else message
        self.exit(self.wrong, f"{self.prog}: {message}; see '{self.prog} --help'\n")


class Either(argparse.BooleanOptionalAction):
    """An option with an opposite, by which what the file or the variable says is taken back."""

    def format_usage(self) -> str:
        """The letter is enough where there is one."""
        letter = self.option_strings[0]
        return letter if len(letter) == 2 else super().format_usage()


def parser() -> argparse.ArgumentParser:
    """The options of the command line; also what the manual page is made from."""
    made = daemon_options()
    add = made.add_argument
    add("--version", action="version", version=f"portmap (oncrpc) {__version__}")
    add("--help", action="help", help="show this help and exit")
    return made


def daemon_options() -> Parser:
    """Those of the daemon. What was not given is not in what was parsed: others may say it."""
    commands = ", ".join(f"portmap {word}" for word in WORDS)
    others = f"Other commands, each with its own --help: {commands}."
    made = Parser(
        prog="portmap", description=DESCRIPTION, epilog=others, add_help=False,
        argument_default=argparse.SUPPRESS,
    )  # fmt: skip
    add = made.add_argument
    add("-d", "--debug", action="store_true", help="stay in the foreground, debug to stderr")
    add("-f", "--foreground", action="store_true", help="stay in the foreground, log to stderr")
    add("-v", "--verbose", action=Either, help="log every call")
    add(
        "--log-format", metavar="FORMAT", choices=LOG_FORMATS,
        help="how lines of the log are written: text, or json, an object a line",
    )  # fmt: skip
    where = made.add_mutually_exclusive_group()
    where.add_argument(
        "-l", "--loopback", action=Either, help="bind to the loopback addresses only"
    )
    where.add_argument(
        "-h", "--bind", metavar="ADDRESS", action="append", type=_address,
        help="bind to this address, UDP and TCP, besides the loopback ones; may be repeated",
    )  # fmt: skip
    add(
        "-p", "--port", metavar="PORT", type=port_number,
        help="listen on this port instead of 111; 0: any that is free",
    )  # fmt: skip
    add("-4", "--ipv4", action="store_true", help="serve IPv4 only; with -6 both")
    add("-6", "--ipv6", action="store_true", help="serve IPv6 only; with -4 both")
    add(
        "-i", "--insecure", action=Either,
        help="let anyone register and unregister, from any address: for isolated networks",
    )  # fmt: skip
    add(
        "-r", "--remote-calls", action=Either,
        help="call local programs for others (CALLIT, BCAST, INDIRECT): broadcast RPC needs it",
    )  # fmt: skip
    _about_the_process(made)
    return made


def asked(arguments: Sequence[str], environ: Mapping[str, str] = os.environ) -> Asked:
    """The options that are given, also those of the environment; ends if one of them is wrong."""
    return with_environment(vars(parser().parse_args(arguments)), environ)


def with_environment(
    given: dict[str, Any], environ: Mapping[str, str] = os.environ, *, wrong: int = Parser.wrong
) -> Asked:
    """Options, and those of the environment; ends with the status ``wrong`` if one of them is."""
    return Asked({OPTION: given, VARIABLE: _from_environment(environ, wrong)})


def add_file(made: argparse.ArgumentParser) -> None:
    """The option that says how the daemon was configured that is asked."""
    made.add_argument(
        "--config", metavar="FILE", type=whole_path,
        help=f"ask the daemon that is configured by this file, instead of {POLICY_FILE}",
    )  # fmt: skip


def _from_environment(environ: Mapping[str, str], wrong: int) -> dict[str, Any]:
    said = environ.get(VARIABLE, "")
    if not said:
        return {}
    made = daemon_options()
    made.place, made.wrong = VARIABLE, wrong
    try:
        words = split(said)
    except ValueError as error:
        made.error(str(error).lower())
    return vars(made.parse_args(words))


def _about_the_process(made: argparse.ArgumentParser) -> None:
    """The options about the daemon itself and its files, not about what is served to whom."""
    add = made.add_argument
    add(
        "-u", "--user", metavar="USER",
        help="become this user once the sockets are bound (_rpc, rpc or nobody if started by root)",
    )  # fmt: skip
    add(
        "-w", "--warm-start", metavar="FILE", nargs="?", const=WARM_START, type=whole_path,
        help="read and keep the registrations in the C daemon's portmap.xdr or rpcbind.xdr,"
        f" or in the directory that has them; without FILE {WARM_START}",
    )  # fmt: skip
    kept = made.add_mutually_exclusive_group()
    kept.add_argument(
        "--state-dir", metavar="DIR", type=whole_path,
        help="keep the registrations in this directory instead of /run/portmap, or, without root,"
        " $RUNTIME_DIRECTORY/portmap or $XDG_RUNTIME_DIR/portmap",
    )  # fmt: skip
    kept.add_argument("--state", action=Either, help="keep the registrations, or do not")
    add("--local", action=Either, help="serve the local sockets, or do not")
    add(
        "--liveness", metavar="SECONDS", type=_interval,
        help="drop registrations at whose address nobody is any more: look so often instead of"
        f" every {LIVENESS_INTERVAL:g} seconds; 0: never",
    )  # fmt: skip
    add(
        "--watch", action=Either,
        help="also look when a process ends that registered over the local socket",
    )  # fmt: skip
    add(
        "--config", metavar="FILE", type=whole_path,
        help=f"read rules and limits from this file instead of {POLICY_FILE}",
    )  # fmt: skip
    add(
        "--web", metavar="ADDRESS:PORT", type=_place,
        help="show the registry and metrics in web pages there, to whoever reaches that address",
    )  # fmt: skip
    add(
        "--pid-file", metavar="FILE", type=whole_path,
        help="lock this file too and write the process id into it, for 'portmap reload'",
    )  # fmt: skip


def port_number(text: str) -> int:
    """An option's port."""
    if not (text.isascii() and text.isdigit()) or int(text) > 65535:
        raise argparse.ArgumentTypeError(f"{text!r} is no port; 0 to 65535 are")
    return int(text)


def _interval(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = -1.0
    if seconds != 0 and not SHORTEST_INTERVAL <= seconds <= LONGEST_INTERVAL:
        raise argparse.ArgumentTypeError(
            f"{text!r} is no interval; 0 and {SHORTEST_INTERVAL} to {LONGEST_INTERVAL} seconds are"
        )
    return seconds


def _place(text: str) -> Place:
    try:
        return place_of(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def whole_path(text: str) -> str:
    """An option's file, wherever we are by the time that it is opened."""
    if not text:
        raise argparse.ArgumentTypeError("an empty name is no file; leave it out, or name one")
    return os.path.abspath(text)


def _address(text: str) -> str:
    """A numeric address in its one form, so that one named twice is bound once."""
    try:
        family_of(text)
    except AddressError as error:
        raise argparse.ArgumentTypeError(str(error)) from None
    return str(ip_address(text))
