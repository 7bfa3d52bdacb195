"""``nfsd`` exports archives as directories."""

from __future__ import annotations

import os
import zipfile
from contextlib import suppress
from pathlib import Path

import pytest

from oncrpc.nfs.backends.archive.filesystem import SPOOL_BYTES
from oncrpc.nfs.daemon import archives
from oncrpc.nfs.daemon.archives import Archives
from oncrpc.nfs.filesystem import Identity
from oncrpc.programs.nfs3 import GETATTR3args, READ3args, READ3resok, nfs_fh3, nfsstat3
from support.hosts import until
from support.loops import run
from support.nfs_daemons import RW, RunningNfsd, exports_file, nfsd_setup, serving_nfsd

ROOT = Identity(0, 0)


def zip_of(path: Path, text: str) -> Path:
    """An archive with a file ``hello``."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("hello", text)
    return path


async def text_of(daemon: RunningNfsd, file: bytes) -> bytes:
    """The data of a file."""
    nfs = await daemon.nfs()
    found = await nfs.NFSPROC3_READ(READ3args(nfs_fh3(file), 0, 100))
    assert isinstance(found.body, READ3resok), found
    return found.body.data


def test_archive_is_exported_as_a_directory(tmp_path: Path, state: Path) -> None:
    async def scenario() -> None:
        path = zip_of(tmp_path / "a.zip", "hello")
        exports = exports_file(state, f"{path} *({RW})")
        async with serving_nfsd(nfsd_setup(state, exports=exports)) as daemon:
            assert await text_of(daemon, await daemon.file(path / "hello")) == b"hello"
            assert daemon.app.exported.ids_of(bytes(path)) == "archive"

    run(scenario())


def test_replaced_archive_is_opened_by_a_reload(tmp_path: Path, state: Path) -> None:
    async def scenario() -> None:
        path = zip_of(tmp_path / "a.zip", "old")
        exports = exports_file(state, f"{path} *({RW})")
        async with serving_nfsd(nfsd_setup(state, exports=exports)) as daemon:
            old = await daemon.file(path / "hello")
            zip_of(tmp_path / "new", "newer").rename(path)
            daemon.reread()
            nfs = await daemon.nfs()
            found = await nfs.NFSPROC3_GETATTR(GETATTR3args(nfs_fh3(old)))
            assert found.status is nfsstat3.NFS3ERR_STALE
            assert await text_of(daemon, await daemon.file(path / "hello")) == b"newer"

    run(scenario())


def test_damaged_archive_is_reported(tmp_path: Path, state: Path) -> None:
    async def scenario() -> None:
        path = zip_of(tmp_path / "a.zip", "hello")
        os.truncate(path, 60)
        exports = exports_file(state, f"{path} *({RW})")
        async with serving_nfsd(nfsd_setup(state, exports=exports)) as daemon:
            (fault,) = daemon.app.faults()
            assert fault.startswith(f"{path} is not exported: the zip archive is damaged")

    run(scenario())


def test_slow_archive_is_exported_later(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = bytes(zip_of(tmp_path / "a.zip", "hello"))
    opening = Archives()
    monkeypatch.setattr(archives, "PATIENCE", 0)
    found = []

    def ready() -> bool:
        with suppress(BlockingIOError):
            found.append(opening.open(path))
        return bool(found)

    until(ready, "the archive is read")
    assert found[0].lookup(ROOT, found[0].root, b"hello")
    found[0].close()


def test_processes_share_the_temporary_space(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("zeros", bytes(1 << 20))

    async def scenario(processes: int) -> int:
        files = Archives(processes=processes).open(bytes(tmp_path / "a.zip"))
        try:
            file = files.lookup(ROOT, files.root, b"zeros")
            return len(await files.read(ROOT, file, 0, 1 << 16))
        finally:
            files.close()

    assert run(scenario(2)) == 1 << 16
    with pytest.raises(OSError, match="File too large"):
        run(scenario(SPOOL_BYTES))
