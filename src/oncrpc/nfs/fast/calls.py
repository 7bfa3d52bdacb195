"""The calls of one connection that are answered at once.

The generic path is the definition of every reply. A call is answered here only if all is as usual:
the caller is known and may use the file (``uses``), the file is open (``cached_files``), and
nothing fails. In any other case ``answer`` returns None, nothing has happened, and the generic path
does the work, refusals included.

A WRITE works as its caller. The thread keeps that identity until something else needs the server's
own, at the latest until the end of the batch (``Actor``). Nothing waits in between.
"""

from __future__ import annotations

import os
import struct
import time
from collections.abc import Callable
from contextlib import AbstractContextManager

from oncrpc.nfs.backends.local.base import LocalBase
from oncrpc.nfs.backends.local.watching import Watches
from oncrpc.nfs.fast import changing, committing, listing, names, reading, writing
from oncrpc.nfs.fast.counting import FastCounts, Tally
from oncrpc.nfs.fast.methods import METHODS
from oncrpc.nfs.fast.uses import CallParts, Use, Uses
from oncrpc.nfs.filesystem import Identity
from oncrpc.nfs.server.duplicates import NfsDuplicates, bytes_of
from oncrpc.nfs.server.shares import Share, Shares
from oncrpc.nfs.server.sizes import TransferSizes
from oncrpc.programs.nfs3 import NFS_V3
from oncrpc.rpc.auth import Judge
from oncrpc.rpc.program import Caller
from oncrpc.rpc.quick import QuickAnswer

PROCEDURES = changing, committing, listing, names, reading, writing
"""The modules that have registered their procedures."""

MAX_CREDENTIALS = 64
"""Credentials of a connection that are decoded once, by the short way of calls."""

MAX_MAKERS = 256
"""Exports and lengths of file ids for which the function that makes handles is kept."""

SLOW = 0.02
"""Seconds. If a batch takes longer, the disk may be the reason."""

ASK_AFTER_SLOW = 10.0
"""Seconds after a slow batch in which each long READ asks the kernel whether data are in memory."""

LONGEST_HEAD = 1024
"""Bytes of a WRITE: more than the part before its data can have."""


class Actor:
    """The user that the thread works as at the moment; None for the server itself."""

    def __init__(self) -> None:
        self.who: Identity | None = None
        self._context: AbstractContextManager[None] | None = None

    def become(self, files: LocalBase, who: Identity) -> None:
        """Work as a user.

        Raises:
            OSError: that is not possible; the thread works as the server.
        """
        if self.who is who or self.who == who:
            return
        self.end()
        context = files.identities.of(who)
        context.__enter__()
        self.who, self._context = who, context

    def end(self) -> None:
        """Work as the server."""
        context = self._context
        if context is not None:
            self.who = self._context = None
            context.__exit__(None, None, None)


class FastNfs:
    """What all connections share.

    ``is_open`` says whether the calls of a caller need not be shown to anything else.
    """

    def __init__(
        self,
        shares: Shares,
        duplicates: NfsDuplicates,
        *,
        judge: Judge,
        sizes: TransferSizes,
        counts: FastCounts,
        is_open: Callable[[Caller], bool] = lambda _: True,
    ) -> None:
        self.shares, self.duplicates, self.sizes = shares, duplicates, sizes
        self.uses, self.actor = Uses(shares, judge), Actor()
        self.counts, self.is_open = counts, is_open
        self._makers: dict[tuple[int, int], Callable[[bytes], bytes]] = {}
        self.watches = Watches()
        self.room = memoryview(bytearray(sizes.stream))
        """Where data are read to; its content is valid until the next read."""
        self.ask_kernel_until = 0.0
        """Until this time cached answers about data in memory are not used (``residence``)."""

    def handle(self, share: Share, file: bytes) -> bytes:
        """The handle of a file, as ``Shares.handle`` makes it."""
        return self.maker(share, len(file))(file)

    def maker(self, share: Share, size: int) -> Callable[[bytes], bytes]:
        """A function that does the same for files of one export whose ids have this size."""
        key = share.tag, size
        make = self._makers.get(key)
        if make is None:
            if len(self._makers) >= MAX_MAKERS:
                self._makers.clear()
            make = self._makers[key] = self.shares.handles.maker(*key)
        return make

    def __call__(self, caller: Caller) -> FastConnection:
        """Begin to answer the calls of a connection."""
        return FastConnection(self, caller)


