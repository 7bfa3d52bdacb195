"""A directory to export, and a directory for the state."""

from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture
def share(tmp_path: Path) -> Path:
    """An exported directory with a file."""
    folder = tmp_path / "share"
    folder.mkdir()
    (folder / "hello").write_text("hello\n")
    return folder


@pytest.fixture
def state(tmp_path: Path) -> Path:
    """A state directory."""
    folder = tmp_path / "state"
    folder.mkdir(mode=0o700)
    return folder
