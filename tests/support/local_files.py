"""Directories of this host to export in tests, and back ends for them."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

TMPFS = Path("/dev/shm")  # a tmpfs on every Linux host
PLACES = ("disk", "tmpfs")
"""Where directories can be: pytest's own place for temporary files, or a tmpfs."""


@contextmanager
def directory_on(place: str, tmp_path: Path) -> Iterator[Path]:
    """An empty directory that everybody may use, at one of the places.

    Skips the test where there is no such place, or the test may not open handles.
    """
    if os.geteuid() != 0:
        pytest.skip("needs root, to open handles and to take identities")
    if place == "disk":
        path = tmp_path / "export"
        path.mkdir()
    elif os.access(TMPFS, os.W_OK):
        path = Path(tempfile.mkdtemp(prefix="oncrpc-", dir=TMPFS))
    else:
        pytest.skip(f"{TMPFS} is missing")
    path.chmod(0o777)
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)
