"""What the tests of the port mapper are given."""

from __future__ import annotations

import pytest

from .callers import PortMapper


@pytest.fixture
def mapper() -> PortMapper:
    return PortMapper()
