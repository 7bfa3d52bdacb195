"""``nfs cat``: content of files on standard output."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator

import pytest

from oncrpc import nfs
from oncrpc.cli.command import BROKEN_PIPE
from support.nfs_commands import ServedTree, served_tree

BINARY = bytes(range(256)) * 8


def fill(fs: nfs.SyncRemoteFileSystem) -> None:
    fs.write_bytes("binary", BINARY)
    fs.write_bytes("empty", b"")
    fs.write_bytes("large", BINARY * 3000)
    fs.mkdir("dir")


@pytest.fixture(scope="module")
def tree() -> Iterator[ServedTree]:
    with served_tree(fill) as served:
        yield served


@pytest.mark.parametrize("terminal", [False, True])
def test_files_are_written_one_after_another(tree: ServedTree, terminal: bool) -> None:
    written = tree.run("cat", "/binary", "/empty", "/large", terminal=terminal)

    assert (written.status, written.err) == (0, "")
    assert written.data == BINARY * 3001


def test_other_files_follow_an_error(tree: ServedTree) -> None:
    written = tree.run("cat", "/none", "/dir", "/binary")

    assert (written.status, written.data) == (1, BINARY)
    assert written.err.splitlines() == [
        "nfs cat: /none: No such file or directory (NFS3ERR_NOENT)",
        "nfs cat: /dir: Is a directory (NFS3ERR_ISDIR)",
    ]


@pytest.mark.slow
def test_broken_pipe_is_quiet(tree: ServedTree) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    command = [sys.executable, "-m", "oncrpc.cli.nfs", "cat", tree.url("/large")]

    with open(writing, "wb") as pipe:
        ended = subprocess.run(command, stdout=pipe, stderr=subprocess.PIPE, check=False)

    assert ended.stderr == b""
    assert ended.returncode in (BROKEN_PIPE, -signal.SIGPIPE)
