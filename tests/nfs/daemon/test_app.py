"""The NFS server as a daemon: what it serves, what it keeps, and what it rereads."""

from __future__ import annotations

import logging
import os
import shutil
from collections.abc import Sequence
from pathlib import Path

import msgspec
import pytest

from oncrpc.daemon.config.values import StartError
from oncrpc.daemon.handover import Handover
from oncrpc.errors import AuthError, ProgramMismatch, ProgramUnavailable
from oncrpc.nfs.daemon.mount_part import MountPart
from oncrpc.nfs.exports.surroundings import NEITHER
from oncrpc.programs.mount import MOUNT_V3, MOUNTVERS, mountstat3
from oncrpc.programs.nfs3 import (
    NFS_V3,
    GETATTR3args,
    LOOKUP3args,
    LOOKUP3resok,
    diropargs3,
    nfs_fh3,
    nfsstat3,
)
from oncrpc.programs.portmap import IPPROTO_TCP, PMAP_VERS, mapping
from support.loops import run
from support.nfs_daemons import (
    LOCALHOST,
    RW,
    RunningNfsd,
    exports_file,
    nfsd_setup,
    serving_nfsd,
)

KEPT = (
    "the former exports stay in force: the new ones have {}; see 'nfsd exports check --exports {}'"
)
OK, STALE = nfsstat3.NFS3_OK, nfsstat3.NFS3ERR_STALE


async def status_of(daemon: RunningNfsd, handle: bytes) -> nfsstat3:
    """The outcome of GETATTR over a new connection."""
    nfs = await daemon.nfs()
    return (await nfs.NFSPROC3_GETATTR(GETATTR3args(nfs_fh3(handle)))).status


async def found_in(daemon: RunningNfsd, directory: bytes, name: bytes) -> bytes:
    """The handle of a file."""
    nfs = await daemon.nfs()
    found = await nfs.NFSPROC3_LOOKUP(LOOKUP3args(diropargs3(nfs_fh3(directory), name)))
    assert isinstance(found.body, LOOKUP3resok), found
    return bytes(found.body.object.data)


async def mount_status(daemon: RunningNfsd, path: Path) -> mountstat3:
    """The outcome of MNT."""
    mount = MOUNT_V3.Client(await daemon.link())
    return (await mount.MOUNTPROC3_MNT(bytes(path))).fhs_status


def paths(daemon: RunningNfsd) -> Sequence[bytes]:
    return [share.path for share in daemon.app.shares]


def test_exported_directory_is_mounted_and_read(share: Path, state: Path) -> None:
    async def scenario() -> None:
        exports = exports_file(state, f"{share} 127.0.0.1({RW})")
        async with serving_nfsd(nfsd_setup(state, exports=exports)) as daemon:
            root = await daemon.mount(share)
            assert await status_of(daemon, await found_in(daemon, root, b"hello")) is OK
            assert await mount_status(daemon, state) is mountstat3.MNT3ERR_ACCES

    run(scenario())


def test_directories_replace_the_files_of_exports(share: Path, state: Path) -> None:
    async def scenario() -> None:
        exports = exports_file(state, f"{state} *({RW})")
        made = nfsd_setup(state, exports=exports, directories=[str(share)], to=["*(insecure)"])
        async with serving_nfsd(made) as daemon:
            assert paths(daemon) == [bytes(share)]
            assert await status_of(daemon, await daemon.mount(share)) is OK

    run(scenario())


def test_handles_outlive_a_restart(share: Path, state: Path) -> None:
    async def scenario() -> None:
        made = nfsd_setup(state, exports=exports_file(state, f"{share} *({RW})"))
        async with serving_nfsd(made) as daemon:
            handle = await found_in(daemon, await daemon.mount(share), b"hello")
        moved = share.with_name("moved")
        share.rename(moved)
        exports_file(state, f"{moved} *({RW})")
        async with serving_nfsd(made) as daemon:
            assert await status_of(daemon, handle) is OK

    run(scenario())


def test_handles_without_state_end_with_the_daemon(share: Path, tmp_path: Path) -> None:
    async def scenario() -> None:
        made = nfsd_setup(None, exports=exports_file(tmp_path, f"{share} *({RW})"))
        async with serving_nfsd(made) as daemon:
            handle = await daemon.mount(share)
        async with serving_nfsd(made) as daemon:
            assert await status_of(daemon, handle) is STALE

    run(scenario())


