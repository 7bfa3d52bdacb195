"""The command ``portmap``: the port mapper daemon."""

from __future__ import annotations

import argparse
import os
import signal
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from ipaddress import ip_address
from typing import NoReturn

from oncrpc import __version__
from oncrpc.addr import LOOPBACKS, family_of, split_uaddr
from oncrpc.errors import AddressError
from oncrpc.portmap import logs
from oncrpc.portmap.daemon import IGNORED
from oncrpc.portmap.privileges import detach, open_standard_files
from oncrpc.portmap.process import run
from oncrpc.portmap.settings import WARM_START, Config, StartError
from oncrpc.programs.portmap import PMAP_PORT

DESCRIPTION = """\
Maps RPC program numbers to addresses: program 100000, versions 2, 3 and 4 (portmap and rpcbind,
RFC 1833), on UDP and TCP over IPv4 and IPv6 and on local sockets. Without -d or -f it goes to the
background, returning once it serves, and logs to syslog."""


class Parser(argparse.ArgumentParser):
    """Says in one line what is wrong with the options."""

    def error(self, message: str) -> NoReturn:
        """End with status 1, as the C daemon does."""
        self.exit(1, f"{self.prog}: {message}; see '{self.prog} --help'\n")


def parser() -> argparse.ArgumentParser:
    """The options; also what the manual page is made from."""
    made = Parser(prog="portmap", description=DESCRIPTION, add_help=False)
    add = made.add_argument
    add("-d", "--debug", action="store_true", help="stay in the foreground, debug to stderr")
    add("-f", "--foreground", action="store_true", help="stay in the foreground, log to stderr")
    add("-v", "--verbose", action="store_true", help="log every call")
    where = made.add_mutually_exclusive_group()
    where.add_argument(
        "-l", "--loopback", action="store_true", help="bind to the loopback addresses only"
    )
    where.add_argument(
        "-h", "--bind", metavar="ADDRESS", action="append", default=[], type=_address,
        help="bind to this address, UDP and TCP, besides the loopback ones; may be repeated",
    )  # fmt: skip
    add(
        "-p", "--port", metavar="PORT", type=_port, default=PMAP_PORT,
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
    add(
        "-u", "--user", metavar="USER",
        help="become this user once the sockets are bound (_rpc, rpc or nobody if started by root)",
    )  # fmt: skip
    add(
        "-w", "--warm-start", metavar="FILE", nargs="?", const=WARM_START, type=_path,
        help="read and keep the registrations in the C daemon's portmap.xdr or rpcbind.xdr,"
        f" or in the directory that has them; without FILE {WARM_START}",
    )  # fmt: skip
    add("--no-local", action="store_true", help="do not serve the local sockets")
    add("--version", action="version", version=f"portmap (oncrpc) {__version__}")
    add("--help", action="help", help="show this help and exit")
    return made


def _port(text: str) -> int:
    if not (text.isascii() and text.isdigit()) or int(text) > 65535:
        raise argparse.ArgumentTypeError(f"{text!r} is no port; 0 to 65535 are")
    return int(text)


def _path(text: str) -> str:
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


def configuration(options: argparse.Namespace) -> Config:
    """What the options ask for."""
    families = ("inet",) if options.ipv4 else ("inet6",) if options.ipv6 else ("inet", "inet6")
    hosts = tuple(LOOPBACKS.values()) if options.loopback else tuple(options.bind)
    return Config(
        port=options.port,
        hosts=hosts,
        families=families,
        local=not options.no_local,
        insecure=options.insecure,
        remote_calls=options.remote_calls,
        user=options.user,
        warm_start=options.warm_start,
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the daemon; the exit status."""
    options = parser().parse_args(arguments)
    config = configuration(options)
    foreground = options.debug or options.foreground
    open_standard_files()
    for number in IGNORED:
        signal.signal(number, signal.SIG_IGN)
    report: Callable[[str], None] = _to_stderr if foreground else detach()
    logs.set_up(to_syslog=not foreground, verbose=options.verbose, debug=options.debug)
    try:
        run(config, lambda addresses: _ready(report, addresses, foreground=foreground))
    except StartError as error:
        report(f"portmap: {error}\n")
        return 1
    return 0


def _to_stderr(text: str) -> None:
    with suppress(OSError):  # a daemon goes on when nobody reads what it says
        sys.stderr.write(text)
        sys.stderr.flush()


def _ready(report: Callable[[str], None], addresses: dict[str, str], *, foreground: bool) -> None:
    report(_hint(addresses) if foreground else "")


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
