"""Worker processes that serve real calls: the server is in this process, its workers are not."""

from __future__ import annotations

import os
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from oncrpc.aio.limits import Limits
from oncrpc.nfs.daemon import report
from oncrpc.nfs.daemon.config import SCHEMA
from oncrpc.nfs.daemon.status import NfsdStatus
from oncrpc.nfs.daemon.worker_settings import WorkerSettings, pickled, share_of, unpickled
from oncrpc.nfs.exports.sources import ExportSources
from oncrpc.nfs.exports.table import Exports
from oncrpc.nfs.server.sizes import with_room
from oncrpc.programs.mount import MOUNT_V3
from oncrpc.programs.nfs3 import (
    NFS_V3,
    GETATTR3args,
    WRITE3args,
    WRITE3res,
    WRITE3resok,
    nfs_fh3,
    nfsstat3,
    stable_how,
)
from oncrpc.programs.nlm import NLM4_VERS
from support.loops import run, until
from support.nfs_daemons import RW, RunningNfsd, exports_file, nfsd_setup, serving_nfsd

OK = nfsstat3.NFS3_OK
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root, for the kernel's handles")


@asynccontextmanager
async def working(share: Path, state: Path) -> AsyncIterator[RunningNfsd]:
    """A server with two workers."""
    exports = exports_file(state, f"{share} *({RW})")
    async with serving_nfsd(nfsd_setup(state, exports=exports, workers=2)) as daemon:
        yield daemon


async def status_of(daemon: RunningNfsd) -> NfsdStatus:
    """The status, with what the workers report now."""
    found = await daemon.status()
    assert isinstance(found, NfsdStatus)
    return found


async def write(nfs: NFS_V3.Client, file: bytes) -> WRITE3res:
    arg = WRITE3args(nfs_fh3(file), 0, 4, stable_how.UNSTABLE, b"data")
    return await nfs.NFSPROC3_WRITE(arg)


async def verifier_from(nfs: NFS_V3.Client, file: bytes) -> bytes:
    written = await write(nfs, file)
    assert isinstance(written.body, WRITE3resok), written
    return written.body.verf


@needs_root
@pytest.mark.slow
def test_all_programs_are_served_and_counted(share: Path, state: Path) -> None:
    async def scenario() -> None:
        async with working(share, state) as daemon:
            file = await daemon.file(share / "hello")
            nfs = await daemon.nfs()
            assert (await nfs.NFSPROC3_GETATTR(GETATTR3args(nfs_fh3(file)))).status is OK
            assert await verifier_from(nfs, file) == await verifier_from(
                NFS_V3.Client(await daemon.link("udp")), file
            )
            await NLM4_VERS.Client(await daemon.link()).NLMPROC4_NULL()
            found = await status_of(daemon)

            counted = {each.procedure: each.calls for each in found.calls.procedures if each.calls}
            assert counted == {"MNT": 1, "LOOKUP": 1, "GETATTR": 1, "WRITE": 2, "NULL": 1}
            assert found.connections == {"tcp": len(daemon.links) - 1}
            assert [each.calls for each in found.clients] == [6]
            assert sorted(each.connections for each in found.workers) == [0, len(daemon.links) - 1]
            assert not list(report.faults(daemon.app))

    run(scenario())


@needs_root
@pytest.mark.slow
def test_killed_worker_loses_connections_only(share: Path, state: Path) -> None:
    async def scenario() -> None:
        async with working(share, state) as daemon:
            file = await daemon.file(share / "hello")
            before = await verifier_from(await daemon.nfs(), file)
            [worker] = [each for each in (await status_of(daemon)).workers if each.connections]
            os.kill(worker.pid, signal.SIGKILL)
            assert daemon.app.workers is not None
            processes = daemon.app.workers.processes.workers
            await until(lambda: processes[worker.number - 1].pid not in (0, worker.pid))

            after = await verifier_from(await daemon.nfs(), file)

            assert after != before
            assert (share / "hello").read_bytes().startswith(b"data")

    run(scenario())


@needs_root
@pytest.mark.slow
def test_reload_and_freeze_keep_connections(share: Path, state: Path) -> None:
    async def scenario() -> None:
        async with working(share, state) as daemon:
            file = await daemon.file(share / "hello")
            nfs = await daemon.nfs()
            exports_file(state, f"{share} *({RW},ro)")
            assert daemon.reread() == ""
            await status_of(daemon)  # the workers have read the new rules before they report
            assert (await write(nfs, file)).status is nfsstat3.NFS3ERR_ROFS

            for each in (await status_of(daemon)).workers:
                os.kill(each.pid, signal.SIGTERM)  # as systemd does at the end
            assert (await write(nfs, file)).status is nfsstat3.NFS3ERR_ROFS

            assert daemon.app.workers is not None
            memory = daemon.app.workers.processes.memory
            verifier = memory.verifier.value
            carried = await daemon.server.freeze(drain=0.5)
            assert len(carried) == len(daemon.links)
            daemon.server.thaw()
            assert memory.verifier.value != verifier

            assert (await write(nfs, file)).status is nfsstat3.NFS3ERR_ROFS
            mount = MOUNT_V3.Client(await daemon.link())
            assert len(await mount.MOUNTPROC3_EXPORT()) == 1

    run(scenario())


RULES = """
trusted = ["198.51.100.0/24"]
[daemon]
bind = ["127.0.0.1"]
families = ["ipv4"]
user = "nobody"
only = ["nfs", "mount"]
nfs-versions = [3]
[web]
listen = "127.0.0.1:8080"
[[rule]]
from = ["192.0.2.0/24", "2001:db8::/32", "local"]
procedure = ["GETATTR"]
netid = ["tcp"]
then = "deny"
"""
CLIENTS = (
    "192.0.2.1(rw)", "192.0.2.0/24(ro)", "*.example.org(rw,sec=sys)", "[a-c]?.net", "@group(ro)",
    "host.example.org(anonuid=7)", "gss/krb5", "*(no_such_option)",
)  # fmt: skip


def test_settings_are_equal_after_pickling(tmp_path: Path) -> None:
    file = tmp_path / "nfsd.toml"
    file.write_text(RULES)
    file.chmod(0o600)
    config = SCHEMA.load(str(file))
    exports = exports_file(tmp_path, f"/srv {' '.join(CLIENTS)}")
    table = Exports(ExportSources(files=[str(exports)], folders=())).load()
    sent = WorkerSettings(1, 4, config, table, b"key", {"/srv": 1}, {"": 20})

    found = unpickled(pickled(sent))

    assert repr(found.config) == repr(config)
    assert found._replace(config=config, table=table) == sent
    entries = found.table.exports[b"/srv"].entries
    assert [entry.client.key for entry in entries] == [
        entry.client.key for entry in table.exports[b"/srv"].entries
    ]
    wildcard = entries[3].client.wildcard
    assert wildcard is not None
    assert wildcard.matches("bx.net")


def test_limits_of_workers_add_up() -> None:
    whole = with_room(Limits())
    part = share_of(whole, 4)

    assert part.connections * 4 <= whole.connections
    assert part.unanswered_by_all * 4 <= whole.unanswered_by_all
    assert part.unread_by_all * 4 <= whole.unread_by_all
    assert part.per_source <= part.connections


def test_small_share_still_serves() -> None:
    part = share_of(Limits(connections=3), 64)

    assert part.connections == part.per_source == 1
    assert part.unanswered_by_all >= part.record
