"""The text of locks: a row for each, and the lines of the summary."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from oncrpc.cli.command import safe_text
from oncrpc.cli.daemons.text import Lines, counted, duration, listed
from oncrpc.nfs.daemon.lock_status import (
    HELD,
    LockedFileStatus,
    LockEntry,
    LockingClient,
    LocksStatus,
    MonitorStatus,
)

LOCKS = ("file", "client", "process", "bytes", "lock", "since")
NUMBERS = frozenset({"process"})
MOST_NAMED = 5
"""Clients that a line of the summary names."""


def lock_rows(locks: LocksStatus) -> Iterator[tuple[str, ...]]:
    """A row for each lock and each request; the first one of a file has its name."""
    for file in locks.listed:
        for number, entry in enumerate(file.entries):
            yield "" if number else file_text(file), *_entry(entry)


def file_text(file: LockedFileStatus) -> str:
    """The path of a file, or what is known of it."""
    if file.path is not None:
        return safe_text(file.path)
    return f"{safe_text(file.export or 'export that is gone')}, file {file.id}"


def client_text(client: LockingClient) -> str:
    """A client: its name and its address."""
    return safe_text(f"{client.name} ({client.host})" if client.name else client.host)


def _entry(entry: LockEntry) -> Sequence[str]:
    state = "" if entry.state == HELD else f", {entry.state}"
    return (
        client_text(entry.client),
        f"{entry.process}",
        _bytes(entry),
        f"{entry.kind}{state}",
        duration(entry.seconds),
    )


def _bytes(entry: LockEntry) -> str:
    if entry.end is None:
        return "all" if not entry.start else f"{entry.start}-"
    return f"{entry.start}-{entry.end - 1}"


def lock_summary(locks: LocksStatus) -> Lines:
    """The numbers, and the grace period."""
    files, clients = counted(locks.files, "file"), counted(locks.clients, "client")
    shares = f", {counted(locks.shares, 'share')}" if locks.shares else ""
    yield "locks", f"{locks.held} held, {locks.waiting} waiting{shares}; {files}, {clients}"
    if locks.grace is not None:
        awaited = _named([*map(client_text, locks.grace.awaited)], locks.grace.clients)
        yield "grace", f"at most {duration(locks.grace.seconds)} more, for {awaited}"


def monitor_summary(monitor: MonitorStatus) -> Lines:
    """The hosts that are watched, and those that get a notice of a restart."""
    clients = counted(monitor.watched, "client")
    hosts = counted(len(monitor.programs), "host")
    yield "monitor", f"state {monitor.state}, watches {clients}, and {hosts} for other programs"
    if monitor.notices:
        text = _named(monitor.notices, monitor.pending + monitor.unreachable)
        silent = f"; no answer from {monitor.unreachable}" if monitor.unreachable else ""
        yield "notices to", text + silent


def _named(texts: Sequence[str], count: int) -> str:
    """The first ones, and how many more there are."""
    more = count - min(len(texts), MOST_NAMED)
    return listed(texts[:MOST_NAMED]) + (f" and {more} more" if more > 0 else "")
