"""Fixtures of the status monitor's tests."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from oncrpc.daemon.state.directory import Directory


@pytest.fixture
def directory(tmp_path: Path) -> Iterator[Directory]:
    """A state directory."""
    tmp_path.chmod(0o700)
    opened = Directory(str(tmp_path))
    yield opened
    opened.close()
