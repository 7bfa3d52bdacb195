"""The shares of the server, made from the exports of the configuration.

A share keeps its file system as long as its export has the same directory: open files, cached
attributes and the write verifier outlive a change of the rules. Exports whose directory is missing
are tried again at an interval, since it may be on a disk that is mounted late. Those with the
option ``mountpoint`` are checked at the same interval.
"""

from __future__ import annotations

import asyncio
import errno
import logging
import os
import re
import shlex
import stat
from collections.abc import Callable, Collection, Iterator, Sequence
from hashlib import blake2b
from typing import NamedTuple, Protocol

from oncrpc.daemon.config.values import StartError
from oncrpc.nfs.daemon.backends import OpenedRoot, state_of
from oncrpc.nfs.daemon.local_roots import RootOptions
from oncrpc.nfs.exports.parse import ClientEntry
from oncrpc.nfs.exports.places import ExportProblem, Severity
from oncrpc.nfs.exports.sources import EXPORTS, EXPORTS_D, ExportSources
from oncrpc.nfs.exports.table import Export, Exports, ExportTable
from oncrpc.nfs.options import ExportOptions
from oncrpc.nfs.server.keys import Tags
from oncrpc.nfs.server.other_changes import OtherChanges
from oncrpc.nfs.server.shares import Share, Shares, WriteVerifier

log = logging.getLogger("oncrpc.nfs")

RETRY = 10.0
"""Seconds between two looks for directories that are missing, and for mount points."""


LEVELS = {
    Severity.ERROR: logging.ERROR,
    Severity.WARNING: logging.WARNING,
    Severity.NOTE: logging.INFO,
}


class SharedByProcesses(Protocol):
    """What several processes with the same exports share."""

    verifier: WriteVerifier
    others: OtherChanges


OpenRoot = Callable[[bytes, RootOptions], OpenedRoot]


class LiveExport(NamedTuple):
    """An export that is served.

    It is opened again if ``opened_as`` changes: the directory by its numbers, an archive also by
    its size and time, the name that the options give it, and the options that matter to the file
    system.
    """

    share: Share
    ids: str
    opened_as: tuple[object, ...]


