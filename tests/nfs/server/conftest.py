"""Fixtures of the server's tests."""

from __future__ import annotations

from typing import Any

import pytest

from support.exported import Exported, answering_later, memory


@pytest.fixture(params=[lambda files: files, answering_later], ids=["at once", "later"])
def exported(request: pytest.FixtureRequest) -> Exported:
    """A file system in memory, whose answers come at once, or later."""
    made: Any = request.param(memory())
    return Exported(made)
