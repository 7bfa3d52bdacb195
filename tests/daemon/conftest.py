"""Fixtures shared by the tests of the daemon."""

from __future__ import annotations

from support.loggers import loggers
from support.stored_registry import written

__all__ = ["loggers", "written"]
