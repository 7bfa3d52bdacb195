"""Files that were just opened."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from oncrpc.nfs.backends.local.objects import looked_at, stale
from support.errnos import fails_with


def test_object_has_the_attributes_of_its_file(tmp_path: Path) -> None:
    descriptor = os.open(tmp_path, os.O_PATH)

    found = looked_at(descriptor)

    assert found == (descriptor, os.stat(tmp_path))
    os.close(descriptor)


def test_descriptor_is_closed_if_attributes_fail(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    descriptor = os.open(tmp_path, os.O_PATH)

    def broken(_: int) -> os.stat_result:
        raise OSError(errno.EIO, "broken disk")

    with monkeypatch.context() as patch, fails_with(errno.EIO):
        patch.setattr(os, "fstat", broken)
        looked_at(descriptor)

    with fails_with(errno.EBADF):
        os.fstat(descriptor)


def test_stale_is_the_errno_of_lost_files() -> None:
    assert stale().errno == errno.ESTALE
