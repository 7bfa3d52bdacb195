"""MOUNT as a part of the server: what it keeps."""

from __future__ import annotations

from pathlib import Path

from support.loops import run
from support.nfs_daemons import RW, exports_file, nfsd_setup, serving_nfsd


def test_mount_list_is_written_before_a_restart(share: Path, state: Path) -> None:
    async def scenario() -> None:
        exports = exports_file(state, f"{share} *({RW})")
        async with serving_nfsd(nfsd_setup(state, exports=exports)) as daemon:
            await daemon.mount(share)
            assert not (state / "mounts").exists()
            daemon.app.settle()
            assert str(share) in (state / "mounts").read_text()

    run(scenario())


def test_without_state_the_mount_list_ends(share: Path, tmp_path: Path) -> None:
    async def scenario() -> None:
        made = nfsd_setup(None, exports=exports_file(tmp_path, f"{share} *({RW})"))
        async with serving_nfsd(made) as daemon:
            await daemon.mount(share)
            daemon.app.settle()
        async with serving_nfsd(made) as daemon:
            assert len(daemon.app.mounts) == 0

    run(scenario())
