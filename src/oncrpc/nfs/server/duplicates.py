"""The duplicate-request cache of NFS, versions 2 and 3, over UDP and TCP.

A client whose connection broke opens another one, and sends the calls without a reply again. REMOVE
must not return NOENT then, nor MKDIR EXIST. So a call over TCP is recognised over any connection of
the same client, although its port differs::

    the call is the same           same xid, program, version, procedure, credential and arguments
                                   (a checksum of all bytes but the time stamp of AUTH_SYS)
    the client is the same         same address or local user, same netid and address called
    its connection is the same,    a client process that is connected counts its own xids: behind
    or the first one has ended     the same address there may be several

A connection has ended if it is closed, if the client has closed its end, or if the client does not
acknowledge what was sent to it: a client that lost the network comes back over another connection,
while ours still looks open (``oncrpc.net.peers.is_connected``). Over UDP the server cannot know
whether a port is still in use, so only the same port is the same client.

A call in progress is not cancelled when its connection ends, since it may be half done. Its
retransmission over another connection waits for the outcome and gets the same bytes. Over the same
connection, and over UDP, the retransmission is dropped: the first call gets a reply.

A call may also arrive late: it waited in a connection that the client gave up, and the client has
sent it again over the next one. A known call from a connection that has ended is a duplicate.

The cache covers the procedures that may not run twice. WRITE may run twice while the client waits
for it, but a late WRITE would overwrite a later one. Over UDP it is covered like the others. Over
TCP a WRITE of a live connection always runs, its reply is not kept, and its checksum covers the
first bytes only, since a checksum of all data would slow down every WRITE. Calls that were not
carried out are not kept: those without a reply, and those with NFS3ERR_JUKEBOX.

Key: that of ``DuplicateCache``, so a client that uses one xid for everything is safe on its
connection. ``alike`` finds the entries of other connections; one that is found moves to the new
connection. Bound: ``max_bytes``, and an eighth of that for each client: a busy client displaces its
own calls before those of others. Entries are removed after ``lifetime`` only; ``leave`` and
``resume`` carry them over a restart in place, after which an entry belongs to no connection until
the call is sent again. ``written`` has the late WRITEs to recognise: key ``alike``, at most
``MAX_WRITTEN``, the oldest is removed.
"""

from __future__ import annotations

import asyncio
import logging
import struct
from collections import OrderedDict
from collections.abc import Awaitable, Collection, Coroutine
from functools import lru_cache
from typing import Any, cast

import msgspec

from oncrpc.programs.nfs2 import NFS_VERSION
from oncrpc.programs.nfs3 import NFS_V3, nfsstat3
from oncrpc.programs.nfsacl import NFS_ACL_V2, NFS_ACL_V3
from oncrpc.programs.rquota import EXT_RQUOTAVERS, RQUOTAVERS
from oncrpc.rpc.duplicates import CachedCall, DuplicateCache, Key, checksum, key_of
from oncrpc.rpc.program import AnyProcedure, Call, Caller, Origin
from oncrpc.rpc.prot import auth_flavor

log = logging.getLogger("oncrpc.nfs")

LIFETIME = 600.0
"""Seconds for which a reply is kept. A client may need some minutes to connect again."""

MAX_BYTES = 32 << 20
"""Bytes of replies that are kept for retransmissions, with the overhead of each."""

MAX_LEFT = 4 << 20
"""Bytes of entries that are carried over a restart in place."""

MAX_RUNNING = 4096
"""Calls in progress that outlive their connection; later ones are cancelled with it."""

CLIENT_SHARE = 8
CHANGES: frozenset[AnyProcedure] = frozenset({
    NFS_VERSION.NFSPROC_SETATTR, NFS_VERSION.NFSPROC_CREATE, NFS_VERSION.NFSPROC_REMOVE,
    NFS_VERSION.NFSPROC_RENAME, NFS_VERSION.NFSPROC_LINK, NFS_VERSION.NFSPROC_SYMLINK,
    NFS_VERSION.NFSPROC_MKDIR, NFS_VERSION.NFSPROC_RMDIR,
    NFS_V3.NFSPROC3_SETATTR, NFS_V3.NFSPROC3_CREATE, NFS_V3.NFSPROC3_MKDIR,
    NFS_V3.NFSPROC3_SYMLINK, NFS_V3.NFSPROC3_MKNOD, NFS_V3.NFSPROC3_REMOVE,
    NFS_V3.NFSPROC3_RMDIR, NFS_V3.NFSPROC3_RENAME, NFS_V3.NFSPROC3_LINK,
    NFS_ACL_V2.ACLPROC2_SETACL, NFS_ACL_V3.ACLPROC3_SETACL,
    RQUOTAVERS.RQUOTAPROC_SETQUOTA, RQUOTAVERS.RQUOTAPROC_SETACTIVEQUOTA,
    EXT_RQUOTAVERS.RQUOTAPROC_SETQUOTA, EXT_RQUOTAVERS.RQUOTAPROC_SETACTIVEQUOTA,
})  # fmt: skip
"""Procedures that must not run twice."""

