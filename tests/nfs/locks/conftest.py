"""A state directory for the tests of locks."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from oncrpc.daemon.state.directory import Directory


@pytest.fixture
def directory(tmp_path: Path) -> Iterator[Directory]:
    place = tmp_path / "state"
    place.mkdir(mode=0o700)
    found = Directory(str(place))
    yield found
    found.close()
