"""The server is killed, or loses its disk, while clients write: no promise is broken.

``kill -9`` leaves the cache of the kernel. It shows that a reply is sent only after the call is
done, that the key and the ids of handles are on disk, and that the verifier changes. It cannot show
that data are on disk. For that ext4 is shut down as by ``xfs_io -c shutdown``: from one moment on
nothing more gets to the disk, and what was in the cache only is lost, as when the power fails.

The server's state is on the same disk, so that it loses it, too.

Last, the disk fails for a while, and the server goes on.
"""

from __future__ import annotations

import asyncio
import fcntl
import os
import random
import struct
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import NamedTuple

import pytest

from oncrpc.aio.link import dial
from oncrpc.programs.mount import MOUNT_V3
from oncrpc.programs.nfs3 import (
    NFS_V3,
    COMMIT3args,
    CREATE3args,
    SETATTR3args,
    WRITE3args,
    WRITE3res,
    WRITE3resok,
    createhow3,
    createmode3,
    diropargs3,
    nfs_fh3,
    nfsstat3,
    stable_how,
)
from oncrpc.rpc import auth_sys
from support.crash_clients import (
    BLOCK,
    BLOCKS,
    BlockFile,
    Life,
    Names,
    ended,
    write_and_commit,
    write_only,
    write_stable,
)
from support.exported import NO_GUARD, sattr
from support.namespace import need
from support.nfs_host import NFS_PORT, NfsHost

pytestmark = [pytest.mark.interop, pytest.mark.slow]

ROUNDS = int(os.environ.get("ONCRPC_CRASH_ROUNDS", "20"))
UNSTABLE, DATA_SYNC, FILE_SYNC = stable_how
TIME = 30.0
"""Seconds for a call."""

EXPORT = "/srv/ext4/export"
EXPORTS = f"{EXPORT}  *(rw,no_root_squash,insecure)\n"
TABLE = "/srv/ext4/state/handles-1"
STATE = ("--state-dir", "/srv/ext4/state")
PREPARE = f"mkdir -m 777 {EXPORT} && mkdir -m 700 /srv/ext4/state && sync -f /srv/ext4\n"
AGAIN = "umount /srv/ext4 && mount -o loop /srv/ext4.img /srv/ext4"
WITHOUT_HANDLES = ("setpriv", "--bounding-set", "-dac_read_search")
EXT4_IOC_SHUTDOWN, NOLOGFLUSH = 0x8004587D, 2


Lose = Callable[[NfsHost], None]


def shut_down(host: NfsHost) -> None:
    """Let nothing more get to the disk of the export, as if the power had failed."""
    descriptor = os.open(host.path("/srv/ext4"), os.O_RDONLY)
    try:
        fcntl.ioctl(descriptor, EXT4_IOC_SHUTDOWN, struct.pack("I", NOLOGFLUSH))
    finally:
        os.close(descriptor)


class Site(NamedTuple):
    """What clients use all the time, by handles that they got once."""

    root: nfs_fh3
    files: list[BlockFile]
    names: Names

    def clients(self, life: Life, seed: int) -> list[asyncio.Task[None]]:
        """Start all clients."""
        data, whole, committed, other, loose = self.files
        running = [
            write_stable(life, data, DATA_SYNC, seed),
            write_stable(life, whole, FILE_SYNC, seed),
            write_and_commit(life, committed, seed),
            write_and_commit(life, other, seed + 1),
            write_only(life, loose, seed),
            self.names.use(life),
        ]
        return [asyncio.create_task(ended(each)) for each in running]


@asynccontextmanager
async def connected(host: NfsHost, *, replies: int = 1 << 62) -> AsyncIterator[Life]:
    """A connection to the server."""
    with host.network():
        link = await dial(
            "tcp", "127.0.0.1", NFS_PORT, auth=auth_sys(b"client", 0, 0), timeout=TIME
        )
    try:
        yield Life(NFS_V3.Client(link), replies=replies)
    finally:
        link.close()


async def root_of(life: Life, path: str) -> nfs_fh3:
    """The handle of an export."""
    mounted = await MOUNT_V3.Client(life.nfs.link).MOUNTPROC3_MNT(path.encode())
    assert mounted.body is not None, mounted
    return nfs_fh3(mounted.body.fhandle)


async def created(life: Life, root: nfs_fh3, name: bytes) -> nfs_fh3:
    """The handle of a new file."""
    how = createhow3(createmode3.GUARDED, sattr(mode=0o644))
    made = await life.call("NFSPROC3_CREATE", CREATE3args(diropargs3(root, name), how))
    handle: nfs_fh3 = made.obj.body
    return handle


async def prepared(life: Life) -> Site:
    """Create the files, with zeros in all blocks."""
    root = await root_of(life, EXPORT)
    files = list[BlockFile]()
    for name in (b"data-sync", b"file-sync", b"committed", b"other", b"loose"):
        file = BlockFile(name, await created(life, root, name))
        size = SETATTR3args(file.handle, sattr(size=BLOCK * BLOCKS), NO_GUARD)
        await life.call("NFSPROC3_SETATTR", size)
        files.append(file)
    return Site(root, files, Names(root))