class Exported:
    """Keeps the shares in step with the exports.

    ``shared`` is what several processes with these exports share. ``changed`` is called when other
    directories are exported than before. ``failed`` are the paths that cannot be exported, with the
    reasons; ``problems`` is what is wrong with the sources as they were read last. ``rejected``
    says why the exports of an earlier reading are still in force, and is empty if they are not.
    """

    def __init__(
        self,
        exports: Exports,
        shares: Shares,
        tags: Tags,
        open_root: OpenRoot,
        *,
        shared: SharedByProcesses | None = None,
    ) -> None:
        self.exports, self.shares, self.tags = exports, shares, tags
        self.changed: Callable[[], None] = _nothing
        self._shared = shared
        self.failed: dict[bytes, str] = {}
        self.problems: Sequence[ExportProblem] = ()
        self.rejected = ""
        self._open_root, self._loaded = open_root, False
        self._live: dict[bytes, LiveExport] = {}
        self._spellings: list[Collection[bytes]] = []
        self._retry: asyncio.TimerHandle | None = None

    def configure(self, sources: ExportSources, *, strict: bool = False) -> None:
        """Read the sources, and export what they name.

        If one has an error when it is read again, the former exports stay.

        Raises:
            StartError: they are read the first time, are ``strict``, and one cannot be exported.
        """
        self.exports.sources = sources
        former = self.exports.table
        table = self.exports.reload() if self._loaded else self.exports.load()
        self.problems = table.problems
        for problem in table.problems:
            log.log(LEVELS[problem.severity], "%s", problem)
        self.rejected = _rejected(table, sources) if self._loaded else ""
        if self.rejected:
            log.error("%s", self.rejected)
        else:
            _warn_of_links(former, table)
        self.settle(strict=strict and not self._loaded)
        self._loaded = True
        self.shares.renew()
        if not self._live:
            log.warning("nothing is exported; see '%s'", check_command(sources))

    def use(self, table: ExportTable) -> None:
        """Export a table that another process has read."""
        self.exports.use(table)
        self.settle()
        self.shares.renew()

    def counted(self) -> str:
        """The numbers of exports that are served and not served, for the log."""
        failed = f", not exported: {len(self.failed)}" if self.failed else ""
        return f"exports: {len(self._live)}{failed}"

    def ids_of(self, path: bytes) -> str:
        """Where the ids of an export's files come from."""
        live = self._live.get(path)
        return "" if live is None else live.ids

    def close(self) -> None:
        """Close all file systems."""
        if self._retry is not None:
            self._retry.cancel()
        self.shares.replace([])
        for live in self._live.values():
            live.share.filesystem.close()
        self._live.clear()

    def settle(self, *, strict: bool = False) -> None:
        """Open what is new, close what is gone, and try again later what failed.

        Raises:
            StartError: one has failed, and ``strict``.
        """
        failed: dict[bytes, str] = {}
        live: dict[bytes, LiveExport] = {}
        owners: dict[int, bytes] = {}
        for path, export in self.exports.table.exports.items():
            try:
                live[path] = self._opened(export, owners)
            except (OSError, StartError) as error:
                failed[path] = _reason(error)
                if strict and getattr(error, "errno", None) != errno.EAGAIN:
                    text = f"cannot export {os.fsdecode(path)}: {failed[path]}"
                    raise StartError(text) from None
                if self.failed.get(path) != failed[path]:
                    log.error("%s is not exported: %s", os.fsdecode(path), failed[path])
        # Other paths of a share may have changed: then it is the same object.
        spellings = [each.share.spellings for each in live.values()]
        if live != self._live or spellings != self._spellings:
            self._use(live)
        self._spellings = spellings
        self.exports.prepare()
        self.failed = failed
        self._schedule()

    def _opened(self, export: Export, owners: dict[int, bytes]) -> LiveExport:
        """The share of an export: the former one, if the export is the same.

        ``owners`` are the paths of the shares so far by tag; this one is added.
        """
        check_mount_point(export)
        fixed = fixed_identity(export.entries)
        sync, crossed = _is_sync(export), self._crossed(export)
        opened_as = (_origin(export), fixed, sync, crossed)
        former = self._live.get(export.path)
        if former is not None and former.opened_as == opened_as:
            _claim(owners, former.share.tag, export.path)
            former.share.spellings = export.spellings
            return former
        if former is not None:
            # Its table of ids can be opened only once.
            self._live.pop(export.path).share.filesystem.close()
        opened = self._open_root(export.path, RootOptions(sync, _crosses(crossed), export.backend))
        try:
            share = self._share(export, opened, fixed, owners)
        except (OSError, StartError):
            opened.forget()
            raise
        return LiveExport(share, opened.ids, opened_as)

    def _share(
        self, export: Export, opened: OpenedRoot, fixed: str, owners: dict[int, bytes]
    ) -> Share:
        # Ids of another origin are other names for the files: their handles must not be mixed up.
        identity = f"{fixed or opened.identity} ids={opened.ids}"
        tag = self.tags.tag_for(identity)
        _claim(owners, tag, export.path)
        share = Share(
            tag=tag,
            path=export.path,
            filesystem=opened.serve(tag),
            rules=self.exports.rules_of(export.path),
            fsid=fsid_of(export.entries, opened.identity),
            spellings=export.spellings,
        )
        if self._shared is not None:
            share.verifier, share.others = self._shared.verifier, self._shared.others
        return share

    def _crossed(self, export: Export) -> frozenset[bytes] | None:
        """The mount points below an export that its clients enter; None stands for all."""
        if any(each.crossmnt for each in _options(export.entries)):
            return None
        below = export.path.rstrip(b"/") + b"/"
        return frozenset(
            other.path
            for other in self.exports.table.exports.values()
            if other.path.startswith(below) and any(e.nohide for e in _options(other.entries))
        )

    def _use(self, live: dict[bytes, LiveExport]) -> None:
        """Serve these, and close the file systems of all others."""
        former, self._live = self._live, live
        self.shares.replace([each.share for each in live.values()])
        kept = {id(each.share) for each in live.values()}
        for each in former.values():
            if id(each.share) not in kept:
                each.share.filesystem.close()
        self.changed()

    def _schedule(self) -> None:
        if self._retry is not None:
            self._retry.cancel()
        self._retry = None
        if self.failed or any(map(_mount_points, self.exports.table.exports.values())):
            self._retry = asyncio.get_running_loop().call_later(RETRY, self.settle)


def _nothing() -> None:
    pass


