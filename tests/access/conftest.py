"""What the tests of access control share."""

from __future__ import annotations

import pytest

from support.callers import PortMapper


@pytest.fixture
def mapper() -> PortMapper:
    return PortMapper()