WRITES: frozenset[AnyProcedure] = frozenset({NFS_VERSION.NFSPROC_WRITE, NFS_V3.NFSPROC3_WRITE})
"""Procedures that may run twice, but not late."""

WRITE_NUMBERS = frozenset(
    struct.pack(">3I", each.version.prog, each.version.vers, each.number) for each in WRITES
)
"""Program, version and procedure of ``WRITES``, as encoded in a call."""

NUMBERS = slice(12, 24)
MAX_WRITTEN = 16_384
"""WRITEs over streams that are recognised when they arrive late."""

HEAD = 384
"""First bytes of a WRITE that identify it: the header, the arguments, and the first data."""

STAMP = slice(32, 36)
"""The time stamp of AUTH_SYS in a call. Some clients renew it when they send a call again."""

OUTCOME = slice(24, 28)
"""The ``nfsstat3`` in a reply whose verifier is AUTH_NONE."""

JUKEBOX = nfsstat3.NFS3ERR_JUKEBOX.to_bytes(4, "big")
SYS = auth_flavor.AUTH_SYS.to_bytes(4, "big")


Address = tuple[str, int, int]


class ClientCall(CachedCall):
    """A call of a client.

    ``caller`` is the connection to which the entry belongs, None after a restart; ``recipient`` is
    the last connection that gets its reply; ``alike`` is equal in all duplicates. ``is_kept`` says
    whether the reply will be kept: it is False for a WRITE over a stream. ``client`` is set then.
    """

    __slots__ = ("alike", "caller", "client", "is_kept", "recipient", "task")

    def __init__(self, key: Key, digest: bytes, caller: Caller | None) -> None:
        super().__init__(key, digest)
        self.is_kept = True
        self.client: Origin = None
        self.alike = digest + _client_bytes(key)
        self.caller = self.recipient = caller
        self.task: asyncio.Future[bytes | None] | None = None

    @property
    def has_moved(self) -> bool:
        """Whether the connection on which the call came has ended."""
        return self.caller is None or not self.caller.connected()


class ClientReplies:
    """The replies of one client, the oldest first, and the bytes that are counted for them."""

    __slots__ = ("keys", "size")

    def __init__(self) -> None:
        self.keys: OrderedDict[Key, None] = OrderedDict()
        self.size = 0


class LeftCall(msgspec.Struct, array_like=True, frozen=True):
    """An entry for the next image of the process: xid, caller, and the rest; ``age`` in seconds."""

    xid: bytes
    source: Address | None
    uid: int | None
    netid: str
    local: Address | None
    loopback: bool
    to_group: bool
    digest: bytes
    age: float
    reply: bytes


