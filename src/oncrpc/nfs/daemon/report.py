"""The status of ``nfsd``, read from its parts. Nothing is changed by reading."""

from __future__ import annotations

import os
import pwd
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import TYPE_CHECKING, NamedTuple

from msgspec.structs import asdict

from oncrpc.daemon.control.status import CommonStatus
from oncrpc.nfs.daemon.explaining import shown_path, shown_text
from oncrpc.nfs.daemon.lock_part import LockPart
from oncrpc.nfs.daemon.ports import MAIN, roles
from oncrpc.nfs.daemon.status import (
    ExportedDirectory,
    ExportFault,
    NfsdStatus,
    OpenFile,
)
from oncrpc.nfs.daemon.status_part import StatusPart
from oncrpc.nfs.exports.places import Severity
from oncrpc.nfs.exports.render import option_list
from oncrpc.nfs.filesystem import KeptFile
from oncrpc.nfs.server.shares import Share
from oncrpc.numbers import program_name
from oncrpc.rpc import Version

if TYPE_CHECKING:
    from oncrpc.nfs.daemon.app import Nfsd

MAX_LISTED = 256
"""Exports, faults, clients and open files that are listed."""


def status(app: Nfsd, common: CommonStatus) -> NfsdStatus:
    """The status of the server."""
    daemon = app.daemon
    connections = Counter(
        each.caller.host for pool in daemon.server.pools.values() for each in pool.connections
    )
    monitor, locks = app.part(StatusPart), app.part(LockPart)
    mounts = Counter(directory for _, directory in app.mounts)
    files, workers = every_open_file(app), app.workers
    duplicates, counted = len(app.nfs_duplicates), asdict(common)
    if workers is not None:
        counted["connections"] = dict(Counter(common.connections) + workers.connections())
        connections += workers.hosts()
        duplicates += workers.total("duplicates")
    return NfsdStatus(
        **counted,
        mode=app.mode.value,
        user=user_name(os.geteuid()),
        local_users=app.local_users is None,
        peer_uid=app.peer_uids is not None,
        programs=program_texts(app.programs),
        ports=ports(app),
        mapper=app.mapping.report(),
        state=daemon.folders.state,
        exports=[_export(app, share, mounts) for share in list(app.shares)[:MAX_LISTED]],
        faults=list(_export_faults(app))[:MAX_LISTED],
        mounts=len(app.mounts),
        clients=app.clients.report(connections, most=MAX_LISTED),
        duplicates=duplicates,
        open_files=files.number,
        cached_files=files.cached,
        files=files.listed,
        monitor=None if monitor is None else monitor.report(),
        locks=None if locks is None else locks.report(most=MAX_LISTED),
        workers=[] if workers is None else workers.status(),
    )


class OpenFiles(NamedTuple):
    """Numbers of open and cached files, unsynced bytes, and the files that were written last."""

    number: int
    cached: int
    unsynced: int
    listed: list[OpenFile]


def open_files(app: Nfsd) -> OpenFiles:
    """The open files of this process."""
    kept = [(share, each) for share in app.shares for each in share.filesystem.kept_files()]
    listed = [_open_file(*each) for each in sorted(kept, key=_idle)[:MAX_LISTED]]
    cached = sum(share.filesystem.cached_files() for share in app.shares)
    return OpenFiles(len(kept), cached, sum(each.unsynced for _, each in kept), listed)


def every_open_file(app: Nfsd) -> OpenFiles:
    """The open files of this process and its workers."""
    own, workers = open_files(app), app.workers
    if workers is None:
        return own
    listed = sorted([*own.listed, *workers.files()], key=lambda each: each.idle)
    return OpenFiles(
        own.number + workers.total("open_files"),
        own.cached + workers.total("cached_files"),
        own.unsynced + workers.total("unsynced"),
        listed[:MAX_LISTED],
    )


def program_texts(versions: Sequence[type[Version]]) -> list[str]:
    """The programs with their versions: ``nfs 2 and 3``."""
    by_program: dict[int, list[int]] = {}
    for version in versions:
        by_program.setdefault(version.prog, []).append(version.vers)
    return [
        f"{program_name(prog) or prog} {_joined(sorted(map(str, found)))}"
        for prog, found in by_program.items()
    ]


def faults(app: Nfsd) -> Iterator[str]:
    """Reasons why the server is unhealthy."""
    for path, reason in app.exported.failed.items():
        yield f"{shown_path(path)} is not exported: {reason}"
    fault = app.mapping.report().fault
    if fault:
        yield f"not registered: {fault}"
    for part in app.parts:
        yield from part.faults()
    if app.workers is not None:
        yield from app.workers.faults()


def ports(app: Nfsd) -> dict[str, int]:
    """The ports of the programs that have one of their own, by name."""
    table = app.daemon.config.daemon
    return {name: app.mapping.port_of(role) for name, role in roles(table).items() if role != MAIN}


def user_name(uid: int) -> str:
    """The name of a user, or the number."""
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


def _export(app: Nfsd, share: Share, mounts: Counter[bytes]) -> ExportedDirectory:
    export = app.exported.exports.table.exports.get(share.path)
    return ExportedDirectory(
        path=shown_path(share.path),
        tag=share.tag,
        ids=app.exported.ids_of(share.path),
        fsid=share.fsid,
        clients=[
            f"{entry.client.text or '*'}({option_list(entry.options)})"
            for entry in (export.entries if export else ())
            if entry.options is not None
        ],
        mounts=mounts[share.path],
    )


def _idle(kept: tuple[Share, KeptFile]) -> float:
    return kept[1].idle


def _open_file(share: Share, each: KeptFile) -> OpenFile:
    path = f"a file of {shown_path(share.path)}" if each.path is None else shown_path(each.path)
    return OpenFile(path, each.host, each.age, each.idle, each.unsynced)


def troubles(app: Nfsd) -> Iterator[ExportFault]:
    """All that is wrong: why the server is unhealthy, and mistakes in the exports."""
    for text in islice(faults(app), MAX_LISTED):
        yield ExportFault("error", shown_text(text))
    yield from islice(_problems(app), MAX_LISTED)


def _export_faults(app: Nfsd) -> Iterator[ExportFault]:
    for path, reason in app.exported.failed.items():
        yield ExportFault("error", f"{shown_path(path)}: {shown_text(reason)}")
    yield from _problems(app)


def _problems(app: Nfsd) -> Iterator[ExportFault]:
    for problem in app.exported.problems:
        if problem.severity is not Severity.NOTE:
            place = f"{problem.place}: {problem.text}"
            yield ExportFault(
                problem.severity.value, f"{place}; {problem.advice}" if problem.advice else place
            )


def _joined(words: Sequence[str]) -> str:
    *most, last = words
    return f"{', '.join(most)} and {last}" if most else last
