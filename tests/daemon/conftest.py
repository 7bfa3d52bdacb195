"""What the tests of a daemon share."""

from __future__ import annotations

from support.kept import written
from support.loggers import loggers

__all__ = ["loggers", "written"]
