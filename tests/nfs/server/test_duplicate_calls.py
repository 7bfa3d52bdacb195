"""Each call that must not run twice, doubled over real sockets, in both versions.

Claims 11 and 12 on the duplicate-request cache: it is executed once, and answered with the same
bytes; from another client, another user or another connection in use it is executed.
"""

from __future__ import annotations

import asyncio
import socket
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any, NamedTuple

import pytest

from oncrpc.aio.serve import serve
from oncrpc.nfs.filesystem import FileSystem, NewAttributes
from oncrpc.nfs.handles import Handles
from oncrpc.nfs.server.duplicates import NfsDuplicates
from oncrpc.nfs.server.nfs2 import Nfs2
from oncrpc.nfs.server.nfs3 import Nfs3
from oncrpc.nfs.server.shares import Share, Shares
from oncrpc.programs import nfs2, nfs3
from oncrpc.programs.nfs2 import NFS_VERSION
from oncrpc.programs.nfs3 import NFS_V3, nfs_fh3
from oncrpc.rpc import AnyProcedure, Call, auth_sys
from oncrpc.rpc.calls import call_header
from oncrpc.rpc.record import RecordReader, encode_record
from oncrpc.xdr import codec
from support.exported import NO_GUARD, OPTIONS, ROOT, SameRules, memory, sattr, wrapped
from support.exported2 import sattr2
from support.loopback_peers import port_of
from support.loops import run, settle, until

XID = 0x11223344
CHANGES = {
    "setattr", "create", "mkdir", "symlink", "mknod", "remove", "rmdir", "rename", "link", "write",
}  # fmt: skip


class Site:
    """A small tree, and how often its back end changed it."""

    def __init__(self) -> None:
        files = memory()
        root, new = files.root, NewAttributes(mode=0o644)
        file = files.create(ROOT, root, b"file", new)
        files.mkdir(ROOT, root, b"sub", new)
        self.gate = asyncio.Event()
        self.gate.set()
        self.changes = Counter[str]()
        self.waiting = self.runs = 0
        served: FileSystem = wrapped(files, self._operation)
        self.shares = Shares(Handles(bytes(range(32))))
        rules = SameRules(OPTIONS._replace(secure=False))
        share = Share(1, b"/srv", served, rules, fsid=7)
        self.shares.replace([share])
        self.duplicates = NfsDuplicates()
        self.root, self.file = (nfs_fh3(self.shares.handle(share, each)) for each in (root, file))
        self.root2, self.file2 = (self.shares.handle(share, x, v2=True) for x in (root, file))

    @contextmanager
    def count(self, _: Call) -> Iterator[None]:
        """A hook, which is not called for a repetition."""
        self.runs += 1
        yield

    def _operation(self, name: str, operation: Callable[[], Any]) -> Any:
        if name not in CHANGES:
            return operation()
        if self.gate.is_set():
            self.changes[name] += 1
            return operation()
        return self._later(name, operation)

    async def _later(self, name: str, operation: Callable[[], Any]) -> Any:
        self.waiting += 1
        await self.gate.wait()
        self.changes[name] += 1
        return operation()

    def at(self, name: bytes) -> nfs3.diropargs3:
        return nfs3.diropargs3(self.root, name)

    def at2(self, name: bytes) -> nfs2.diropargs:
        return nfs2.diropargs(self.root2, name)


Arguments = Callable[[Site], Any]
GUARDED = nfs3.createhow3(nfs3.createmode3.GUARDED, sattr(mode=0o644))
FIFO = nfs3.mknoddata3(nfs3.ftype3.NF3FIFO, sattr(mode=0o644))
ONCE: dict[AnyProcedure, Arguments] = {
    NFS_V3.NFSPROC3_SETATTR: lambda s: nfs3.SETATTR3args(s.file, sattr(size=9), NO_GUARD),
    NFS_V3.NFSPROC3_CREATE: lambda s: nfs3.CREATE3args(s.at(b"new"), GUARDED),
    NFS_V3.NFSPROC3_MKDIR: lambda s: nfs3.MKDIR3args(s.at(b"new"), sattr(mode=0o755)),
    NFS_V3.NFSPROC3_SYMLINK: lambda s: nfs3.SYMLINK3args(
        s.at(b"new"), nfs3.symlinkdata3(sattr(), b"to")
    ),
    NFS_V3.NFSPROC3_MKNOD: lambda s: nfs3.MKNOD3args(s.at(b"new"), FIFO),
    NFS_V3.NFSPROC3_REMOVE: lambda s: nfs3.REMOVE3args(s.at(b"file")),
    NFS_V3.NFSPROC3_RMDIR: lambda s: nfs3.RMDIR3args(s.at(b"sub")),
    NFS_V3.NFSPROC3_RENAME: lambda s: nfs3.RENAME3args(s.at(b"file"), s.at(b"new")),
    NFS_V3.NFSPROC3_LINK: lambda s: nfs3.LINK3args(s.file, s.at(b"new")),
    NFS_VERSION.NFSPROC_SETATTR: lambda s: nfs2.sattrargs(s.file2, sattr2(size=9)),
    NFS_VERSION.NFSPROC_CREATE: lambda s: nfs2.createargs(s.at2(b"new"), sattr2(mode=0o644)),
    NFS_VERSION.NFSPROC_REMOVE: lambda s: s.at2(b"file"),
    NFS_VERSION.NFSPROC_RENAME: lambda s: nfs2.renameargs(s.at2(b"file"), s.at2(b"new")),
    NFS_VERSION.NFSPROC_LINK: lambda s: nfs2.linkargs(s.file2, s.at2(b"new")),
    NFS_VERSION.NFSPROC_SYMLINK: lambda s: nfs2.symlinkargs(s.at2(b"new"), b"to", sattr2()),
    NFS_VERSION.NFSPROC_MKDIR: lambda s: nfs2.createargs(s.at2(b"new"), sattr2(mode=0o755)),
    NFS_VERSION.NFSPROC_RMDIR: lambda s: s.at2(b"sub"),
}
WRITES: dict[AnyProcedure, Arguments] = {
    NFS_V3.NFSPROC3_WRITE: lambda s: nfs3.WRITE3args(
        s.file, 0, 4, nfs3.stable_how.FILE_SYNC, b"data"
    ),
    NFS_VERSION.NFSPROC_WRITE: lambda s: nfs2.writeargs(s.file2, 0, 0, 0, b"data"),
}
ALL = ONCE | WRITES


