"""System errors that a test expects, by their number."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

import pytest


@contextmanager
def fails_with(number: int) -> Iterator[None]:
    """The block raises an ``OSError`` with this errno."""
    with pytest.raises(OSError, match=r".*") as caught:
        yield
    assert caught.value.errno == number, f"{caught.value!r}, not {os.strerror(number)}"
