"""What exports name and this host does not have: directories, and addresses of hosts."""

from __future__ import annotations

import asyncio
import os
import stat
from collections.abc import Iterator
from contextlib import suppress

from oncrpc.nfs.archive_kinds import is_archive
from oncrpc.nfs.exports.lookup import HostLookups
from oncrpc.nfs.exports.places import ExportProblem, Severity, printable, readable
from oncrpc.nfs.exports.table import ExportTable

NEITHER = "not a directory, and not a zip or tar archive"

DEADLINE = 10.0
"""Seconds to wait for the name services."""


def why_no_directory(path: str | bytes) -> str:
    """Why a path is not a directory of this host, nor an archive; empty if it is one."""
    try:
        directory = stat.S_ISDIR(os.stat(path).st_mode)
        return "" if directory or is_archive(path) else NEITHER
    except OSError as error:
        return (error.strerror or str(error)).lower()


def missing_directories(table: ExportTable) -> Iterator[ExportProblem]:
    """Yield a warning for each export whose directory is missing."""
    for export in table.exports.values():
        reason = "" if export.backend else why_no_directory(export.path)
        if reason and export.entries:
            text = f"{printable(os.fsdecode(export.path))} is not exported: {reason}"
            place = export.entries[0].place
            yield ExportProblem(Severity.WARNING, place, text, "make the directory, or mount it")


async def missing_addresses(
    table: ExportTable, lookups: HostLookups, *, deadline: float = DEADLINE
) -> list[ExportProblem]:
    """A warning for each entry with the name of a host that has no address, or none in time."""
    named = [entry for _, entry in table.entries if entry.client.name]
    with suppress(TimeoutError):
        async with asyncio.timeout(deadline):
            # Each round asks for all names, so that they are looked up at the same time.
            while None in [lookups.has_any_address(entry.client.name) for entry in named]:
                await lookups.wait()
    return [
        ExportProblem(
            Severity.WARNING,
            entry.place,
            f"the name {readable(entry.client.name)} has no address, so it matches nobody",
            "check the name, and the name service",
        )
        for entry in named
        if not lookups.has_any_address(entry.client.name)
    ]