class Peer:
    """A client's socket: sends calls, and takes the replies."""

    def __init__(self, netid: str, port: int, host: str = "127.0.0.1") -> None:
        self.is_stream = netid == "tcp"
        kind = socket.SOCK_STREAM if self.is_stream else socket.SOCK_DGRAM
        self.sock = socket.socket(socket.AF_INET, kind)
        self.sock.bind((host, 0))
        self.sock.connect(("127.0.0.1", port))
        self.sock.setblocking(False)
        self.reader = RecordReader(max_record=1 << 16)
        self.replies: list[bytes] = []

    def send(self, message: bytes) -> None:
        self.sock.send(encode_record(message) if self.is_stream else message)

    async def reply(self) -> bytes:
        """The next reply."""
        await until(self._arrived)
        return self.replies.pop(0)

    async def call(self, message: bytes) -> bytes:
        self.send(message)
        return await self.reply()

    async def has_no_reply(self) -> bool:
        await settle(50)
        return not self._arrived()

    def _arrived(self) -> bool:
        try:
            data = self.sock.recv(1 << 16)
        except BlockingIOError:
            return bool(self.replies)
        if self.is_stream:
            self.reader.feed(data)
            self.replies += self.reader.records()
        else:
            self.replies.append(data)
        return bool(self.replies)

    def close(self) -> None:
        self.sock.close()


class Doubling(NamedTuple):
    """A site that is served, and a call of one of its procedures."""

    site: Site
    ports: dict[str, int]
    message: bytes
    peers: list[Peer]

    def peer(self, netid: str = "tcp", host: str = "127.0.0.1") -> Peer:
        made = Peer(netid, self.ports[netid], host)
        self.peers.append(made)
        return made

    @property
    def changes(self) -> int:
        return self.site.changes.total()

    def hold(self) -> None:
        """Keep changes waiting from now on."""
        self.site.gate.clear()

    async def begun(self) -> None:
        """Wait until a change waits."""
        await until(lambda: self.site.waiting)

    def release(self) -> None:
        self.site.gate.set()


def message_of(procedure: AnyProcedure, argument: Any, *, uid: int = 0) -> bytes:
    """The bytes of a call, always with the same xid."""
    place = procedure.version.prog, procedure.version.vers, procedure.number
    header = call_header(XID, place, cred=auth_sys(b"client", uid, uid, stamp=1))
    return header + codec(procedure.arguments[0]).encode(argument)


@asynccontextmanager
async def doubling(procedure: AnyProcedure) -> AsyncIterator[Doubling]:
    """A site with that procedure, served over TCP and UDP."""
    site = Site()
    services = Nfs2(site.shares), Nfs3(site.shares)
    async with serve(
        *services,
        transports=["tcp", "udp"],
        host="127.0.0.1",
        duplicates=site.duplicates,
        hooks=[site.count],
    ) as server:
        ports = {netid: port_of(server, netid) for netid in ("tcp", "udp")}
        made = Doubling(site, ports, message_of(procedure, ALL[procedure](site)), [])
        try:
            yield made
        finally:
            made.release()
            for peer in made.peers:
                peer.close()
            await until(lambda: not site.duplicates.running)


def names(procedures: dict[AnyProcedure, Arguments]) -> list[str]:
    return [procedure.name for procedure in procedures]


every = pytest.mark.parametrize("procedure", ONCE, ids=names(ONCE))
every_write = pytest.mark.parametrize("procedure", WRITES, ids=names(WRITES))
transports = pytest.mark.parametrize("netid", ["tcp", "udp"])


