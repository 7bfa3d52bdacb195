"""The command ``portmap``: the port mapper daemon."""

from __future__ import annotations

import argparse
import logging
import os
import signal
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from functools import partial
from importlib import import_module
from ipaddress import ip_address
from shlex import split
from typing import Any, NoReturn

from oncrpc import __version__
from oncrpc.addr import family_of, split_uaddr
from oncrpc.cli.portmap_settings import OPTION, VARIABLE, Asked, settings
from oncrpc.errors import AddressError
from oncrpc.portmap.daemon import IGNORED, OBEYED
from oncrpc.portmap.log import logs
from oncrpc.portmap.policy import policyfile
from oncrpc.portmap.process.handover import UNDERSTOOD
from oncrpc.portmap.process.origin import begun
from oncrpc.portmap.process.privileges import detach, open_standard_files
from oncrpc.portmap.process.run import Ready, run
from oncrpc.portmap.settings import (
    LIVENESS_INTERVAL,
    LONGEST_INTERVAL,
    POLICY_FILE,
    SHORTEST_INTERVAL,
    WARM_START,
    Config,
    StartError,
)
from oncrpc.portmap.web import place as web
from oncrpc.portmap.web.address import Place, place_of
from oncrpc.programs.portmap import PMAP_PORT

DESCRIPTION = """\
Maps RPC program numbers to addresses: program 100000, versions 2, 3 and 4 (portmap and rpcbind,
RFC 1833), on UDP and TCP over IPv4 and IPv6 and on local sockets. Without -d or -f it goes to the
background, returning once it serves, and logs to syslog."""


WORDS = {
    "config": "oncrpc.cli.portmap_config",
    "explain": "oncrpc.cli.portmap_explain",
    "reload": "oncrpc.cli.portmap_reload",
    "service": "oncrpc.cli.portmap_service",
    "status": "oncrpc.cli.portmap_status",
    "top": "oncrpc.cli.portmap_top",
}
"""The commands that are asked for by a word, the first argument, and the modules of them."""


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

    def error(self, message: str) -> NoReturn:
        """End with one line."""
        message = f"{self.place}: {message}" if self.place else message
        self.exit(self.wrong, f"{self.prog}: {message}; see '{self.prog} --help'\n")


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
    add("-v", "--verbose", action="store_true", help="log every call")
    add(
        "--log-format", metavar="FORMAT", choices=tuple(logs.FORMS),
        help="how lines of the log are written: text, or json, an object a line",
    )  # fmt: skip
    where = made.add_mutually_exclusive_group()
    where.add_argument(
        "-l", "--loopback", action="store_true", help="bind to the loopback addresses only"
    )
    where.add_argument(
        "-h", "--bind", metavar="ADDRESS", action="append", type=_address,
        help="bind to this address, UDP and TCP, besides the loopback ones; may be repeated",
    )  # fmt: skip
    add(
        "-p", "--port", metavar="PORT", type=port_number,
        help="listen on this port instead of 111; 0: any that is free",
    )  # fmt: skip
    only = made.add_mutually_exclusive_group()
    only.add_argument("-4", "--ipv4", action="store_true", help="serve IPv4 only")
    only.add_argument("-6", "--ipv6", action="store_true", help="serve IPv6 only")
    add(
        "-i", "--insecure", action="store_true",
        help="let anyone register and unregister, from any address: for isolated networks",
    )  # fmt: skip
    add(
        "-r", "--remote-calls", action="store_true",
        help="call local programs for others (CALLIT, BCAST, INDIRECT): broadcast RPC needs it",
    )  # fmt: skip
    _about_the_process(made)
    return made


def asked(arguments: Sequence[str], environ: Mapping[str, str] = os.environ) -> Asked:
    """The options that are given, also those of the environment; ends if one of them is wrong."""
    given = vars(parser().parse_args(arguments))
    return Asked({OPTION: given, VARIABLE: from_environment(environ)})


def from_environment(environ: Mapping[str, str]) -> dict[str, Any]:
    """The options of the environment; ends if one of them is wrong."""
    said = environ.get(VARIABLE, "")
    if not said:
        return {}
    made = daemon_options()
    made.place = VARIABLE
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
    kept.add_argument("--no-state", action="store_true", help="do not keep the registrations")
    add("--no-local", action="store_true", help="do not serve the local sockets")
    add(
        "--liveness", metavar="SECONDS", type=_interval,
        help="drop registrations at whose address nobody is any more: look so often instead of"
        f" every {LIVENESS_INTERVAL:g} seconds; 0: never",
    )  # fmt: skip
    add(
        "--watch", action="store_true",
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


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the daemon, or what a word asks for instead; the exit status."""
    given = sys.argv[1:] if arguments is None else list(arguments)
    if given and not given[0].startswith("-"):
        return _other(given[0], given[1:])
    options = asked(given)
    config, verbose, form, fault = settings(options)
    debug = bool(options.get("debug"))
    foreground = debug or bool(options.get("foreground"))
    report: Callable[[str], None] = _to_stderr
    try:
        origin = begun()
        if origin.checking:
            return _check(config)
        open_standard_files()
        if origin.former is None:
            for number in (*OBEYED, *IGNORED):
                signal.signal(number, signal.SIG_IGN)
            report = _to_stderr if foreground else detach()
        elif not foreground:
            os.chdir("/")  # as the first image did
            report = _to_log
        logs.set_up(to_syslog=not foreground, verbose=verbose, debug=debug, form=form)
        plain = form == "text" and not logs.to_journal()
        if foreground and not plain:
            report = _to_log
        if fault is not None:
            raise fault
        ready = None if origin.former else _ready(report, hint=foreground and plain)
        run(config, ready, origin)
    except StartError as error:
        report(f"portmap: {error}\n")
        return 1
    return 0


def _check(config: Config) -> int:
    """Say that this image could take over from the one that asks."""
    policy = policyfile.load(config.policy)
    if config.web or policy.web.listen:
        web.load()
    sys.stdout.write(f"{UNDERSTOOD}\n")
    return 0


def _other(word: str, arguments: Sequence[str]) -> int:
    """Run the command of a word; only that one is loaded."""
    if word not in WORDS:
        known = ", ".join(WORDS)
        sys.stderr.write(f"portmap: there is no command {word!r}; there is {known}\n")
        return 1
    status: int = import_module(WORDS[word]).main(arguments)
    return status


def _to_log(text: str) -> None:
    said = text.strip().removeprefix("portmap: ")
    if said:
        logging.getLogger("oncrpc.portmap").error("%s", said)


def _to_stderr(text: str) -> None:
    with suppress(OSError):  # a daemon goes on when nobody reads what it says
        sys.stderr.write(text)
        sys.stderr.flush()


def _ready(report: Callable[[str], None], *, hint: bool) -> Ready:
    return lambda addresses: report(_hint(addresses) if hint else "")


def _hint(addresses: dict[str, str]) -> str:
    """What to try next."""
    if "local" in addresses:
        return "portmap: try 'rpcinfo'; end with Ctrl-C\n"
    uaddr = addresses.get("tcp") or addresses.get("tcp6")
    if uaddr is None:
        return "portmap: end with Ctrl-C\n"
    host = "127.0.0.1" if "tcp" in addresses else "::1"
    _, port = split_uaddr(uaddr)
    option = "" if port == PMAP_PORT else f"--rpcbind-port {port} "
    return f"portmap: try 'rpcinfo {option}{host}'; end with Ctrl-C\n"


if __name__ == "__main__":
    sys.exit(main())
