"""The text for a person who starts nfsd: the commands that mount its exports."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from oncrpc.cli.nfsd.hint import has_locks, place_of
from oncrpc.nfs.daemon import mapping
from oncrpc.nfs.daemon.mapping import MAPPER_PORT
from support.loops import run
from support.nfs_daemons import nfsd_setup, serving_nfsd

PROGRAM = [sys.executable, "-m", "oncrpc.cli.nfsd"]


@pytest.mark.slow
def test_served_directory_is_announced_with_mount_commands(tmp_path: Path) -> None:
    share, state = tmp_path / "my share", tmp_path / "state"
    share.mkdir()
    state.mkdir(mode=0o700)
    options = ["-f", "-l", "-p", "0", "--port-mapper", "none", "--state-dir", str(state)]

    with subprocess.Popen(
        [*PROGRAM, *options, str(share)], stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stderr is not None
        lines = list[str]()
        while not lines or "Ctrl-C" not in lines[-1]:
            lines.append(process.stderr.readline())
            assert lines[-1], lines
        process.terminate()
        process.stderr.read()

    text = "".join(lines)
    assert process.returncode == 0
    assert f"nfsd: {share} is exported; to mount it:\n" in text
    assert "mount -t nfs -o vers=3,proto=tcp,port=" in text
    assert f"nolock '127.0.0.1:{share}' /mnt\n" in text
    assert f"nfs-ls 'nfs://127.0.0.1{share}?nfsport=" in text


@pytest.mark.parametrize("mapper", ["none", "own"])
def test_locks_need_the_usual_port_mapper(
    tmp_path: Path, mapper: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def scenario() -> None:
        tmp_path.chmod(0o700)
        made = nfsd_setup(tmp_path, exports=tmp_path / "none", port_mapper=mapper)
        async with serving_nfsd(made) as daemon:
            port = daemon.app.mapping.port_of(MAPPER_PORT)
            monkeypatch.setattr(mapping, "PMAP_PORT", port + 1)
            assert not has_locks(daemon.app)
            monkeypatch.setattr(mapping, "PMAP_PORT", port or 111)
            assert has_locks(daemon.app) is (mapper == "own")

    run(scenario())


def test_no_commands_without_mount(tmp_path: Path) -> None:
    async def scenario() -> None:
        tmp_path.chmod(0o700)
        made = nfsd_setup(tmp_path, exports=tmp_path / "none", only=["nfs"])
        async with serving_nfsd(made) as daemon:
            assert place_of(daemon.app) is None

    run(scenario())
