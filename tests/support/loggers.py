"""A fixture that restores the loggers after a test."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import pytest

from oncrpc.daemon.log.setup import FILTERED


@pytest.fixture
def loggers() -> Iterator[None]:
    """Restore the loggers after the test."""
    names = (
        "oncrpc",
        "oncrpc.calls",
        "oncrpc.access",
        "oncrpc.config",
        *(f"oncrpc.{name}" for name in (*FILTERED, "portmap")),
    )
    kept = []
    for name in names:
        logger = logging.getLogger(name)
        state = (list(logger.handlers), list(logger.filters), logger.level, logger.propagate)
        kept.append((logger, state))
    raises = logging.raiseExceptions
    yield
    logging.raiseExceptions = raises
    for logger, (handlers, filters, level, propagate) in kept:
        logger.handlers[:], logger.filters[:] = handlers, filters
        logger.setLevel(level)
        logger.propagate = propagate
