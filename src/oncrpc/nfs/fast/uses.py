"""Permissions to use files: the decisions of the generic path, kept for a moment.

A ``Use`` is a file as one user of one host uses it. It is made by ``Shares.open``, with all checks
that every call makes: the handle's signature, the rules of the export for the host, its port, the
flavor, and the user that the caller becomes. It is valid for ``LIFETIME`` seconds, and as long as
the same exports are served.

The kernel is asked for a permission, as the caller. It is kept while the file's ``ctime`` is the
same, which every change of modes, owners and lists renews; or, since a write renews it as well,
for ``LIFETIME`` seconds while mode, owner and group are the same. After ``ASKED`` seconds the
kernel is asked again in any case.

::

    key       the credential, the verifier and the handle, as encoded in the call;
              in one table for each host, address called, and kind of port
    bound     MAX_USES in a table, which is emptied then; MAX_USES_OF_ALL in all tables, which are
              emptied then; MAX_TABLES tables, of which the one that was made first is dropped
    emptied   when other exports are served
"""

from __future__ import annotations

import os
from collections import OrderedDict
from collections.abc import Coroutine, Hashable
from typing import Any, NamedTuple, TypeAlias

from oncrpc.errors import CallError, ProtocolError, XdrError
from oncrpc.nfs.backends.local.cached_files import CachedFile
from oncrpc.nfs.backends.local.kernel_handles import BELOW_MOUNT, KernelHandles
from oncrpc.nfs.backends.local.local import LocalFileSystem
from oncrpc.nfs.server.shares import RESERVED_PORTS, Opened, Shares
from oncrpc.rpc.auth import AUTH_NONE, Judge
from oncrpc.rpc.program import AnyProcedure, Call, Caller
from oncrpc.rpc.prot import call_body
from oncrpc.xdr import codec

LIFETIME = 1.0
"""Seconds."""

ASKED = 10.0
"""Seconds for which a permission is kept at most."""

MAX_USES = 2048
"""Files of a client that the short way of calls knows."""

MAX_USES_OF_ALL = 16_384
"""Files of all clients that the short way of calls knows; each takes up to 1.5 KiB."""

MAX_TABLES = 1024
"""Clients of which the short way of calls knows files."""

RECENT = 20_000_000
"""Nanoseconds. A younger ``ctime`` may stay the same in a second change."""


class SeenFile(NamedTuple):
    """The attributes of a file as they were read in a batch.

    ``batch`` is the time when the batch began, ``changes`` counts earlier changes of the file
    system. ``fields`` are the numbers of ``fattr3``.
    """

    batch: float
    changes: int
    size: int
    fields: tuple[int, ...]


NOT_SEEN = SeenFile(-1.0, 0, 0, ())


class Use:
    """A file, the user for whom it is used, and the user's permissions so far.

    ``until`` is when the use has to be made again. ``allowed`` is the sum of permissions, or -1;
    ``may_read`` and ``may_write`` are those for data. They belong to ``ctime``, 0 for none, and to
    ``modes`` until ``modes_until``. ``seen`` are attributes for the READs of a batch.
    """

    __slots__ = (
        "allowed", "asked_until", "ctime", "files", "fsid", "kept", "may_read", "may_write",
        "modes", "modes_until", "opened", "seen", "until",
    )  # fmt: skip

    def __init__(
        self, opened: Opened, files: LocalFileSystem, kept: CachedFile, until: float
    ) -> None:
        self.opened, self.files, self.kept, self.until = opened, files, kept, until
        self.fsid = opened.share.fsid & 0xFFFFFFFFFFFFFFFF
        self.asked_until = until + ASKED
        self.seen = NOT_SEEN
        self.ctime, self.modes_until = 0, 0.0
        self.modes: tuple[int, int, int] | None = None
        self._none()

    def _none(self) -> None:
        self.allowed, self.may_read, self.may_write = -1, False, False

    def check(self, found: os.stat_result, now: float, clock: int) -> None:
        """Drop the permissions if the file's attributes may have changed them.

        Called if ``found`` has another ctime; ``clock`` is the time of day, in nanoseconds.
        """
        modes = found.st_mode, found.st_uid, found.st_gid
        if now < self.modes_until and modes == self.modes:
            return
        self._none()
        self.modes, self.modes_until = modes, now + LIFETIME
        self.ctime = found.st_ctime_ns if clock - found.st_ctime_ns > RECENT else 0

    def renew(self, now: float) -> None:
        """Use it for some more time. The kernel is asked again now and then: it may be mounted
        read-only by now."""
        self.until = now + LIFETIME
        if now > self.asked_until:
            self.asked_until = now + ASKED
            self.ctime, self.modes_until = 0, 0.0
            self._none()

    def same(self, other: Use) -> bool:
        """Whether another use is of the same file and the same user by the same rules."""
        return self.kept is other.kept and self.opened == other.opened


