"""The daemon as ``portmap`` runs it: from its options to its end, and what the terminal is told."""

from __future__ import annotations

import logging
import os
import signal
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress

from oncrpc.addr import split_uaddr
from oncrpc.cli.portmap.options import asked
from oncrpc.cli.portmap.settings import settings
from oncrpc.daemon.config import read as policyfile
from oncrpc.daemon.config.values import Config, StartError
from oncrpc.daemon.handover import UNDERSTOOD
from oncrpc.daemon.log import setup as logs
from oncrpc.daemon.origin import begun
from oncrpc.daemon.privileges import detach, open_standard_files
from oncrpc.daemon.run import Ready, run
from oncrpc.daemon.web import open as web
from oncrpc.portmap.daemon import IGNORED, OBEYED
from oncrpc.programs.portmap import PMAP_PORT


def main(arguments: Sequence[str]) -> int:
    """Run the daemon; the exit status."""
    options = asked(arguments)
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
