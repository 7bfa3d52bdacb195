"""Errors for what is missing on this host, and the times that libfuse passes."""

from __future__ import annotations

import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest

from oncrpc.nfs.filesystem import NOW
from oncrpc.nfs.fusemount import libfuse
from oncrpc.nfs.fusemount.libfuse import (
    UTIME_NOW,
    UTIME_OMIT,
    MountUnavailable,
    check_library,
    time_of,
)


def test_missing_mfusepy_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "mfusepy", None)

    with pytest.raises(MountUnavailable, match=r"pip install 'oncrpc\[fuse\]'"):
        check_library()


def test_missing_device_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(sys.modules, "mfusepy", ModuleType("mfusepy"))
    monkeypatch.setattr(libfuse, "DEVICE", str(tmp_path / "fuse"))

    with pytest.raises(MountUnavailable, match="modprobe fuse"):
        check_library()


def test_complete_host_is_accepted(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(sys.modules, "mfusepy", ModuleType("mfusepy"))
    monkeypatch.setattr(libfuse, "DEVICE", str(tmp_path))

    check_library()


def test_times_of_utimensat_are_known() -> None:
    times = [
        SimpleNamespace(tv_sec=2, tv_nsec=nanoseconds) for nanoseconds in (1, UTIME_NOW, UTIME_OMIT)
    ]

    assert [time_of(each) for each in times] == [2_000_000_001, NOW, None]
