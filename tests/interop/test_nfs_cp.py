"""``nfs cp`` with a large tree: interrupted and resumed, with nfsd and with ganesha."""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from support.ganesha import start_ganesha
from support.hosts import Host, portmap
from support.namespace import PYTHON, environment, need
from support.nfs_host import NfsHost

pytestmark = [pytest.mark.interop, pytest.mark.slow]

NFS = (PYTHON, "-m", "oncrpc.cli.nfs")
FOLDERS = 100
DEADLINE = 120.0


def make_tree(top: Path, files: int) -> dict[str, bytes]:
    """A tree of small files; returns their content."""
    made = {f"{number % FOLDERS}/{number}": b"%d" % number * 50 for number in range(files)}
    for number in range(FOLDERS):
        (top / str(number)).mkdir(parents=True)
    for name, data in made.items():
        (top / name).write_bytes(data)
    return made


def content(top: Path) -> dict[str, bytes]:
    """The content of all files of a tree, and of partial copies."""
    return {
        os.path.relpath(Path(folder, name), top): Path(folder, name).read_bytes()
        for folder, _, names in os.walk(top)
        for name in names
    }


@contextmanager
def terminal() -> Iterator[tuple[int, list[bytes]]]:
    """A pseudo-terminal, and what is written to it."""
    ours, theirs = os.openpty()
    written = list[bytes]()

    def read() -> None:
        try:
            while data := os.read(ours, 65536):
                written.append(data)
        except OSError:  # the last process has closed it
            return

    reader = threading.Thread(target=read)
    reader.start()
    try:
        yield theirs, written
    finally:
        os.close(theirs)
        reader.join(DEADLINE)
        os.close(ours)


def interrupted(host: Host, *words: str, after: int) -> str:
    """Press Ctrl-C after a number of files; returns what the terminal shows."""
    with terminal() as (error, written):
        process = subprocess.Popen(
            host.entered([*NFS, "cp", "-v", *words]),
            stdout=subprocess.PIPE, stderr=error, text=True, env=environment(),
        )  # fmt: skip
        assert process.stdout is not None
        with process.stdout:
            for count, _ in enumerate(process.stdout, 1):
                if count == after:
                    process.send_signal(signal.SIGINT)
        assert process.wait(DEADLINE) == 130
    return b"".join(written).decode()


def resumed(host: Host, screen: str) -> None:
    """Run the command that the interrupted copy has printed; it must print nothing."""
    command = screen.partition("go on with: nfs ")[2].partition("\r\n")[0]
    words = [word for word in shlex.split(command) if word != "-v"]
    ended = host.run([*NFS, *words], timeout=DEADLINE)
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "", "")


def test_ten_thousand_files_survive_interruptions(tmp_path: Path) -> None:
    made = make_tree(tmp_path / "source", 10_000)
    with NfsHost("/srv/tmpfs *(rw,no_root_squash,fsid=1)") as host:
        url = "nfs://127.0.0.1/srv/tmpfs/copy"
        there = interrupted(host, "-r", str(tmp_path / "source"), url, after=6000)
        assert 6000 <= len(content(Path(host.path("/srv/tmpfs/copy")))) < 10_000
        resumed(host, there)
        back = interrupted(host, "-r", url, str(tmp_path / "back"), after=6000)
        assert len(content(tmp_path / "back")) < 10_000
        resumed(host, back)

        assert content(Path(host.path("/srv/tmpfs/copy"))) == made
    assert content(tmp_path / "back") == made
    assert "files, " in there.partition("interrupted")[0]


def test_tree_is_the_same_by_ganesha(tmp_path: Path) -> None:
    need("ganesha.nfsd")
    made = make_tree(tmp_path / "source", 200)
    with Host() as host:
        host.start(portmap())
        server = start_ganesha(host, tmp_path)
        try:
            url = "nfs://127.0.0.1/srv/nfs/copy"
            for words in ((str(tmp_path / "source"), url), (url, str(tmp_path / "back"))):
                ended = host.run([*NFS, "cp", "-rp", *words])
                assert (ended.returncode, ended.stderr) == (0, "")
        finally:
            server.terminate()
            server.wait()
    assert content(tmp_path / "back") == made
    times = [(tmp_path / side / "7" / "7").stat().st_mtime_ns for side in ("source", "back")]
    assert times[0] == times[1]
