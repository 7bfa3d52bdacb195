"""The daemon of the command nfsd: in the background, and in the foreground."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from oncrpc.cli import daemon_command
from oncrpc.cli.nfsd import main
from oncrpc.cli.nfsd.options import COMMAND

PROGRAM = [sys.executable, "-m", "oncrpc.cli.nfsd"]


def test_background_daemon_has_the_same_options(monkeypatch: pytest.MonkeyPatch) -> None:
    run: list[object] = []

    def serves(_app: object, *given: object, **_: object) -> int:
        run.extend(given)
        return 0

    monkeypatch.setattr(daemon_command, "main", serves)

    assert main(["--port-mapper", "none"]) == 0
    assert run == [COMMAND, ["--port-mapper", "none"]]


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