@pytest.mark.parametrize("kept", [True, False])
def test_next_image_takes_handles_and_replies_over(
    share: Path, state: Path, tmp_path: Path, kept: bool
) -> None:
    async def scenario() -> None:
        exports = exports_file(tmp_path, f"{share} *({RW})")
        made = nfsd_setup(state if kept else None, exports=exports)
        async with serving_nfsd(made) as daemon:
            handle = await daemon.mount(share)
            left = daemon.app.leave()
        former = Handover(os.getpid(), left=msgspec.Raw(left))
        async with serving_nfsd(made, former) as daemon:
            assert await status_of(daemon, handle) is OK

    run(scenario())


def test_reload_changes_what_the_files_changed(
    share: Path, state: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def scenario() -> None:
        other, gone = tmp_path / "other", tmp_path / "gone"
        other.mkdir()
        gone.mkdir()
        exports = exports_file(state, f"{share} *({RW})", f"{gone} *({RW})")
        async with serving_nfsd(nfsd_setup(state, exports=exports)) as daemon:
            kept = await daemon.mount(share)
            dropped = await daemon.mount(gone)
            before = {each.path: each.filesystem for each in daemon.app.shares}
            exports_file(state, f"{share} *({RW},ro)", f"{other} *({RW})")
            caplog.set_level(logging.INFO, "oncrpc.config")
            assert daemon.reread() == ""
            assert "configuration read again; rules: 0; exports: 2" in caplog.messages
            after = {each.path: each.filesystem for each in daemon.app.shares}
            assert after.keys() == {bytes(share), bytes(other)}
            assert after[bytes(share)] is before[bytes(share)]
            assert await status_of(daemon, kept) is OK
            assert await status_of(daemon, dropped) is STALE
            assert [*daemon.app.shares.around(bytes(other))] != []

    run(scenario())


def test_faulty_exports_keep_the_former_ones(
    share: Path, state: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def scenario() -> None:
        exports = exports_file(state, f"{share} *({RW})")
        async with serving_nfsd(nfsd_setup(state, exports=exports)) as daemon:
            handle = await daemon.mount(share)
            exports_file(state, f"{share} *(rw,nonsense)")
            assert daemon.reread() == KEPT.format("an error", exports)
            assert daemon.reloads == {"success": 0, "failure": 1}
            assert await status_of(daemon, handle) is OK
            exports_file(state, f"{share} *(rw,nonsense) ::1(nonsense)")
            assert daemon.reread() == KEPT.format("2 errors", exports)
            exports_file(state, f"{share} *({RW})")
            assert daemon.reread() == ""

    run(scenario())

    assert f"{state}/exports:1:" in caplog.text
    assert "nonsense" in caplog.text


@pytest.mark.parametrize(
    ("name", "reason"),
    [("none", "no such file or directory"), ("file", NEITHER)],
)
def test_operand_has_to_be_a_directory(tmp_path: Path, name: str, reason: str) -> None:
    (tmp_path / "file").touch()
    setup = nfsd_setup(tmp_path, directories=[str(tmp_path), str(tmp_path / name)])

    with pytest.raises(StartError, match=f"^cannot export {tmp_path / name}: {reason}$"):
        setup.app().check(setup.source.read().config)


def test_missing_directory_is_exported_once_it_exists(share: Path, state: Path) -> None:
    async def scenario() -> None:
        late = share / "late"
        exports = exports_file(state, f"{late} *({RW})")
        async with serving_nfsd(nfsd_setup(state, exports=exports)) as daemon:
            assert paths(daemon) == []
            assert daemon.app.faults() == [f"{late} is not exported: no such file or directory"]
            late.mkdir()
            daemon.app.exported.settle()
            assert paths(daemon) == [bytes(late)]
            assert daemon.app.faults() == []

    run(scenario())


def test_directory_that_was_replaced_is_another_export(share: Path, state: Path) -> None:
    async def scenario() -> None:
        exports = exports_file(state, f"{share} *({RW})")
        async with serving_nfsd(nfsd_setup(state, exports=exports)) as daemon:
            handle = await daemon.mount(share)
            share.rename(share.with_name("old"))
            share.mkdir()
            daemon.reread()
            assert await status_of(daemon, handle) is STALE
            assert await status_of(daemon, await daemon.mount(share)) is OK
            shutil.rmtree(share.with_name("old"))

    run(scenario())


def test_two_exports_cannot_have_one_fsid(
    share: Path, state: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def scenario() -> None:
        other = tmp_path / "other"
        other.mkdir()
        exports = exports_file(state, f"{share} *({RW},fsid=7)", f"{other} *({RW},fsid=7)")
        async with serving_nfsd(nfsd_setup(state, exports=exports)) as daemon:
            (only,) = daemon.app.shares
            assert (only.path, only.fsid) == (bytes(share), 7)

    run(scenario())

    assert f"it has the fsid of {share}" in caplog.text


def test_only_configured_programs_and_versions_are_served(state: Path) -> None:
    async def scenario() -> None:
        async with serving_nfsd(
            nfsd_setup(state, exports=state / "none", only=["mount"])
        ) as daemon:
            with pytest.raises(ProgramUnavailable):
                await NFS_V3.Client(await daemon.link()).NFSPROC3_NULL()
            await MOUNT_V3.Client(await daemon.link()).MOUNTPROC3_NULL()
        made = nfsd_setup(state, exports=state / "none", nfs_versions=[3])
        async with serving_nfsd(made) as daemon:
            with pytest.raises(ProgramMismatch):
                await MOUNTVERS.Client(await daemon.link()).MOUNTPROC_NULL()

    run(scenario())


def free_port() -> int:
    """A port that is free on all transports."""
    listeners = nfsd_setup(None).listeners()
    port: int = listeners.sockets[0][0].getsockname()[1]
    listeners.close()
    return port


async def mapped(daemon: RunningNfsd, prog: int, vers: int) -> int:
    """What GETPORT of the embedded port mapper answers for TCP."""
    mapper = PMAP_VERS.Client(await daemon.link(port=daemon.port_of("mapper")))
    return await mapper.PMAPPROC_GETPORT(mapping(prog, vers, IPPROTO_TCP, 0))


def test_own_port_mapper_knows_each_port(state: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")

    async def scenario() -> None:
        mount_port = free_port()
        made = nfsd_setup(state, exports=state / "none", port_mapper="own", mount_port=mount_port)
        async with serving_nfsd(made) as daemon:
            assert await mapped(daemon, 100003, 3) == daemon.port
            assert await mapped(daemon, 100005, 3) == mount_port
            for prog, vers in ((100021, 1), (100021, 4), (100024, 1), (100011, 2), (100227, 3)):
                assert await mapped(daemon, prog, vers) == daemon.port
            assert await mapped(daemon, 100000, 2) == daemon.port_of("mapper")
            mount = MOUNT_V3.Client(await daemon.link(port=mount_port))
            await mount.MOUNTPROC3_NULL()
        assert f"; port {mount_port} (mount)" in caplog.text

    run(scenario())


def test_nobody_registers_with_own_port_mapper(state: Path) -> None:
    async def scenario() -> None:
        made = nfsd_setup(state, exports=state / "none", port_mapper="own")
        async with serving_nfsd(made) as daemon:
            mapper = PMAP_VERS.Client(await daemon.link(port=daemon.port_of("mapper")))
            with pytest.raises(AuthError):
                await mapper.PMAPPROC_SET(mapping(400001, 1, IPPROTO_TCP, 4000))
            with pytest.raises(AuthError):
                await mapper.PMAPPROC_UNSET(mapping(100003, 3, 0, 0))
            assert await mapped(daemon, 100003, 3) == daemon.port

    run(scenario())


def test_host_that_has_mounted_is_trusted(share: Path, state: Path) -> None:
    async def scenario() -> None:
        exports = exports_file(state, f"{share} *({RW})")
        async with serving_nfsd(nfsd_setup(state, exports=exports)) as daemon:
            before = daemon.udp_limits.generation
            assert not daemon.udp_limits.trusts(LOCALHOST)
            await daemon.mount(share)
            assert daemon.udp_limits.trusts(LOCALHOST)
            assert daemon.udp_limits.proves(LOCALHOST)
            assert daemon.udp_limits.generation != before
        async with serving_nfsd(nfsd_setup(state, exports=exports)) as daemon:
            assert daemon.udp_limits.trusts(LOCALHOST)

    run(scenario())


def test_export_is_mounted_by_its_link(share: Path, state: Path) -> None:
    async def scenario() -> None:
        link = state / "link"
        link.symlink_to(share)
        exports = exports_file(state, f"{link} *({RW})")
        async with serving_nfsd(nfsd_setup(state, exports=exports)) as daemon:
            assert await daemon.mount(link) == await daemon.mount(share)

    run(scenario())


def test_groups_of_the_host_are_used_if_configured(state: Path, tmp_path: Path) -> None:
    async def scenario() -> None:
        file = tmp_path / "nfsd.toml"
        file.write_text("[identity]\nmanage-gids = true\n[mount]\nlist-all = false\n")
        file.chmod(0o644)
        made = nfsd_setup(state, exports=state / "none", file=str(file))
        async with serving_nfsd(made) as daemon:
            part = daemon.app.part(MountPart)
            assert part is not None
            mounting = part.program
            assert daemon.app.shares.groups_of is not None
            assert mounting.only_allowed
            file.write_text("")
            daemon.reread()
            assert daemon.app.shares.groups_of is None
            assert not mounting.only_allowed

    run(scenario())