UseTable: TypeAlias = dict[bytes, Use]


class CallParts(NamedTuple):
    """A call as the generic path reads it, and the place of its handle."""

    message: bytes
    procedure: AnyProcedure
    key: bytes
    handle_at: int


class Uses:
    """The uses of all callers."""

    def __init__(self, shares: Shares, judge: Judge) -> None:
        self.shares, self.judge = shares, judge
        self._tables = OrderedDict[Hashable, UseTable]()
        self._count = 0
        self._generation = shares.generation

    def renewed(self) -> bool:
        """Drop all uses if other exports are served. Returns whether that happened."""
        if self._generation == self.shares.generation:
            return False
        self._generation = self.shares.generation
        self._tables.clear()
        self._count = 0
        return True

    def table_of(self, caller: Caller) -> UseTable:
        """The uses of callers that all rules treat alike."""
        reserved = caller.source is not None and caller.port < RESERVED_PORTS
        key = caller.host, caller.local, caller.uid, caller.netid, reserved, caller.loopback
        found = self._tables.get(key)
        if found is None:
            if len(self._tables) >= MAX_TABLES:
                self._count -= len(self._tables.popitem(last=False)[1])
            found = self._tables[key] = {}
        return found

    def admit(self, parts: CallParts, caller: Caller, table: UseTable, now: float) -> Use | None:
        """Make the use of a call by the checks of the generic path; None: that must answer."""
        opened = self._opened(parts, caller)
        files = None if opened is None else opened.share.filesystem
        if opened is None or not isinstance(files, LocalFileSystem):
            return None
        # Files of another id, or below a mount point, are not held by the descriptors alone.
        if not isinstance(files.objects, KernelHandles) or opened.file[:1] == BELOW_MOUNT:
            return None
        kept = files.cached.get(opened.file)
        if kept.place[0] != files.device:
            return None
        use, former = Use(opened, files, kept, now + LIFETIME), table.get(parts.key)
        if former is not None and former.same(use):
            former.renew(now)
            return former
        if former is None:
            self._make_room(table)
            self._count += 1
        table[parts.key] = use
        return use

    def _make_room(self, table: UseTable) -> None:
        if len(table) >= MAX_USES:
            self._count -= len(table)
            table.clear()
        if self._count >= MAX_USES_OF_ALL:
            self._count = 0
            for each in self._tables.values():
                each.clear()

    def accepts(self, message: bytes) -> bool:
        """Whether the credential of a call without arguments is accepted, and not answered by one.

        Such a call has nothing after its header.
        """
        try:
            body, end = codec(call_body).decode_from(message, 8)
            judged = self.judge.judge(body, message)
        except (CallError, ProtocolError, XdrError):
            return False
        return end == len(message) and isinstance(judged, tuple) and judged[1] is AUTH_NONE

    def _opened(self, parts: CallParts, caller: Caller) -> Opened | None:
        message, at = parts.message, parts.handle_at
        try:
            body, arguments_at = codec(call_body).decode_from(message, 8)
            judged = self.judge.judge(body, message)
            if arguments_at != at or not isinstance(judged, tuple) or judged[1] is not AUTH_NONE:
                return None
            size = int.from_bytes(message[at : at + 4], "big")
            handle, padding = message[at + 4 : at + 4 + size], message[at + 4 + size :]
            if len(handle) != size or any(padding[: -size % 4]):
                return None
            call = Call(
                0, parts.procedure, *judged, caller=caller, message=message, arguments_at=at
            )
            return _at_once(self.shares.open(call, handle))
        except (CallError, OSError, ProtocolError, XdrError):
            return None


def _at_once(coroutine: Coroutine[Any, Any, Opened]) -> Opened | None:
    """The result of a coroutine; None if it has to wait."""
    try:
        coroutine.send(None)
    except StopIteration as end:
        opened: Opened = end.value
        return opened
    coroutine.close()
    return None
