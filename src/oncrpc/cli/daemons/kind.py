"""The kinds of daemons that the commands are about."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import Any, Generic, NamedTuple, TypeVar

from oncrpc import __version__
from oncrpc.cli.daemon_options import Command, Parser, whole_path
from oncrpc.daemon.control.status import CommonStatus
from oncrpc.daemon.state.folders import LASTING, RUN

S = TypeVar("S", bound=CommonStatus)
USAGE_ERROR = 2
"""The exit status for a wrong command line, except for the daemon ``portmap``."""


class DaemonKind(NamedTuple, Generic[S]):
    """A kind of daemon: its command, its status, and where it is found.

    ``title`` is its name in messages, ``port`` the usual port. On that port it holds ``lock``, if
    there is one. ``users`` are those that root's daemon becomes. ``lasting``: its state outlives
    the boot. ``elsewhere`` is the command for daemons of other hosts, ``further_check`` the one
    that checks what ``config check`` leaves out.
    """

    command: Command[Any]
    status: type[S]
    title: str
    port: int
    lock: str = ""
    users: Sequence[str] = ()
    lasting: bool = False
    port_flags: Sequence[str] = ("-p", "--port")
    elsewhere: str = ""
    further_check: str = ""

    @property
    def name(self) -> str:
        """The name of the command."""
        return self.command.name

    @property
    def root_folder(self) -> str:
        """The directory above the default one of root's daemon."""
        return LASTING if self.lasting else RUN

    def add_file(self, made: argparse.ArgumentParser) -> None:
        """Add the option that names the configuration file of the daemon to ask."""
        file = self.command.schema.file
        made.add_argument(
            "--config", metavar="FILE", type=whole_path,
            help=f"ask the daemon that is configured by this file, instead of {file}",
        )  # fmt: skip


class CommandParser(Parser):
    """The parser of a command beside the daemon: a wrong command line has status 2."""

    wrong = USAGE_ERROR

    def add_common(self) -> None:
        """Add ``--version`` and ``--help``, the last options of each command."""
        version = f"{self.prog} (oncrpc) {__version__}"
        self.add_argument("-V", "--version", action="version", version=version)
        self.add_argument("--help", action="help", help="show this help and exit")
