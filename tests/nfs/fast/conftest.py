"""A directory whose calls are answered by both paths."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from oncrpc.nfs.backends.local import cached_files, content
from support.local_files import PLACES, directory_on
from support.two_paths import TwoPaths

CONTENT = bytes(range(256)) * 1024


def fill(path: Path) -> None:
    """Make files of all kinds, of several users."""
    (path / "file").write_bytes(CONTENT)
    (path / "small").write_bytes(b"small!")
    (path / "secret").write_bytes(b"only of ann")
    (path / "program").write_bytes(b"#!")
    (path / "closed").mkdir(mode=0o700)
    (path / "closed" / "inner").write_bytes(b"inner")
    (path / "open").mkdir()
    (path / "open" / "inner").write_bytes(b"inner")
    (path / "link").symlink_to("file")
    os.mkfifo(path / "pipe", 0o644)
    for name, mode in {"file": 0o664, "secret": 0o600, "program": 0o711, "small": 0o644}.items():
        (path / name).chmod(mode)
        os.chown(path / name, 1000, 7 if name == "file" else 1001)
    os.chown(path / "closed", 1000, 1001)


@pytest.fixture(autouse=True)
def patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a slow disk of the test's host be no reason to let workers write."""
    monkeypatch.setattr(content, "WAITED", 60.0)
    monkeypatch.setattr(cached_files, "WRITTEN", 60.0)


@pytest.fixture(params=PLACES)
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Path]:
    """A directory with some files."""
    with directory_on(request.param, tmp_path) as path:
        fill(path)
        yield path


@pytest.fixture
def both(place: Path) -> Iterator[TwoPaths]:
    """That directory, exported."""
    with asyncio.Runner() as runner:
        found = TwoPaths(place, runner)
        yield found
        found.close()
