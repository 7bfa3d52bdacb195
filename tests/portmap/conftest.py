"""What the tests of the port mapper share."""

from __future__ import annotations

import pytest

from support.callers import PortMapper
from support.loggers import loggers
from support.stored_registry import written

__all__ = ["loggers", "written"]


@pytest.fixture
def mapper() -> PortMapper:
    return PortMapper()
