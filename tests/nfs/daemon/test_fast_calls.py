"""Calls that ``nfsd`` answers at once: they are counted like the others."""

from __future__ import annotations

import logging
import os
from pathlib import Path

import pytest

from oncrpc.access.call_lines import calls_log
from oncrpc.errors import AuthError
from oncrpc.nfs.daemon.local_callers import LocalCallers
from oncrpc.nfs.daemon.peer_uids import PeerUids
from oncrpc.programs.nfs3 import NFS_V3, GETATTR3args, nfs_fh3, nfsstat3
from support.loops import run
from support.nfs_daemons import RW, exports_file, nfsd_setup, serving_nfsd

CALLS = 5


@pytest.mark.parametrize("verbose", [False, True])
def test_calls_at_once_are_counted(
    tmp_path: Path, verbose: bool, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO if verbose else logging.WARNING, calls_log.name)
    if os.geteuid() != 0:
        pytest.skip("needs root, to open handles")
    (tmp_path / "export").mkdir()
    exports = exports_file(tmp_path, f"{tmp_path}/export 127.0.0.1({RW})")
    setup = nfsd_setup(tmp_path / "state", exports=exports)

    async def scenario() -> None:
        async with serving_nfsd(setup) as daemon:
            handle = nfs_fh3(await daemon.mount(tmp_path / "export"))
            nfs = await daemon.nfs()
            for _ in range(CALLS):
                assert (await nfs.NFSPROC3_GETATTR(GETATTR3args(handle))).status is nfsstat3.NFS3_OK
            status = await daemon.status()

        assert [
            each.calls
            for each in status.calls.procedures
            if (each.program, each.version, each.procedure) == (NFS_V3.prog, 3, "GETATTR")
        ] == [CALLS]
        answered = daemon.app.fast is not None and daemon.server.dispatcher.quick is not None
        assert answered is not verbose

    run(scenario())


def test_checked_user_bypasses_the_fast_calls(tmp_path: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("needs root, to open handles")
    (tmp_path / "export").mkdir()
    exports = exports_file(tmp_path, f"{tmp_path}/export 127.0.0.1({RW})")

    async def scenario() -> None:
        async with serving_nfsd(nfsd_setup(tmp_path / "state", exports=exports)) as daemon:
            asked = GETATTR3args(nfs_fh3(await daemon.mount(tmp_path / "export")))
            nfs = await daemon.nfs()
            await nfs.NFSPROC3_GETATTR(asked)  # the next one could be answered at once
            callers = LocalCallers(find=lambda *_: 1000, is_own=lambda _: True)
            daemon.app.peer_uids = PeerUids(callers)  # the link calls itself root

            with pytest.raises(AuthError):
                await nfs.NFSPROC3_GETATTR(asked)

    run(scenario())
