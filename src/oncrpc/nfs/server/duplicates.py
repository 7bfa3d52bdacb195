"""The duplicate-request cache of NFS, versions 2 and 3, over UDP and TCP.

A client whose connection broke opens another one, and sends again what was not answered: REMOVE
must not say NOENT then, nor MKDIR EXIST. A call over TCP is therefore recognised over any
connection of the same client, although its port is another one::

    the call is the same           same xid, program, version, procedure, credential and arguments
                                   (a checksum of all bytes but the time stamp of AUTH_SYS)
    the client is the same         same address or local user, same netid and address called
    its connection is the same,    a client process that is connected counts its own xids: behind
    or the first one has ended     the same address there may be several

A connection has ended if it is closed, if the client has closed its end, or if the client does not
acknowledge what was sent to it: a client that lost the network comes back over another connection,
while ours still looks open (``oncrpc.net.peers.is_connected``). Over UDP nobody can tell whether a
port is still in use, so only the same port is the same client.

A call in progress is not cancelled when its connection ends, since nobody knows how much of it is
done. Its retransmission over another connection waits for the outcome and gets the same bytes. Over
the same connection, and over UDP, it is dropped: the first one will be answered.

Covered are the procedures that may not run twice. WRITE is one of them over UDP only, where a late
duplicate may arrive after the next WRITE and undo it; a stream keeps the order. A call that was not
carried out is not kept: one without a reply, and NFS3ERR_JUKEBOX, which asks the client to repeat.

Key: that of ``DuplicateCache``, so a client that uses one xid for everything is safe on its
connection. ``alike`` finds the entries of other connections; one that is found moves to the new
connection. Bound: ``max_bytes``, and an eighth of that for each client: a busy client forgets its
own calls before those of others. Emptied by time only; ``leave`` and ``resume`` carry the entries
over a restart in place, after which an entry belongs to no connection until it is asked for.
"""

from __future__ import annotations

import asyncio
import logging
from collections import OrderedDict
from collections.abc import Awaitable, Coroutine
from typing import Any, cast

import msgspec

from oncrpc.programs.nfs2 import NFS_VERSION
from oncrpc.programs.nfs3 import NFS_V3, nfsstat3
from oncrpc.rpc.duplicates import CachedCall, DuplicateCache, Key, checksum, key_of
from oncrpc.rpc.program import AnyProcedure, Call, Caller, Origin
from oncrpc.rpc.prot import auth_flavor

log = logging.getLogger("oncrpc.nfs")

LIFETIME = 600.0
"""Seconds for which a reply is kept. A client may need some minutes to connect again."""

MAX_BYTES = 32 << 20
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
})  # fmt: skip
"""The procedures that must not run twice."""

WRITES: frozenset[AnyProcedure] = frozenset({NFS_VERSION.NFSPROC_WRITE, NFS_V3.NFSPROC3_WRITE})
"""Those that must not run twice if datagrams may overtake each other."""

STAMP = slice(32, 36)
"""The time stamp of AUTH_SYS in a call. Some clients renew it when they send a call again."""

OUTCOME = slice(24, 28)
"""The ``nfsstat3`` in a reply whose verifier is AUTH_NONE."""

JUKEBOX = nfsstat3.NFS3ERR_JUKEBOX.to_bytes(4, "big")
SYS = auth_flavor.AUTH_SYS.to_bytes(4, "big")


Address = tuple[str, int, int]


