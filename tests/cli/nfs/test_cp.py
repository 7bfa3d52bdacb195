"""``nfs cp``: what it copies, its messages, its exit status, and how it goes on after Ctrl-C."""

from __future__ import annotations

import os
import shlex
import signal
from pathlib import Path
from typing import Any

import pytest

from oncrpc.nfs import SyncRemoteFileSystem
from oncrpc.nfs.backends.memory import MemoryFileSystem
from oncrpc.nfs.filesystem import Identity
from support.nfs_commands import run_nfs, served_tree

NAMES = [f"file {number}" for number in range(60)]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "tree" / "sub").mkdir(parents=True)
    (tmp_path / "tree" / "sub" / "a").write_bytes(b"a")
    (tmp_path / "tree" / "link").symlink_to("sub/a")
    return tmp_path / "tree"


def fill(fs: SyncRemoteFileSystem) -> None:
    fs.mkdir("many")
    for name in NAMES:
        fs.write_bytes(f"many/{name}", name.encode())


def names_of(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


def test_tree_goes_to_a_server_and_back(folder: Path, tmp_path: Path) -> None:
    with served_tree() as tree:
        there = run_nfs("cp", "-r", str(folder), tree.url("/copy"))
        back = run_nfs("cp", "-rp", tree.url("/copy"), str(tmp_path / "back"))

    assert [there, back] == [(0, b"", "")] * 2
    assert names_of(tmp_path / "back") == ["link", "sub", "sub/a"]


def test_tree_goes_between_servers(folder: Path) -> None:
    with served_tree() as first, served_tree() as second:
        run_nfs("cp", "-r", str(folder), first.url())
        outcome = run_nfs("cp", "-r", first.url("/tree"), second.url())

        assert outcome == (0, b"", "")
        assert second.run("ls", "/tree/sub").lines == ["a"]


def test_content_of_a_directory_is_copied(folder: Path, tmp_path: Path) -> None:
    with served_tree() as tree:
        run_nfs("cp", "-r", f"{folder}/.", tree.url())
        run_nfs("cp", "-r", tree.url("/sub/."), str(tmp_path))

    assert (tmp_path / "a").read_bytes() == b"a"


def test_verbose_prints_each_file(folder: Path) -> None:
    with served_tree() as tree:
        outcome = run_nfs("cp", "-v", str(folder / "sub" / "a"), tree.url("/a"))

    assert outcome.lines == [f"{folder}/sub/a -> {tree.base}/a"]


def test_errors_have_a_line_each_and_a_count(folder: Path) -> None:
    with served_tree() as tree:
        outcome = run_nfs("cp", str(folder), "/no/such", str(folder / "sub" / "a"), tree.url())

    assert outcome.status == 1
    assert outcome.err.splitlines() == [
        f"nfs cp: {folder}: it is a directory; -r copies directories",
        "nfs cp: /no/such: No such file or directory",
        "nfs cp: 2 of 3 files were not copied",
    ]


class Secret(MemoryFileSystem):
    """Refuses to read."""

    def read(self, who: Identity, file: bytes, offset: int, count: int) -> Any:
        raise PermissionError


def test_control_characters_never_reach_the_terminal(tmp_path: Path) -> None:
    def file(fs: SyncRemoteFileSystem) -> None:
        fs.mkdir("d")
        fs.write_bytes("d/\x1b[31m\nred", b"x")

    with served_tree(file, Secret(mode=0o777)) as tree:
        outcome = run_nfs("cp", "-r", tree.url("/d"), str(tmp_path))

    (line,) = outcome.err.splitlines()
    assert line.endswith(r"/d/\x1b[31m\x0ared: Permission denied (NFS3ERR_ACCES)")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("a", "b"), "no operand is a URL"),
        (("a", "nfs://127.0.0.1"), "names no export"),
        (("-T", "a", "b", "nfs://127.0.0.1/a"), "only one source"),
        (("-j", "0", "a", "nfs://127.0.0.1/a"), "invalid jobs 0"),
    ],
)
def test_wrong_command_line_is_refused(words: tuple[str, ...], message: str) -> None:
    outcome = run_nfs("cp", *words)

    assert outcome.status == 2
    assert message in outcome.err


