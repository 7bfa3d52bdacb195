"""A daemon as a command: from its options to its end, and what the terminal shows."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any, TypeVar

from oncrpc.cli.daemon_options import Command, GivenOptions, given
from oncrpc.daemon import signals
from oncrpc.daemon.app import Application
from oncrpc.daemon.config.source import ConfigSettings
from oncrpc.daemon.config.tables import Config
from oncrpc.daemon.config.values import ConfigError, StartError
from oncrpc.daemon.handover import UNDERSTOOD
from oncrpc.daemon.log import setup as logs
from oncrpc.daemon.privileges import detach, open_standard_files
from oncrpc.daemon.reexec import Start, begun
from oncrpc.daemon.run import run
from oncrpc.daemon.web import open as web

C = TypeVar("C", bound=Config)
Report = Callable[[str], None]
Hint = Callable[[dict[str, str]], str]


def main(
    app: Application[C], command: Command[C], arguments: Sequence[str], *, hint: Hint | None = None
) -> int:
    """Run a daemon; returns the exit status. ``hint`` is shown on a terminal once it serves."""
    options = given(command, arguments)
    settings, fault = _read(options)
    foreground = options.debug or options.foreground
    report: Report = _to_stderr
    try:
        origin = begun(app.name)
        if origin.checking:
            return _check(app, settings, fault)
        open_standard_files()
        report = _report_to(origin, app.name, foreground=foreground)
        form = settings.config.daemon.log_format
        logs.set_up(
            app.name,
            to_syslog=not foreground,
            verbose=settings.config.daemon.verbose,
            debug=options.debug,
            form=form,
        )
        plain = form == "text" and not logs.to_journal()
        if foreground and not plain:
            report = _to_log
        if fault is not None:
            raise fault
        shown = hint if foreground and plain else None
        ready = None if origin.former else lambda found: report(shown(found) if shown else "")
        run(app, options.source, settings, ready=ready, origin=origin)
    except StartError as error:
        report(f"{app.name}: {error}\n")
        return 1
    return 0


def _read(options: GivenOptions[C]) -> tuple[ConfigSettings[C], ConfigError | None]:
    """The configuration; if the file is invalid, that of the options alone, to report it."""
    try:
        return options.source.read(), None
    except ConfigError as error:
        return options.source.without_file(), error


def _check(app: Application[Any], settings: ConfigSettings[Any], fault: ConfigError | None) -> int:
    """Report that this image could take over from the one that asks."""
    if fault is not None:
        raise fault
    if settings.config.web.listen:
        web.load(app.web_modules)
    sys.stdout.write(f"{UNDERSTOOD}\n")
    return 0


def _report_to(origin: Start, name: str, *, foreground: bool) -> Report:
    """Where the result of the start is reported; a first image without a terminal detaches."""
    if origin.former is None:
        signals.ignore()
        return _to_stderr if foreground else detach(name)
    if not foreground:
        os.chdir("/")  # as the first image did
        return _to_log
    return _to_stderr


def _to_log(text: str) -> None:
    message = text.strip().partition(": ")[2]
    if message:
        logging.getLogger("oncrpc.daemon").error("%s", message)


def _to_stderr(text: str) -> None:
    with suppress(OSError):  # a daemon continues when nobody reads its messages
        sys.stderr.write(text)
        sys.stderr.flush()
