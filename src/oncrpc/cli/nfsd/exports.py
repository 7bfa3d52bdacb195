"""The command ``nfsd exports``: shows the exports, checks their files, has them read again."""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any

import msgspec
from msgspec import structs

from oncrpc.cli.command import complain, run
from oncrpc.cli.daemons import reload
from oncrpc.cli.daemons.control_client import NoStatus, add_place, place_of, status_of
from oncrpc.cli.daemons.kind import CommandParser
from oncrpc.cli.daemons.text import counted
from oncrpc.cli.nfsd.export_files import (
    CHECK_NAME,
    NO_FILE,
    add_files,
    complain_of_missing,
    exports_of,
    missing_files,
)
from oncrpc.cli.nfsd.kind import KIND
from oncrpc.nfs.daemon.status import ExportedDirectory, NfsdStatus
from oncrpc.nfs.exports.places import ExportPlace, ExportProblem, Severity
from oncrpc.nfs.exports.render import WORLD, escaped, exportfs_s, exportfs_v, heading, option_list
from oncrpc.nfs.exports.sources import ExportSources
from oncrpc.nfs.exports.surroundings import missing_addresses, missing_directories
from oncrpc.nfs.exports.table import ExportTable

DESCRIPTION = """\
list: shows what the running server exports, with all options, as 'exportfs -v' does; with -s in the
format of exports(5). If none runs, or with --exports, the files are read. check: reports what is
wrong with the files, with line and column, and which directories and hosts are missing; the exit
status is 1 if a client would be refused for a mistake. reload: has the server read them again, as
'nfsd reload'."""

LIST, CHECK, RELOAD = "list", "check", "reload"
FAULTY = 1


def parser() -> argparse.ArgumentParser:
    """The options and the operand."""
    made = CommandParser(prog="nfsd exports", description=DESCRIPTION, add_help=False)
    add = made.add_argument
    words = (LIST, CHECK, RELOAD)
    add(
        "action", metavar="ACTION", nargs="?", default=LIST, choices=words,
        help=f"one of {', '.join(words)}; without it {LIST}",
    )  # fmt: skip
    add("-s", action="store_true", help="list: in the format of exports(5)")
    add("--json", action="store_true", help="list, check: as JSON")
    add_files(made)
    add_place(made, KIND)
    made.add_common()
    return made


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the action; returns the exit status."""
    given = sys.argv[2:] if arguments is None else list(arguments)
    if given[:1] == [RELOAD]:
        return reload.main(KIND, given[1:])
    options = parser().parse_args(given)
    return run("nfsd exports", partial(_execute, options))


def _execute(options: argparse.Namespace) -> int:
    if options.action == LIST and options.exports is None:
        try:
            return _list_served(status_of(place_of(options, KIND), KIND), options)
        except NoStatus as none:
            complain(f"nfsd: {none}; these are the exports of the files")
    exports = exports_of(options)
    table = exports.load()
    if options.action == LIST:
        complain_of_missing(options.exports)
        return _list(table, options)
    missing = [*_missing_files(options.exports or ()), *missing_directories(table)]
    if not table.files and options.exports is None:
        missing += _nothing_read(exports.sources)
    missing += asyncio.run(missing_addresses(table, exports.lookups))
    return _check(structs.replace(table, problems=[*table.problems, *missing]), options)


def _nothing_read(sources: ExportSources) -> Iterator[ExportProblem]:
    """Yield a note for each place of files that has none."""
    for each in (*sources.files, *sources.folders):
        reason = "there is no file of exports in it" if os.path.isdir(each) else "it does not exist"
        yield ExportProblem(Severity.NOTE, ExportPlace(each), reason)


def _missing_files(named: Sequence[str]) -> Iterator[ExportProblem]:
    """Yield an error for each file of the command line that is missing."""
    for file in missing_files(named):
        yield ExportProblem(Severity.ERROR, ExportPlace(file), NO_FILE, CHECK_NAME)


def _list_served(status: NfsdStatus, options: argparse.Namespace) -> int:
    """List what a running server exports."""
    if options.json:
        _print_json([_served_row(each) for each in status.exports])
        return 0
    for export in status.exports:
        path = os.fsencode(export.path)
        for client in export.clients:
            shown = client if options.s or not client.startswith("*(") else f"{WORLD}{client[1:]}"
            lead = b"%s  " % escaped(path) if options.s else heading(path)
            print(f"{os.fsdecode(lead)}{shown}")
    return 0


def _served_row(export: ExportedDirectory) -> dict[str, Any]:
    clients = (client.partition("(") for client in export.clients)
    return {
        "path": export.path,
        "clients": [
            {"client": name, "options": options.removesuffix(")")} for name, _, options in clients
        ],
    }


def _list(table: ExportTable, options: argparse.Namespace) -> int:
    if options.json:
        _print_json(list(_rows(table)))
    else:
        sys.stdout.flush()
        sys.stdout.buffer.write(exportfs_s(table) if options.s else exportfs_v(table))
    for problem in table.errors:
        sys.stderr.write(f"nfsd: {problem}\n")
    return FAULTY if table.errors else 0


def _rows(table: ExportTable) -> Iterator[dict[str, Any]]:
    """A row for each export: its path, and its clients with their options."""
    for export in table.exports.values():
        clients = [
            {"client": entry.client.text or "*", "options": option_list(entry.options)}
            for entry in export.entries
            if entry.options is not None
        ]
        yield {"path": os.fsdecode(export.path), "clients": clients}


def _check(table: ExportTable, options: argparse.Namespace) -> int:
    if options.json:
        _print_json([_problem(each) for each in table.problems])
        return FAULTY if table.errors else 0
    for problem in table.problems:
        print(problem)
    counts = [
        counted(sum(each.severity is severity for each in table.problems), severity.value)
        for severity in (Severity.ERROR, Severity.WARNING)
    ]
    files = counted(len(table.files), "file")
    print(f"{counted(len(table.exports), 'export')} in {files}: {', '.join(counts)}")
    return FAULTY if table.errors else 0


def _problem(problem: ExportProblem) -> dict[str, Any]:
    return {
        "severity": problem.severity.value,
        "file": str(problem.place.file),
        "line": problem.place.line,
        "column": problem.place.column,
        "text": problem.text,
        "advice": problem.advice,
    }


def _print_json(value: object) -> None:
    print(msgspec.json.format(msgspec.json.encode(value), indent=2).decode())