def test_missing_target_directory_is_one_error(folder: Path, tmp_path: Path) -> None:
    with served_tree() as tree:
        outcome = run_nfs("cp", str(folder / "sub" / "a"), tree.url("/no/such"))

    assert outcome.status == 1
    assert "/no/such: No such file or directory (NFS3ERR_NOENT)" in outcome.err.splitlines()[0]


def test_unreachable_server_is_one_error(folder: Path, tmp_path: Path) -> None:
    with served_tree() as tree:
        gone = tree.url("/a")
    with served_tree() as tree:
        outcome = run_nfs("cp", gone, str(folder / "sub" / "a"), tree.url())

        assert tree.run("ls", "/").lines == []
    (line,) = outcome.err.splitlines()
    assert (outcome.status, "Connection refused" in line) == (1, True)


@pytest.mark.parametrize("at_once", [True, False])
def test_named_pipe_is_not_replaced(tmp_path: Path, at_once: bool) -> None:
    with served_tree() as tree:
        tree.run("touch", "/pipe")
        os.mkfifo(tmp_path / "pipe")
        target = tmp_path / "pipe" if at_once else tmp_path
        outcome = run_nfs("cp", tree.url("/pipe"), str(target))

    assert outcome.status == 1
    assert f"{tmp_path}/pipe: it is " in outcome.err
    assert (tmp_path / "pipe").is_fifo()


def test_copy_of_nothing_is_not_resumed(folder: Path) -> None:
    with served_tree() as tree:
        outcome = run_nfs("cp", f"{folder}/link", f"{folder}/sub/a", tree.url("/no"))

    assert outcome.err.splitlines() == [f"nfs cp: {tree.base}/no: it is not a directory"]


def test_exact_target_is_the_copy_itself(folder: Path) -> None:
    with served_tree() as tree:
        first = run_nfs("cp", "-rT", str(folder), tree.url())
        second = run_nfs("cp", "-T", str(folder / "sub" / "a"), tree.url("/sub"))

        assert first == (0, b"", "")
        assert "is a directory" in second.err
        assert tree.run("ls", "/").lines == ["link", "sub"]


class Interrupting(MemoryFileSystem):
    """Sends this process a SIGINT at the first READ."""

    interrupted = False

    def read(self, who: Identity, file: bytes, offset: int, count: int) -> Any:
        if not self.interrupted:
            self.interrupted = True
            os.kill(os.getpid(), signal.SIGINT)
        return super().read(who, file, offset, count)


@pytest.mark.slow
def test_interrupted_copy_tells_how_to_go_on(tmp_path: Path) -> None:
    with served_tree(fill, Interrupting(mode=0o777)) as tree:
        first = run_nfs("cp", "-r", tree.url("/many"), str(tmp_path / "copy"))
        (line,) = first.err.splitlines()
        before, _, command = line.partition("; go on with: nfs ")
        done = [name for name in os.listdir(tmp_path / "copy") if not name.startswith(".")]
        second = run_nfs(*shlex.split(command))

    assert first.status == 130
    assert before.startswith("nfs cp: interrupted after")
    assert len(done) < len(NAMES)
    assert second == (0, b"", "")
    copied = {path.name: path.read_text() for path in (tmp_path / "copy").iterdir()}
    assert copied == dict(zip(NAMES, NAMES, strict=True))


def test_full_server_stops_the_copy(folder: Path) -> None:
    with served_tree(backend=MemoryFileSystem(mode=0o777, max_bytes=9000)) as tree:
        (folder / "large").write_bytes(bytes(100_000))
        outcome = run_nfs("cp", "-r", str(folder), tree.url())

    assert outcome.status == 1
    assert "No space left on device (NFS3ERR_NOSPC)" in outcome.err
    assert "stopped after" in outcome.err.splitlines()[-1]