def _rejected(table: ExportTable, sources: ExportSources) -> str:
    """Why a table that was read again is not used; empty if it is."""
    if not table.errors:
        return ""
    count = len(table.errors)
    errors = "an error" if count == 1 else f"{count} errors"
    kept = f"the former exports stay in force: the new ones have {errors}"
    return f"{kept}; see '{check_command(sources)}'"


def check_command(sources: ExportSources) -> str:
    """The command that checks these sources."""
    places = (each for each in (*sources.files, *sources.folders))
    named = (each for each in places if each not in (EXPORTS, EXPORTS_D))
    return " ".join(["nfsd exports check", *(f"--exports {shlex.quote(each)}" for each in named)])


def _warn_of_links(former: ExportTable, table: ExportTable) -> None:
    """Warn if a path that was a directory is a symbolic link now: what it leads to is exported."""
    for path, export in table.exports.items():
        for spelling in export.spellings:
            if spelling != path and spelling in former.exports:
                names = os.fsdecode(spelling), os.fsdecode(path)
                log.warning("%s is a symbolic link now: %s is exported", *names)


def _claim(owners: dict[int, bytes], tag: int, path: bytes) -> None:
    """Let a path have a tag.

    Raises:
        StartError: another one has it.
    """
    owner = owners.setdefault(tag, path)
    if owner != path:
        raise StartError(f"it has the fsid of {os.fsdecode(owner)}")


def _is_sync(export: Export) -> bool:
    """Whether a client of the export asks for ``sync``; then the file system obeys for all."""
    options = list(_options(export.entries))
    return not options or any(each.sync for each in options)


def _origin(export: Export) -> tuple[object, ...]:
    """What an export shows: the directory or archive, or its back end."""
    if export.backend is not None:
        return (export.backend, state_of(export.backend))
    check_link(export)
    found = os.stat(export.path)
    written = None if stat.S_ISDIR(found.st_mode) else (found.st_size, found.st_mtime_ns)
    return (found.st_dev, found.st_ino, written)


def _crosses(crossed: frozenset[bytes] | None) -> Callable[[bytes], bool] | None:
    if crossed is None:
        return lambda _: True
    return crossed.__contains__ if crossed else None


def check_mount_point(export: Export) -> None:
    """Refuse an export that is to be served only while a directory is a mount point.

    Raises:
        OSError: it is not one.
    """
    for place in _mount_points(export):
        if not os.path.ismount(place):
            raise OSError(None, f"{os.fsdecode(place)} is not a mount point")


def _mount_points(export: Export) -> Sequence[bytes]:
    """The directories that must be mount points while the export is served."""
    named = (each.mountpoint for each in _options(export.entries))
    return [os.fsencode(each) or export.path for each in named if each is not None]


def check_link(export: Export) -> None:
    """Refuse a directory that was replaced by a symbolic link since the exports were read.

    Raises:
        OSError: it is one.
    """
    if os.path.islink(export.path):
        raise OSError(None, "it is a symbolic link now; 'nfsd reload' exports what it leads to")


def fixed_identity(entries: Sequence[ClientEntry]) -> str:
    """The name that the options give to an export; empty if they give none."""
    for options in _options(entries):
        if options.uuid:
            return f"fsid={options.uuid}"
        if options.fsid is not None:
            return f"fsid={options.fsid}"
    return ""


def fsid_of(entries: Sequence[ClientEntry], identity: str) -> int:
    """The file system id that clients see: that of the options, else made from the identity.

    A device number would do as well, but it changes from boot to boot.
    """
    for options in _options(entries):
        if options.uuid:
            return _folded(options.uuid)
        if options.fsid is not None:
            return options.fsid
    return int.from_bytes(blake2b(identity.encode(), digest_size=8).digest(), "big")


def _folded(uuid: str) -> int:
    """64 bits of a UUID, as the Linux server has them: both halves combined.

    Anything may stand between the digits (exports(5)).
    """
    number = int(re.sub(r"[^0-9A-Fa-f]", "", uuid), 16)
    return (number >> 64) ^ (number & (1 << 64) - 1)


def _options(entries: Sequence[ClientEntry]) -> Iterator[ExportOptions]:
    return (entry.options for entry in entries if entry.options is not None)


def _reason(error: Exception) -> str:
    text = getattr(error, "strerror", None) or str(error)
    # The system's texts begin with a capital letter; ours have names of packages and classes.
    return text.lower() if getattr(error, "errno", None) else text