class NfsDuplicates(DuplicateCache):
    """The duplicate-request cache of an NFS server; see the module for what is a duplicate.

    ``further`` are procedures of other programs that must not run twice, such as LOCK.
    """

    def __init__(
        self,
        *,
        max_bytes: int = MAX_BYTES,
        lifetime: float = LIFETIME,
        further: Collection[AnyProcedure] = (),
    ) -> None:
        covered = CHANGES | WRITES | frozenset(further)
        super().__init__(max_bytes=max_bytes, lifetime=lifetime, streams=True, procedures=covered)
        self.covered = covered
        self.running: set[asyncio.Future[bytes | None]] = set()
        self.alike: dict[bytes, list[ClientCall]] = {}
        self.clients: dict[Origin, ClientReplies] = {}
        self.written: OrderedDict[bytes, Caller | None] = OrderedDict()
        self._asked: tuple[Caller, bytes, ClientCall] | None = None

    def covers(self, call: Call) -> bool:
        """Whether this call must not run twice, or not late."""
        return call.procedure in self.covered

    def digest_of(self, message: bytes) -> bytes:
        """A checksum of a call without its time stamp."""
        if message[24:28] == SYS:
            return checksum(message[: STAMP.start] + message[STAMP.stop :])
        return checksum(message)

    def find(self, caller: Caller, message: bytes, now: float) -> CachedCall | None:
        """The same call of the same client; it belongs to this connection from now on."""
        asked = self.new(caller, message)
        asked.at = now
        found = self.in_progress.get(asked.key) or self._done.get(asked.key)
        if found is None or found.digest != asked.digest:
            found = None if caller.datagram else self._elsewhere(asked, caller)
        if found is None or self.has_expired(found, now):
            self._asked = caller, message, asked  # for ``begin``, which follows
            return None
        call = _of_client(found)
        if call.key != asked.key:
            self._move(call, asked.key)
        call.caller = caller
        return call

    def begin(self, caller: Caller, message: bytes) -> CachedCall:
        """Register a call that is about to run; ``finish`` or ``abandon`` it later."""
        asked, self._asked = self._asked, None
        if asked is not None and asked[0] is caller and asked[1] is message:
            call = asked[2]
        else:
            call = self.new(caller, message)
        self._remove(call.key)
        self._place(call)
        self._link(call)
        return call

    def new(self, caller: Caller, message: bytes) -> ClientCall:
        """The entry of a call that is about to run."""
        is_kept = caller.datagram or message[NUMBERS] not in WRITE_NUMBERS
        digest = self.digest_of(message if is_kept else message[:HEAD])
        call = ClientCall(key_of(caller, message), digest, caller)
        call.is_kept = is_kept
        return call

    def new_write(self, caller: Caller, client: bytes, message: bytes) -> bytes | None:
        """Whether a WRITE over a stream is new: by what it is known later, or None if it may not
        be new. ``message`` are its first bytes, at least ``HEAD`` of them if it has so many.

        For calls that run without ``begin`` and ``finish``; ``wrote`` follows. ``client`` are the
        ``bytes_of`` the caller.
        """
        alike = self.digest_of(message[:HEAD]) + client
        if alike in self.alike:
            return None
        if self.written.get(alike, caller) is not caller and not caller.connected():
            return None
        return alike

    def wrote(self, alike: bytes, caller: Caller | None) -> None:
        """A WRITE over a stream has run; it is recognised if it arrives late."""
        self.written[alike] = caller
        self.written.move_to_end(alike)
        if len(self.written) > MAX_WRITTEN:
            self.written.popitem(last=False)

    def repeated(self, call: CachedCall, caller: Caller) -> Awaitable[bytes | None] | None:
        """The reply to a retransmission of a call in progress; None to drop it."""
        of_client = _of_client(call)
        if caller.datagram or of_client.recipient is caller or of_client.task is None:
            return None
        of_client.recipient = caller
        return _outcome(of_client.task)

    def carry_out(
        self, call: CachedCall, outcome: Coroutine[Any, Any, bytes | None]
    ) -> Awaitable[bytes | None]:
        """Complete a call that takes time, also if its connection ends meanwhile."""
        of_client = _of_client(call)
        datagram = of_client.caller is None or of_client.caller.datagram
        if datagram or self.is_full:
            return outcome
        task = of_client.task = asyncio.ensure_future(outcome)
        self.running.add(task)
        task.add_done_callback(self.running.discard)
        return asyncio.shield(task)

    @property
    def is_full(self) -> bool:
        """Whether so many calls are in progress that no more may outlive their connection."""
        return len(self.running) >= MAX_RUNNING

    def begin_here(self, caller: Caller, message: bytes) -> ClientCall:
        """As ``begin``, for a call that runs without the dispatcher. ``finish`` it later."""
        return _of_client(self.begin(caller, message))

    def outcome_of(self, call: ClientCall) -> asyncio.Future[bytes | None]:
        """A future for the reply to such a call, which its retransmissions wait for.

        The caller sets it after ``finish``.
        """
        outcome = call.task = asyncio.get_running_loop().create_future()
        self.running.add(outcome)
        outcome.add_done_callback(self.running.discard)
        return outcome

    def finish(self, call: CachedCall, reply: bytes | None, now: float) -> None:
        """Keep the reply to a call that was carried out."""
        ended = _of_client(call)
        ended.task = None
        if self.in_progress.get(ended.key) is not ended:
            return
        if reply is None or reply[OUTCOME] == JUKEBOX or not self._keeps(reply):
            self.abandon(ended)
        elif ended.is_kept:
            del self.in_progress[ended.key]
            ended.reply, ended.at, ended.done = reply, now, True
            self._add(ended)
            self._make_room(now)
        else:
            self.abandon(ended)
            self.wrote(ended.alike, ended.caller)

    def abandon(self, call: CachedCall) -> bool:
        """Forget a call in progress. Returns False if another one has replaced it."""
        if not super().abandon(call):
            return False
        self._unlink(_of_client(call))
        return True

    def leave(self, now: float, *, max_bytes: int = MAX_LEFT) -> bytes:
        """The replies, the newest ones within the bound, for the next image: JSON."""
        left: list[LeftCall] = []
        size = 0
        for call in reversed(self._done.values()):
            size += call.size
            if size > max_bytes:
                break
            if not self.has_expired(call, now):
                left.append(_left(_of_client(call), now))
        return msgspec.json.encode(left[::-1])

    def resume(self, left: bytes, now: float) -> None:
        """Continue with the replies of a former image, unless they are of another version."""
        try:
            calls = msgspec.json.decode(left, type=list[LeftCall])
        except msgspec.DecodeError as error:
            log.warning("the replies of the former program are not understood: %s", error)
            return
        for each in calls:
            place = Caller(
                each.netid, each.source, each.local, uid=each.uid,
                loopback=each.loopback, to_group=each.to_group,
            )  # fmt: skip
            call = ClientCall(key_of(place, each.xid), each.digest, None)
            call.reply, call.at, call.done = each.reply, now - each.age, True
            self._remove(call.key)
            self._link(call)
            self._add(call)
        self._make_room(now)

    def _elsewhere(self, asked: ClientCall, caller: Caller) -> ClientCall | None:
        """The same call of another connection, if either connection has ended."""
        for call in reversed(self.alike.get(asked.alike, ())):
            if call.has_moved or not caller.connected():
                return call
        if asked.alike in self.written and not caller.connected():
            asked.done = self.written[asked.alike] is not caller  # without a reply
            return asked if asked.done else None
        return None

    def _move(self, call: ClientCall, key: Key) -> None:
        """Let a call belong to another connection."""
        if call.done:
            self._remove(call.key)
            self._remove(key)
            call.key = key
            self._link(call)
            self._add(call)
        else:
            del self.in_progress[call.key]
            self._remove(key)
            call.key = key
            self._place(call)

    def _place(self, call: ClientCall) -> None:
        """Put a call in progress under its key, in place of another one."""
        replaced = self.in_progress.get(call.key)
        if replaced is not None:
            self._unlink(_of_client(replaced))
        self.in_progress[call.key] = call

    def _add(self, call: CachedCall) -> None:
        super()._add(call)
        kept = _of_client(call)
        kept.client = _client_of(kept)
        replies = self.clients.get(kept.client)
        if replies is None:
            replies = self.clients[kept.client] = ClientReplies()
        replies.keys[kept.key] = None
        replies.size += kept.size
        while replies.size > self.max_bytes // CLIENT_SHARE:
            self._remove(next(iter(replies.keys)))

    def _remove(self, key: Key) -> CachedCall | None:
        removed = super()._remove(key)
        if removed is not None:
            forgotten = _of_client(removed)
            self._unlink(forgotten)
            replies = self.clients[forgotten.client]
            del replies.keys[key]
            replies.size -= forgotten.size
            if not replies.keys:
                del self.clients[forgotten.client]
        return removed

    def _link(self, call: ClientCall) -> None:
        calls = self.alike.get(call.alike)
        if calls is None:
            self.alike[call.alike] = [call]
        else:
            calls.append(call)

    def _unlink(self, call: ClientCall) -> None:
        calls = self.alike[call.alike]
        if len(calls) == 1:
            del self.alike[call.alike]
        else:
            calls.remove(call)


