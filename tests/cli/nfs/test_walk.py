"""``oncrpc.cli.nfs.walk``: limits of recursive listings."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from oncrpc.cli.nfs import walk
from oncrpc.cli.nfs.output import ErrorReport
from oncrpc.cli.nfs.session import NfsOperand, RemotePlace
from oncrpc.cli.nfs.walk import Budget, Visit, visits
from oncrpc.errors import LimitExceeded
from oncrpc.nfs.client.blocking import SyncRemoteFileSystem
from oncrpc.nfs.client.results import FileHandle, FileStat, RemoteEntry
from oncrpc.nfs.client.url import NfsUrl

DIRECTORY = FileStat(0o40755, 2, 0, 0, 0, 0, (0, 0), 1, 1, 0, 0, 0)
OPERAND = NfsOperand(NfsUrl("host", b"/"), "nfs://host/", "", "/")


class Endless(SyncRemoteFileSystem):
    """A file system in which each directory has one directory of a name; others have a loop."""

    def __init__(self, name: str = "d", *, loop: bool = False) -> None:
        self.name, self.loop, self.listed = name, loop, 0

    def handle(self, path: object) -> FileHandle:
        return FileHandle(b"0")

    def scandir(self, path: object = "/") -> Iterator[RemoteEntry]:
        self.listed += 1
        handle = b"0" if self.loop else str(self.listed).encode()
        yield RemoteEntry(self.name, DIRECTORY, FileHandle(handle))


def errors_of(fs: Endless, capsys: pytest.CaptureFixture[str]) -> str:
    """Walk a file system to its end; returns the reported errors."""
    budget, errors = Budget(), ErrorReport("nfs ls")
    start = Visit.of(RemotePlace(OPERAND, fs, "/", "/"))

    visits(start, lambda visit: budget.keep(visit.entries()), budget, errors)

    assert budget.left == walk.MAX_KEPT
    return capsys.readouterr().err


def test_depth_is_limited(capsys: pytest.CaptureFixture[str]) -> None:
    fs = Endless()

    assert errors_of(fs, capsys).endswith(f"/d: over {walk.MAX_DEPTH} directories deep\n")
    assert fs.listed == walk.MAX_DEPTH + 1


def test_directory_that_contains_itself_is_left(capsys: pytest.CaptureFixture[str]) -> None:
    fs = Endless(loop=True)

    assert errors_of(fs, capsys) == "nfs ls: /d: the directory contains itself: it is /\n"


def test_long_path_is_left(capsys: pytest.CaptureFixture[str]) -> None:
    fs = Endless("n" * 5000)

    assert f"a path of over {walk.MAX_SHOWN_PATH} bytes\n" in errors_of(fs, capsys)
    assert fs.listed == 1 + walk.MAX_SHOWN_PATH // 5001


def test_memory_of_entries_is_limited(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(walk, "MAX_KEPT", 10 * walk.ENTRY_COST)
    budget = Budget()

    with pytest.raises(LimitExceeded, match="MiB of entries: list them with 'nfs ls -U'"):
        budget.keep(RemoteEntry(os.sep, DIRECTORY, FileHandle(b"h")) for _ in iter(int, 1))

    assert budget.left == walk.MAX_KEPT
