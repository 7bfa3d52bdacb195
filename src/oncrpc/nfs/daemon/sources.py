"""Where the exports of a configuration come from."""

from __future__ import annotations

import os

from oncrpc.addr import LOOPBACKS
from oncrpc.daemon.config.values import is_url
from oncrpc.nfs.daemon.config import NfsdConfig, NfsdDaemonTable
from oncrpc.nfs.daemon.modes import Mode
from oncrpc.nfs.exports.backend_choice import FSSPEC, FUSE, OVERLAY, path_of_url
from oncrpc.nfs.exports.sources import ExportConfig, ExportSources

OF_ROOT = "rw,sync,no_subtree_check"
"""The options of a directory of the command line."""


def sources_of(config: NfsdConfig, mode: Mode, *, path: str = "[[export]]") -> ExportSources:
    """The sources: the directories of the command line, else files and tables of the file."""
    table = config.daemon
    if table.directories:
        clients = [*map(str, table.to)] or [*LOOPBACKS.values()]
        options = one_user_options() if mode.one_user else OF_ROOT
        tables = [_table(table, each, clients, options) for each in table.directories]
        return ExportSources(files=(), folders=(), tables=tables, config="DIR")
    folders = [each for each in config.exports.files if os.path.isdir(each)]
    return ExportSources(
        files=[each for each in config.exports.files if each not in folders],
        folders=folders,
        tables=config.export,
        config=path,
    )


def _table(table: NfsdDaemonTable, operand: str, clients: list[str], options: str) -> ExportConfig:
    """The table that says the same as an operand of the command line."""
    if table.backend == FUSE:
        path = "/" + os.path.basename(operand.rpartition(".py:")[0])
        return ExportConfig(path, clients, options, backend=FUSE, operations=operand)
    path = path_of_url(operand) if is_url(operand) else operand
    if table.overlay is not None:
        return ExportConfig(
            path, clients, options, backend=OVERLAY, lower=operand, upper=table.overlay
        )
    if is_url(operand):
        return ExportConfig(path, clients, options, backend=FSSPEC, url=operand)
    return ExportConfig(path, clients, options)


def one_user_options() -> str:
    """The options of a directory where all callers work as the server's user.

    The ports of clients prove nothing: ordinary users mount it.
    """
    squash = f"all_squash,anonuid={os.geteuid()},anongid={os.getegid()}"
    return f"{OF_ROOT},insecure,{squash}"