async def _outcome(task: asyncio.Future[bytes | None]) -> bytes | None:
    """The reply to a call, which goes on if this coroutine is cancelled."""
    await asyncio.wait([task])
    return None if task.cancelled() else task.result()


def _of_client(call: CachedCall) -> ClientCall:
    """All entries of this cache are of this class: ``new`` makes them."""
    return cast(ClientCall, call)


def bytes_of(caller: Caller) -> bytes:
    """The key of a client: equal for all its connections, since it has no port."""
    return _client_bytes(key_of(caller, b""))


def _client_bytes(key: Key) -> bytes:
    """As ``bytes_of``, from the key of a call."""
    _, source, *rest = key
    return repr((cast(Address, source)[::2] if source else None, *rest)).encode()


def _client_of(call: ClientCall) -> Origin:
    """The client that a call counts for."""
    _, source, uid, _, _, loopback, _ = cast(Any, call.key)
    return _origin(source[0] if source else None, uid, loopback)


@lru_cache(1024)
def _origin(host: str | None, uid: int | None, loopback: bool) -> Origin:  # a key
    """The client of a caller. Cached by its arguments, 1024 of them: parsing IPv6 is slow."""
    source = None if host is None else (host, 0, 0)
    return Caller("", source, uid=uid, loopback=loopback).origin


def _left(call: ClientCall, now: float) -> LeftCall:
    xid, source, uid, netid, local, loopback, to_group = cast(Any, call.key)
    return LeftCall(
        xid, source, uid, netid, local, loopback, to_group,
        digest=call.digest, age=now - call.at, reply=call.reply or b"",
    )  # fmt: skip
