"""The command ``nfsd locks``: lists the locks of clients, and releases those of a dead one."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from functools import partial
from typing import TypeVar

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from oncrpc.cli.command import complain, run, safe_text
from oncrpc.cli.daemons.control_client import NoStatus, add_place, answer_of, place_of
from oncrpc.cli.daemons.kind import USAGE_ERROR, CommandParser
from oncrpc.cli.daemons.text import counted, labelled, listed, table
from oncrpc.cli.nfsd.kind import KIND
from oncrpc.cli.nfsd.lock_lines import LOCKS, NUMBERS, client_text, lock_rows, lock_summary
from oncrpc.daemon.control.protocol import PROTOCOL, Request
from oncrpc.nfs.daemon.lock_status import FreedLocks, LockedFileStatus, LocksStatus

DESCRIPTION = """\
Lists the locks of NFS clients by file, with the requests that wait for them. With --free it
releases all locks of a client: do that for a client that will not come back, since the programs of
one that runs go on as if they had their locks. The exit status is 0, 3 if the server does not run,
4 if it cannot be asked, and 1 if nothing was released."""

NOTHING_FREED = 1
YES = frozenset({"y", "yes"})
A = TypeVar("A", bound=Struct)


def parser() -> argparse.ArgumentParser:
    """The options."""
    made = CommandParser(prog="nfsd locks", description=DESCRIPTION, add_help=False)
    add = made.add_argument
    add(
        "--free", metavar="CLIENT",
        help="release all locks of this client, by its address or by its name",
    )  # fmt: skip
    add("--yes", action="store_true", help="with --free: do not ask")
    add("--json", action="store_true", help="print it as JSON, for programs")
    add_place(made, KIND)
    made.add_common()
    return made


def main(arguments: Sequence[str] | None = None) -> int:
    """Run it; returns the exit status."""
    made = parser()
    options = made.parse_args(arguments)
    if options.yes and options.free is None:
        made.error("--yes is for --free; add --free CLIENT")
    return run("nfsd locks", partial(_execute, options))


def _execute(options: argparse.Namespace) -> int:
    try:
        return _list(options) if options.free is None else _free(options)
    except NoStatus as none:
        complain(f"nfsd: {none}")
        return none.status


def _ask(options: argparse.Namespace, ask: str, form: type[A]) -> A:
    request = Request(ask, PROTOCOL, options.free or "")
    return answer_of(place_of(options, KIND), request, form)


def _list(options: argparse.Namespace) -> int:
    locks = _ask(options, "locks", LocksStatus)
    if options.json:
        _print_json(locks)
        return 0
    print("\n".join(labelled(lock_summary(locks))))
    if locks.listed:
        print("", *table(LOCKS, lock_rows(locks), right=NUMBERS), sep="\n")
    if locks.left_out:
        print(f"and {counted(locks.left_out, 'lock')} of other files")
    return 0


def _free(options: argparse.Namespace) -> int:
    if not options.yes:
        locks = _ask(options, "locks", LocksStatus)
        if not _may_hold(locks, options.free):
            return _nothing(FreedLocks([], 0), options)
        if not sys.stdin.isatty():
            complain("nfsd locks: add --yes to release locks without a terminal")
            return USAGE_ERROR
        if not _confirmed(locks, options.free):
            return NOTHING_FREED
    freed = _ask(options, "free", FreedLocks)
    if not freed.clients:
        return _nothing(freed, options)
    if options.json:
        _print_json(freed)
    else:
        clients = listed(map(client_text, freed.clients))
        what = counted(freed.locks, "lock") if freed.locks else "requests and claims"
        print(f"released {what} of {clients}")
    return 0


def _nothing(freed: FreedLocks, options: argparse.Namespace) -> int:
    """Print that the client has no locks to release."""
    if options.json:
        _print_json(freed)
    else:
        print(f"no client {safe_text(options.free)} has locks, or waits for some")
    return NOTHING_FREED


def _may_hold(locks: LocksStatus, wanted: str) -> bool:
    """Whether the client has locks to release; also True if the lists may omit them."""
    if locks.left_out or any(_of_client(locks, wanted)):
        return True
    grace = locks.grace
    if grace is None:
        return False
    claims = any(wanted in (each.host, each.name) for each in grace.awaited)
    return claims or grace.clients > len(grace.awaited)


def _confirmed(locks: LocksStatus, wanted: str) -> bool:
    """Whether the admin agrees, having seen what will be released."""
    shown = replace(locks, listed=list(_of_client(locks, wanted)))
    rows = list(lock_rows(shown))
    if rows:
        print(*table(LOCKS, rows, right=NUMBERS), sep="\n")
    else:
        complain(f"nfsd locks: no lock of {safe_text(wanted)} is listed")
    question = f"release all locks and requests of {safe_text(wanted)}? [y/N] "
    return input(question).strip().lower() in YES


def _of_client(locks: LocksStatus, wanted: str) -> Iterator[LockedFileStatus]:
    for file in locks.listed:
        entries = [each for each in file.entries if wanted in (each.client.host, each.client.name)]
        if entries:
            yield replace(file, entries=entries)


def _print_json(value: Struct) -> None:
    print(msgspec.json.format(msgspec.json.encode(value), indent=2).decode())
