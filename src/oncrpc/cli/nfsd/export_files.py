"""The exports as a daemon with some options would read them, without asking it."""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterator, Sequence

from oncrpc.cli.command import Failure, complain
from oncrpc.cli.daemon_options import combined, whole_path
from oncrpc.cli.nfsd.options import COMMAND
from oncrpc.daemon.config.values import ConfigError
from oncrpc.nfs.daemon.modes import mode_of
from oncrpc.nfs.daemon.sources import sources_of
from oncrpc.nfs.exports.table import Exports

NO_FILE, CHECK_NAME = "there is no such file", "check its name"
WRONG = 2
"""The exit status if the configuration is invalid."""


class InvalidConfig(Failure):
    """The configuration of the daemon cannot be read."""

    status = WRONG


def add_files(made: argparse.ArgumentParser) -> None:
    """Add the option that names the files."""
    made.add_argument(
        "--exports", metavar="FILE", type=whole_path, action="append",
        help="read this file, or the files *.exports of this directory, instead of those that are"
        " configured; may be repeated",
    )  # fmt: skip


def missing_files(named: Sequence[str] | None) -> Iterator[str]:
    """Yield each file of the command line that is missing: it exports nothing."""
    return (file for file in named or () if not os.path.exists(file))


def complain_of_missing(named: Sequence[str] | None) -> None:
    """Print a line for each file of the command line that is missing."""
    for file in missing_files(named):
        complain(f"nfsd: {file}: {NO_FILE}; {CHECK_NAME}")


def exports_of(options: argparse.Namespace) -> Exports:
    """The exports of these files, not read yet.

    Raises:
        InvalidConfig: the configuration cannot be read.
    """
    named = {"exports.files": options.exports, "config": options.config}
    given = {name: value for name, value in named.items() if value is not None}
    try:
        settings = combined(COMMAND, given, wrong=WRONG).source.read()
    except ConfigError as error:
        raise InvalidConfig(f"nfsd: {error}") from None
    return Exports(sources_of(settings.config, mode_of(os.geteuid())))