class ClientCall(CachedCall):
    """A call of a client.

    ``caller`` is the connection to which the entry belongs, None after a restart; ``recipient`` the
    last one that will get its reply; ``client`` and ``alike`` what must be equal in a duplicate.
    """

    __slots__ = ("alike", "caller", "client", "recipient", "task")

    def __init__(self, key: Key, digest: bytes, caller: Caller | None, client: Origin) -> None:
        super().__init__(key, digest)
        self.alike = _alike(key, digest)
        self.caller = self.recipient = caller
        self.client = client
        self.task: asyncio.Task[bytes | None] | None = None

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
    """The duplicate-request cache of an NFS server; see the module for what is a duplicate."""

    def __init__(self, *, max_bytes: int = MAX_BYTES, lifetime: float = LIFETIME) -> None:
        super().__init__(
            max_bytes=max_bytes, lifetime=lifetime, streams=True, procedures=CHANGES | WRITES
        )
        self.running: set[asyncio.Task[bytes | None]] = set()
        self.alike: dict[Key, list[ClientCall]] = {}
        self.clients: dict[Origin, ClientReplies] = {}

    def covers(self, call: Call) -> bool:
        """Whether this call must not run twice."""
        procedure = call.procedure
        return procedure in CHANGES or (call.caller.datagram and procedure in WRITES)

    def digest_of(self, message: bytes) -> bytes:
        """A checksum of a call without its time stamp."""
        if message[24:28] == SYS:
            return checksum(message[: STAMP.start] + message[STAMP.stop :])
        return checksum(message)

    def find(self, caller: Caller, message: bytes, now: float) -> CachedCall | None:
        """The same call of the same client; it belongs to this connection from now on."""
        key, digest = key_of(caller, message), self.digest_of(message)
        found = self.in_progress.get(key) or self._done.get(key)
        if found is None or found.digest != digest:
            found = None if caller.datagram else self._moved(key, digest)
        if found is None or self.has_expired(found, now):
            return None
        call = _of_client(found)
        if call.key != key:
            self._move(call, key)
        call.caller = caller
        return call

    def begin(self, caller: Caller, message: bytes) -> CachedCall:
        """Register a call that is about to run; ``finish`` or ``abandon`` it later."""
        self._replace(key_of(caller, message))
        call = super().begin(caller, message)
        self._link(_of_client(call))
        return call

    def new(self, caller: Caller, message: bytes) -> CachedCall:
        """The entry of a call that is about to run."""
        return ClientCall(key_of(caller, message), self.digest_of(message), caller, caller.origin)

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
        if datagram or len(self.running) >= MAX_RUNNING:
            return outcome
        task = of_client.task = asyncio.ensure_future(outcome)
        self.running.add(task)
        task.add_done_callback(self.running.discard)
        return asyncio.shield(task)

    def finish(self, call: CachedCall, reply: bytes | None, now: float) -> None:
        """Keep the reply to a call that was carried out."""
        _of_client(call).task = None
        if reply is None or reply[OUTCOME] == JUKEBOX:
            self.abandon(call)
        else:
            super().finish(call, reply, now)

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
        """Continue with the replies of a former image.

        Raises:
            msgspec.DecodeError: they are not the result of ``leave``.
        """
        for each in msgspec.json.decode(left, type=list[LeftCall]):
            place = Caller(each.netid, each.source, each.local, uid=each.uid,
                           loopback=each.loopback, to_group=each.to_group)  # fmt: skip
            call = ClientCall(key_of(place, each.xid), each.digest, None, place.origin)
            call.reply, call.at, call.done = each.reply, now - each.age, True
            self._remove(call.key)
            self._add(call)
        self._make_room(now)

    def _moved(self, key: Key, digest: bytes) -> ClientCall | None:
        """The same call, of a connection that has ended."""
        found = reversed(self.alike.get(_alike(key, digest), ()))
        return next((call for call in found if call.has_moved), None)

    def _move(self, call: ClientCall, key: Key) -> None:
        """Let a call belong to another connection."""
        if call.done:
            self._remove(call.key)
            self._remove(key)
            call.key = key
            self._add(call)
            return
        del self.in_progress[call.key]
        self._replace(key)
        self._remove(key)
        call.key = key
        self.in_progress[key] = call

    def _replace(self, key: Key) -> None:
        """Called before another call in progress gets this key."""
        replaced = self.in_progress.get(key)
        if replaced is not None:
            self._unlink(_of_client(replaced))

    def _add(self, call: CachedCall) -> None:
        super()._add(call)
        of_client = _of_client(call)
        self._link(of_client)
        replies = self.clients.setdefault(of_client.client, ClientReplies())
        replies.keys[call.key] = None
        replies.size += call.size
        while replies.size > self.max_bytes // CLIENT_SHARE:
            self._remove(next(iter(replies.keys)))

    def _remove(self, key: Key) -> CachedCall | None:
        removed = super()._remove(key)
        if removed is not None:
            of_client = _of_client(removed)
            self._unlink(of_client)
            replies = self.clients[of_client.client]
            del replies.keys[key]
            replies.size -= removed.size
            if not replies.keys:
                del self.clients[of_client.client]
        return removed

    def _link(self, call: ClientCall) -> None:
        self.alike.setdefault(call.alike, []).append(call)

    def _unlink(self, call: ClientCall) -> None:
        calls = self.alike[call.alike]
        calls.remove(call)
        if not calls:
            del self.alike[call.alike]


async def _outcome(task: asyncio.Task[bytes | None]) -> bytes | None:
    """The reply to a call, which goes on if this coroutine is cancelled."""
    await asyncio.wait([task])
    return None if task.cancelled() else task.result()


def _of_client(call: CachedCall) -> ClientCall:
    """All entries of this cache are of this class: ``new`` makes them."""
    return cast(ClientCall, call)


def _alike(key: Key, digest: bytes) -> Key:
    """What is equal in duplicates over any connection: all but the port."""
    xid, source, *rest = key
    return (xid, cast(Address, source)[::2] if source else None, *rest, digest)


def _left(call: ClientCall, now: float) -> LeftCall:
    xid, source, uid, netid, local, loopback, to_group = cast(Any, call.key)
    return LeftCall(
        xid, source, uid, netid, local, loopback, to_group,
        digest=call.digest, age=now - call.at, reply=call.reply or b"",
    )  # fmt: skip
