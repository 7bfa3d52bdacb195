"""The lines of ``nfsd -v``: client, user, procedure, path, outcome."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from oncrpc.programs.mount import MOUNT_V3, MOUNTVERS
from oncrpc.programs.nfs2 import NFS_VERSION, diropargs, readargs
from oncrpc.programs.nfs3 import (
    NFS_V3,
    GETATTR3args,
    LOOKUP3args,
    READ3args,
    RENAME3args,
    WRITE3args,
    diropargs3,
    nfs_fh3,
    stable_how,
)
from oncrpc.programs.nfsacl import NFS_ACL_V3, GETACL3args
from oncrpc.programs.nlm import NLM4_VERS, nlm4_lock, nlm4_testargs
from oncrpc.programs.sm_inter import SM_VERS, sm_name
from support.loops import run
from support.nfs_daemons import RW, RunningNfsd, exports_file, nfsd_setup, serving_nfsd

FROM = "127.0.0.1 uid 0: "


@pytest.fixture
def lines(caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    """The lines about calls."""
    caplog.set_level(logging.INFO, "oncrpc.calls")
    return caplog


def said(lines: pytest.LogCaptureFixture) -> list[str]:
    """The texts of the lines, without their beginning."""
    found = [each.getMessage() for each in lines.records if each.name == "oncrpc.calls"]
    assert all(each.startswith(FROM) for each in found), found
    lines.clear()
    return [each.removeprefix(FROM) for each in found]


def exported(state: Path, share: Path) -> Path:
    return exports_file(state, f"{share} *({RW})")


def test_calls_of_version_3_have_paths_and_outcomes(
    share: Path, state: Path, lines: pytest.LogCaptureFixture
) -> None:
    async def scenario() -> None:
        async with serving_nfsd(nfsd_setup(state, exports=exported(state, share))) as daemon:
            root = nfs_fh3(await daemon.mount(share))
            nfs, here = await daemon.nfs(), diropargs3(root, b"hello")
            found = await nfs.NFSPROC3_LOOKUP(LOOKUP3args(here))
            assert found.body is not None
            file = getattr(found.body, "object")  # noqa: B009  # of the arm for success
            await nfs.NFSPROC3_LOOKUP(LOOKUP3args(diropargs3(root, b"none")))
            await nfs.NFSPROC3_READ(READ3args(file, 2, 100))
            await nfs.NFSPROC3_WRITE(WRITE3args(file, 6, 3, stable_how.UNSTABLE, b"abc"))
            await nfs.NFSPROC3_RENAME(RENAME3args(here, diropargs3(root, b"new name")))
            await nfs.NFSPROC3_NULL()
        assert said(lines) == [
            f"mountd v3 MNT {share}: OK",
            f"nfs v3 LOOKUP {share}/hello: OK",
            f"nfs v3 LOOKUP {share}/none: NOENT",
            f"nfs v3 READ {share}/hello 100 bytes at 2: OK",
            f"nfs v3 WRITE {share}/hello 3 bytes at 6: OK",
            f"nfs v3 RENAME {share}/hello {share}/new name: OK",
            "nfs v3 NULL: success",
        ]

    run(scenario())


def test_calls_of_version_2_have_paths(
    share: Path, state: Path, lines: pytest.LogCaptureFixture
) -> None:
    async def scenario() -> None:
        async with serving_nfsd(nfsd_setup(state, exports=exported(state, share))) as daemon:
            mount = MOUNTVERS.Client(await daemon.link())
            root = (await mount.MOUNTPROC_MNT(bytes(share))).body
            assert root is not None
            nfs = NFS_VERSION.Client(await daemon.link())
            found = (await nfs.NFSPROC_LOOKUP(diropargs(root, b"hello"))).body
            assert found is not None
            await nfs.NFSPROC_READ(readargs(found.file, 0, 8, 0))
            await nfs.NFSPROC_GETATTR(root)
            await nfs.NFSPROC_RMDIR(diropargs(root, b"none"))
        assert said(lines) == [
            f"mountd v1 MNT {share}: OK",
            f"nfs v2 LOOKUP {share}/hello: OK",
            f"nfs v2 READ {share}/hello 8 bytes at 0: OK",
            f"nfs v2 GETATTR {share}: OK",
            f"nfs v2 RMDIR {share}/none: NOENT",
        ]

    run(scenario())


def test_calls_of_nfsacl_have_lines(
    share: Path, state: Path, lines: pytest.LogCaptureFixture
) -> None:
    async def scenario() -> None:
        async with serving_nfsd(nfsd_setup(state, exports=exported(state, share))) as daemon:
            root = await daemon.mount(share)
            acl = NFS_ACL_V3.Client(await daemon.link())
            await acl.ACLPROC3_GETACL(GETACL3args(nfs_fh3(root), 0))
        assert said(lines)[1:] == [f"nfs_acl v3 GETACL {share}: OK"]

    run(scenario())


def test_locks_and_the_monitor_have_lines(
    share: Path, state: Path, lines: pytest.LogCaptureFixture
) -> None:
    async def scenario() -> None:
        async with serving_nfsd(nfsd_setup(state, exports=exported(state, share))) as daemon:
            handle = await daemon.mount(share)
            lock = nlm4_lock(b"client", handle, b"owner", 7, 5, 0)
            locks = NLM4_VERS.Client(await daemon.link())
            await locks.NLMPROC4_TEST(nlm4_testargs(b"1", False, lock))
            monitor = SM_VERS.Client(await daemon.link())
            await monitor.SM_STAT(sm_name(b"client"))
        found = said(lines)[1:]
        assert found[0].startswith(f"nlockmgr v4 TEST client {share} shared all bytes at 5: ")
        assert found[0].rpartition(" ")[2].isupper()
        assert found[1].startswith("status v1 STAT client: ")

    run(scenario())


def test_lists_of_mounts_have_no_status(
    share: Path, state: Path, lines: pytest.LogCaptureFixture
) -> None:
    async def scenario() -> None:
        async with serving_nfsd(nfsd_setup(state, exports=exported(state, share))) as daemon:
            mount = MOUNT_V3.Client(await daemon.link())
            await mount.MOUNTPROC3_EXPORT()
            await mount.MOUNTPROC3_UMNT(b"/none")
        assert said(lines) == ["mountd v3 EXPORT: success", "mountd v3 UMNT /none: success"]

    run(scenario())


def test_refused_calls_have_lines(
    share: Path, state: Path, lines: pytest.LogCaptureFixture
) -> None:
    async def scenario() -> None:
        async with serving_nfsd(nfsd_setup(state, exports=exported(state, share))) as daemon:
            for version in (MOUNT_V3, MOUNTVERS):
                mount = version.Client(await daemon.link())
                await (
                    mount.MOUNTPROC3_MNT(b"/none")
                    if isinstance(mount, MOUNT_V3.Client)
                    else mount.MOUNTPROC_MNT(b"/none")
                )
            nfs = await daemon.nfs()
            await nfs.NFSPROC3_GETATTR(GETATTR3args(nfs_fh3(bytes(range(32)))))
        assert said(lines) == [
            "mountd v3 MNT /none: ACCES",
            "mountd v1 MNT /none: ACCES",
            "nfs v3 GETATTR handle 000102030405060708090a0b0c0d0e0f: BADHANDLE",
        ]

    run(scenario())


def test_line_has_its_parts_as_fields(
    share: Path, state: Path, lines: pytest.LogCaptureFixture
) -> None:
    async def scenario() -> None:
        async with serving_nfsd(nfsd_setup(state, exports=exported(state, share))) as daemon:
            await daemon.mount(share)
        (record,) = (each for each in lines.records if each.name == "oncrpc.calls")
        assert vars(record)["call"] | {"netid": ""} == {
            "source": "127.0.0.1", "uid": 0, "netid": "", "version": 3, "outcome": "OK",
            "procedure": "MOUNTPROC3_MNT", "about": str(share),
        }  # fmt: skip

    run(scenario())


def test_quiet_server_writes_no_lines(
    share: Path, state: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def scenario() -> None:
        async with serving_nfsd(nfsd_setup(state, exports=exported(state, share))) as daemon:
            await one_call(daemon, share)

    async def one_call(daemon: RunningNfsd, share: Path) -> None:
        await daemon.mount(share)

    caplog.set_level(logging.WARNING, "oncrpc.calls")
    run(scenario())

    assert [each for each in caplog.records if each.name == "oncrpc.calls"] == []


def test_bytes_that_are_not_utf_8_are_escaped(
    share: Path, state: Path, lines: pytest.LogCaptureFixture
) -> None:
    async def scenario() -> None:
        async with serving_nfsd(nfsd_setup(state, exports=exported(state, share))) as daemon:
            root, nfs = nfs_fh3(await daemon.mount(share)), NFS_V3.Client(await daemon.link())
            await nfs.NFSPROC3_LOOKUP(LOOKUP3args(diropargs3(root, b"\xff\n")))
        assert said(lines)[-1] == f"nfs v3 LOOKUP {share}/\\xff\n: NOENT"

    run(scenario())
