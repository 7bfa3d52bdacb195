"""``nfsd`` is followed, also in the calls that it would answer at once."""

from __future__ import annotations

import os
from contextlib import closing
from pathlib import Path

import pytest

from oncrpc.cli.nfsd.own_mapper import OwnMapper
from oncrpc.nfs.daemon.app import OF_WORKERS, Nfsd
from oncrpc.nfs.daemon.worker_part import NfsdWorkers
from oncrpc.programs.nfs3 import GETATTR3args, nfs_fh3, nfsstat3
from support.loops import run, until
from support.nfs_daemons import RW, exports_file, nfsd_setup, serving_nfsd
from support.trace_reader import TraceReader

GETATTR = 1


def test_calls_answered_at_once_are_followed(tmp_path: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("needs root, to open handles")
    (tmp_path / "export").mkdir()
    exports = exports_file(tmp_path, f"{tmp_path}/export 127.0.0.1({RW})")

    async def scenario() -> None:
        async with serving_nfsd(nfsd_setup(tmp_path / "state", exports=exports)) as daemon:
            handle = nfs_fh3(await daemon.mount(tmp_path / "export"))
            nfs = await daemon.nfs()
            assert (await nfs.NFSPROC3_GETATTR(GETATTR3args(handle))).status is nfsstat3.NFS3_OK
            with closing(TraceReader(tmp_path / "state")) as reader:
                await reader.begin()
                found = await nfs.NFSPROC3_GETATTR(GETATTR3args(handle))
                call, reply = await reader.message(), await reader.message()
            await until(lambda: "handle" not in vars(daemon.server.dispatcher))
            again = await nfs.NFSPROC3_GETATTR(GETATTR3args(handle))

        assert found == again
        assert int.from_bytes(call.body[20:24], "big") == GETATTR
        assert (call.is_call, reply.is_call, reply.body[:4]) == (True, False, call.body[:4])

    run(scenario())


def test_calls_of_workers_are_named_unseen() -> None:
    async def scenario() -> None:
        app = Nfsd(make_mapper=OwnMapper)
        alone = app.untraced()
        app.workers = NfsdWorkers(app, 2)

        assert (alone, app.untraced()) == ("", OF_WORKERS)
        app.workers.processes.close()

    run(scenario())