class FastConnection:
    """Answers calls of one connection (``oncrpc.rpc.quick.QuickCalls``)."""

    def __init__(self, fast: FastNfs, caller: Caller) -> None:
        self.fast, self.caller = fast, caller
        self.actor, self.client = fast.actor, bytes_of(caller)
        self.tally: Tally = []  # made with the first call: a connection may be refused before
        self.uses = fast.uses.table_of(caller)
        self.now = self.began = 0.0
        self.answered = 0
        self.credentials: set[bytes] = set()
        self.whole: memoryview | None = None

    def begin(self, now: float) -> bool:
        """Begin a batch."""
        if self.fast.uses.renewed() or self.uses is not self.fast.uses.table_of(self.caller):
            self.uses = self.fast.uses.table_of(self.caller)
        if not self.tally:
            self.tally = self.fast.counts.of(self.caller)
        self.now, self.began, self.answered = now, time.perf_counter(), 0
        return self.fast.is_open(self.caller)

    def end(self) -> None:
        """End a batch: work as the server, and count."""
        self.actor.end()
        if self.answered:
            took = time.perf_counter() - self.began
            self.fast.counts.took(self.answered, took)
            if took > SLOW:
                self.fast.ask_kernel_until = self.now + ASK_AFTER_SLOW

    def close(self) -> None:
        """The connection has ended."""
        self.fast.counts.end(self.caller)

    def answer(self, message: bytes, replies: list[bytes]) -> QuickAnswer:
        """Answer a call, or return None."""
        method = METHODS.get(message[4:24])
        if method is not None:
            try:
                found = method(self, message, replies)
                if found is not None:
                    self.tally[message[23]] += 1
                    self.answered += 1
                    return found
            except (OSError, struct.error, IndexError):
                pass  # the generic path refuses it
        self.actor.end()
        return None

    def answer_long(self, message: memoryview, replies: list[bytes]) -> QuickAnswer:
        """Answer a call with many bytes: a WRITE."""
        self.whole = message
        try:
            return self.answer(bytes(message[:LONGEST_HEAD]), replies)
        finally:
            self.whole = None

    def use(self, message: bytes, at: int, end: int) -> Use | None:
        """The use of a call that has no valid one; None: the generic path must answer."""
        self.actor.end()
        procedure = NFS_V3.procedures[message[23]]
        parts = CallParts(message[:end], procedure, message[24:end], at)
        return self.fast.uses.admit(parts, self.caller, self.uses, self.now)

    def knows(self, message: bytes) -> bool:
        """Whether a call without arguments has a credential that the generic path accepts."""
        if message[24:] in self.credentials:
            return True
        accepted = self.fast.uses.accepts(message)
        if accepted and len(self.credentials) < MAX_CREDENTIALS:
            self.credentials.add(message[24:])
        return accepted

    def may_skip_asking(self) -> bool:
        """Whether a cached answer of the kernel about data in memory may be used.

        It is unless this batch, or one of the last seconds, was slow.
        """
        return self.now >= self.fast.ask_kernel_until and time.perf_counter() - self.began < SLOW

    def stat(self, use: Use) -> os.stat_result | None:
        """The attributes of a file; None if it is gone."""
        try:
            found = os.fstat(use.kept.descriptor)
        except OSError:  # it was closed: the next call opens it again
            use.until = 0.0
            raise
        use.kept.used = self.now
        if not found.st_nlink:
            use.files.cached.forget(use.kept)
            return None
        if found.st_ctime_ns != use.ctime:
            use.check(found, self.now, time.time_ns())
        return found