async def crash(host: NfsHost, site: Site, seed: int, lose: Lose) -> set[bytes]:
    """Kill the server while clients work, and start it again; returns the verifiers seen."""
    replies = random.Random(seed).randrange(20, 400)
    async with connected(host, replies=replies) as life, asyncio.timeout(TIME):
        clients = site.clients(life, seed)
        await life.crash.wait()
        assert life.outstanding > 0
        life.lost_disk = lose is shut_down
        lose(host)
        host.nfsd.kill()
        await asyncio.gather(*clients)
    host.kill_nfsd()
    if lose is shut_down:
        host.sh(AGAIN)
    host.nfsd = host.start_nfsd()
    return life.verifiers


async def check(host: NfsHost, site: Site) -> int:
    """Compare what is there with the promises; how many blocks lost what was not promised."""
    async with connected(host) as life:
        assert await root_of(life, EXPORT) == site.root
        await site.names.check(life)
        return sum([await file.check(life) for file in site.files])


def nothing(host: NfsHost) -> None:
    """Lose nothing: the cache of the kernel stays."""


@pytest.mark.parametrize("around", [(), WITHOUT_HANDLES], ids=["kernel handles", "table"])
@pytest.mark.parametrize("lose", [nothing, shut_down], ids=["process", "power"])
def test_crash_breaks_no_promise(lose: Lose, around: tuple[str, ...]) -> None:
    need("setpriv")

    async def scenario(host: NfsHost) -> None:
        async with connected(host) as life:
            site = await prepared(life)
        assert Path(host.path(TABLE)).exists() is bool(around)
        seen, lost = set[bytes](), 0
        for seed in range(max(1, ROUNDS // 4)):
            verifiers = await crash(host, site, seed, lose)
            assert verifiers
            assert not verifiers & seen, "the verifier is that of an earlier life"
            seen |= verifiers
            lost += await check(host, site)
        assert (lost > 0) is (lose is shut_down), "only a loss of power loses what was not promised"

    with NfsHost(EXPORTS, *STATE, prepare=PREPARE, around=around) as host:
        asyncio.run(scenario(host))


BROKEN = "/srv/broken"
MAKE_BROKEN = f"""
truncate -s 64M {BROKEN}.img
mkfs.ext4 -q -b 4096 -O ^has_journal {BROKEN}.img
mkdir {BROKEN}
mount -o loop {BROKEN}.img {BROKEN}
"""
RESIZE = f"truncate -s {{}} {BROKEN}.img && losetup -c $(losetup -j {BROKEN}.img -O NAME -n)"
"""Beyond the end of the image the kernel reports EIO for what it wrote to its cache before."""

MIB = 1 << 20
MUCH = 32
IO = nfsstat3.NFS3ERR_IO


async def put(life: Life, file: nfs_fh3, at: int, stable: stable_how) -> WRITE3res:
    """Write a MiB."""
    return await life.nfs.NFSPROC3_WRITE(WRITE3args(file, at * MIB, MIB, stable, bytes(MIB)))


def verf_of(result: WRITE3res) -> bytes:
    """The verifier of a WRITE that succeeded."""
    assert isinstance(result.body, WRITE3resok), result
    return bytes(result.body.verf)


async def verifier_of(life: Life, file: nfs_fh3) -> bytes:
    """The verifier of a COMMIT that has nothing to do."""
    found = await life.call("NFSPROC3_COMMIT", COMMIT3args(file, 0, 0))
    return bytes(found.verf)


@pytest.mark.parametrize("stable", [UNSTABLE, DATA_SYNC, FILE_SYNC])
def test_broken_disk_is_io_and_another_verifier(stable: stable_how) -> None:
    """Of COMMIT for data that are UNSTABLE, of WRITE for all others."""

    async def scenario(host: NfsHost, life: Life) -> None:
        root = await root_of(life, BROKEN)
        file, other = await created(life, root, b"file"), await created(life, root, b"other")
        before = await verifier_of(life, other)

        host.sh(RESIZE.format("8M"))
        written = [await put(life, file, at, stable) for at in range(MUCH)]
        if stable is UNSTABLE:
            assert {each.status for each in written} == {nfsstat3.NFS3_OK}
            assert {verf_of(each) for each in written} == {before}
            refused = await life.nfs.NFSPROC3_COMMIT(COMMIT3args(file, 0, 0))
            assert refused.status is IO
        else:
            assert written[-1].status is IO
        host.sh(RESIZE.format("64M"))

        after = await verifier_of(life, other)
        assert after != before, "a client would not write its other data again"
        again = [await put(life, file, at, stable) for at in range(MUCH)]
        assert {each.status for each in again} == {nfsstat3.NFS3_OK}
        assert await verifier_of(life, file) == after

    async def connect_and_run(host: NfsHost) -> None:
        async with connected(host) as life:
            await scenario(host, life)

    exports = f"{BROKEN}  *(rw,no_root_squash,insecure)\n"
    with NfsHost(exports, prepare=MAKE_BROKEN) as host:
        asyncio.run(connect_and_run(host))