@transports
@every
def test_repetition_after_the_reply_gets_it_again(procedure: AnyProcedure, netid: str) -> None:
    async def scenario() -> None:
        async with doubling(procedure) as d:
            peer = d.peer(netid)
            first = await peer.call(d.message)
            assert await peer.call(d.message) == first
            assert first[24:28] == bytes(4)  # NFS_OK
            assert d.changes == 1

    run(scenario())


@transports
@every
def test_repetition_before_the_reply_is_dropped(procedure: AnyProcedure, netid: str) -> None:
    async def scenario() -> None:
        async with doubling(procedure) as d:
            peer = d.peer(netid)
            d.hold()
            peer.send(d.message)
            await d.begun()
            peer.send(d.message)
            assert await peer.has_no_reply()
            d.release()
            reply = await peer.reply()
            assert await peer.has_no_reply()
            assert await peer.call(d.message) == reply
            assert d.changes == 1

    run(scenario())


@every
def test_new_connection_gets_the_old_reply(procedure: AnyProcedure) -> None:
    async def scenario() -> None:
        async with doubling(procedure) as d:
            old = d.peer()
            first = await old.call(d.message)
            old.close()
            assert await d.peer().call(d.message) == first
            assert d.changes == 1

    run(scenario())


@every
def test_connection_lost_before_the_reply_is_no_loss(procedure: AnyProcedure) -> None:
    """The first connection ends while the call runs; the second one gets the outcome."""

    async def scenario() -> None:
        async with doubling(procedure) as d:
            old = d.peer()
            d.hold()
            old.send(d.message)
            await d.begun()
            old.close()
            new = d.peer()
            new.send(d.message)
            assert await new.has_no_reply()
            d.release()
            first = await new.reply()
            assert first[24:28] == bytes(4)
            assert await new.call(d.message) == first
            assert d.changes == 1

    run(scenario())


@every
def test_call_goes_on_without_any_connection(procedure: AnyProcedure) -> None:
    async def scenario() -> None:
        async with doubling(procedure) as d:
            old = d.peer()
            d.hold()
            old.send(d.message)
            await d.begun()
            old.close()
            await settle(50)
            d.release()
            await until(lambda: d.changes)
            reply = await d.peer().call(d.message)
            assert reply[24:28] == bytes(4)
            assert d.changes == 1

    run(scenario())


@every
def test_connection_in_use_keeps_its_replies(procedure: AnyProcedure) -> None:
    async def scenario() -> None:
        async with doubling(procedure) as d:
            first, second = d.peer(), d.peer()
            await first.call(d.message)
            await second.call(d.message)
            assert d.site.runs == 2

    run(scenario())


@transports
@every
def test_another_host_is_another_client(procedure: AnyProcedure, netid: str) -> None:
    async def scenario() -> None:
        async with doubling(procedure) as d:
            first = d.peer(netid)
            await first.call(d.message)
            first.close()
            await d.peer(netid, "127.0.0.2").call(d.message)
            assert d.site.runs == 2

    run(scenario())


@every
def test_another_user_is_another_caller(procedure: AnyProcedure) -> None:
    async def scenario() -> None:
        async with doubling(procedure) as d:
            peer = d.peer()
            await peer.call(d.message)
            other = message_of(procedure, ALL[procedure](d.site), uid=1000)
            await peer.call(other)
            assert d.site.runs == 2

    run(scenario())


@every
def test_another_port_of_udp_is_another_client(procedure: AnyProcedure) -> None:
    async def scenario() -> None:
        async with doubling(procedure) as d:
            await d.peer("udp").call(d.message)
            await d.peer("udp").call(d.message)
            assert d.site.runs == 2

    run(scenario())


@every_write
def test_repeated_datagram_is_written_once(procedure: AnyProcedure) -> None:
    async def scenario() -> None:
        async with doubling(procedure) as d:
            peer = d.peer("udp")
            first = await peer.call(d.message)
            assert await peer.call(d.message) == first
            assert d.changes == 1

    run(scenario())


@every_write
def test_late_write_undoes_nothing(procedure: AnyProcedure) -> None:
    """A WRITE waits in a connection that the client gave up, until it was sent over another one."""

    async def scenario() -> None:
        async with doubling(procedure) as d:
            old, new = d.peer(), d.peer()
            await settle(50)
            await new.call(d.message)
            old.send(d.message)
            old.close()
            newer = d.message[:-8] + b"\0\0\0\4next"
            newer = (XID + 1).to_bytes(4, "big") + newer[4:]
            await new.call(newer)
            await settle(50)
            assert d.changes == 2

    run(scenario())


def test_same_xid_with_another_call_runs() -> None:
    """A client may use one xid for all calls of a connection, as some in Python do."""

    async def scenario() -> None:
        async with doubling(NFS_V3.NFSPROC3_MKDIR) as d:
            peer, root = d.peer(), d.site.at(b"new")
            remove = message_of(NFS_V3.NFSPROC3_RMDIR, nfs3.RMDIR3args(root))
            for message in (d.message, remove, d.message, remove):
                assert (await peer.call(message))[24:28] == bytes(4)
            assert d.site.changes == {"mkdir": 2, "rmdir": 2}

    run(scenario())
