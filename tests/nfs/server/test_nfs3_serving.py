"""Version 3 over sockets of the loopback interface, called with the generated client."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest

from oncrpc.aio.client import connect
from oncrpc.aio.limits import Limits
from oncrpc.aio.serve import serve
from oncrpc.nfs.filesystem import FileSystem, NewAttributes
from oncrpc.nfs.server.sizes import TransferSizes
from oncrpc.programs.nfs3 import (
    NFS_V3,
    CREATE3args,
    CREATE3resok,
    FSINFO3args,
    FSINFO3resok,
    READ3args,
    READ3resok,
    READDIRPLUS3args,
    READDIRPLUS3resok,
    WRITE3args,
    WRITE3resok,
    createhow3,
    createmode3,
    diropargs3,
    nfs_fh3,
    stable_how,
)
from support.exported import OPTIONS, ROOT, ROOT_CRED, Exported, answering_later, memory, sattr
from support.loopback_peers import NETIDS, port_of
from support.loops import run

ANY_PORT = OPTIONS._replace(secure=False)
BackEnd = Callable[[], FileSystem]
BACK_ENDS: dict[str, BackEnd] = {"at once": memory, "later": lambda: answering_later(memory())}
LARGE = Limits(record=(1 << 20) + 4096, datagram=40000)
SMALL = Limits(record=64 << 10, datagram=9000)


@asynccontextmanager
async def client_of(
    files: FileSystem, netid: str, limits: Limits
) -> AsyncIterator[tuple[NFS_V3.Client, nfs_fh3]]:
    """A client of a server with these limits, and the handle of its root."""
    sizes = TransferSizes.within(record=limits.record, datagram=limits.datagram)
    exported = Exported(files, options=ANY_PORT, sizes=sizes)
    host = NETIDS[netid]
    async with (
        serve(exported.service, transports=[netid], host=host, limits=limits) as server,
        connect(
            host, NFS_V3.Client, transport=netid, port=port_of(server, netid), auth=ROOT_CRED
        ) as client,
    ):
        yield client, exported.root


async def written_and_read(client: NFS_V3.Client, root: nfs_fh3) -> None:
    """Create a file, and write and read the largest amounts that FSINFO names."""
    sizes = (await client.NFSPROC3_FSINFO(FSINFO3args(root))).body
    assert isinstance(sizes, FSINFO3resok)
    how = createhow3(createmode3.GUARDED, sattr(mode=0o600))
    where = diropargs3(root, b"large")
    created = (await client.NFSPROC3_CREATE(CREATE3args(where, how))).body
    assert isinstance(created, CREATE3resok)
    file, data = created.obj.body, bytes(range(256)) * (sizes.wtmax // 256)
    assert file is not None

    write = WRITE3args(file, 0, len(data), stable_how.FILE_SYNC, data)
    written = (await client.NFSPROC3_WRITE(write)).body
    found = (await client.NFSPROC3_READ(READ3args(file, 0, sizes.rtmax))).body

    assert isinstance(written, WRITE3resok)
    assert isinstance(found, READ3resok)
    assert written.count == len(data)
    assert (found.data, found.eof) == (data, True)


@pytest.mark.parametrize("limits", [LARGE, SMALL], ids=["large", "small"])
@pytest.mark.parametrize("netid", NETIDS)
@pytest.mark.parametrize("back_end", BACK_ENDS)
def test_announced_sizes_arrive(back_end: str, netid: str, limits: Limits) -> None:
    async def scenario() -> None:
        async with client_of(BACK_ENDS[back_end](), netid, limits) as (client, root):
            await written_and_read(client, root)

    run(scenario())


@pytest.mark.parametrize("netid", ["tcp", "udp"])
@pytest.mark.parametrize("back_end", BACK_ENDS)
def test_large_directory_is_listed(back_end: str, netid: str) -> None:
    async def scenario() -> list[bytes]:
        files = memory()
        for name in expected:
            files.mkdir(ROOT, files.root, name, NewAttributes())
        shown = files if back_end == "at once" else answering_later(files)
        async with client_of(shown, netid, LARGE) as (client, root):
            return await listed(client, root)

    expected = [b"%0100d" % number for number in range(300)]

    assert sorted(run(scenario())) == sorted([b".", b"..", *expected])


async def listed(client: NFS_V3.Client, root: nfs_fh3) -> list[bytes]:
    names, cookie, eof = list[bytes](), 0, False
    while not eof:
        arg = READDIRPLUS3args(root, cookie, bytes(8), 0xFFFFFFFF, 0xFFFFFFFF)
        body = (await client.NFSPROC3_READDIRPLUS(arg)).body
        assert isinstance(body, READDIRPLUS3resok)
        names += [entry.name for entry in body.reply.entries]
        eof, cookie = body.reply.eof, body.reply.entries[-1].cookie
    return names
