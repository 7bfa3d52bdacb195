"""The C daemon's files beside a running registry."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import pytest

from oncrpc.daemon.config.values import StartError
from oncrpc.portmap import warm_files
from oncrpc.portmap.config import WARM_START
from oncrpc.portmap.registry import Registry
from oncrpc.portmap.warm_files import WarmFiles, check
from oncrpc.portmap.warmstart import RPCBIND, WarmStart
from support.callers import registered
from support.loops import run

ENTRY = registered(400001, 1)


def written(folder: Path) -> Path:
    """A directory with one registration in its files."""
    registry = Registry()
    assert registry.set(ENTRY)
    assert WarmStart(str(folder)).save(registry)
    return folder


def test_registrations_of_the_files_are_restored(tmp_path: Path) -> None:
    registry = Registry()

    WarmFiles(str(written(tmp_path)), registry).load()

    assert list(registry) == [ENTRY]


def test_unwritable_files_are_read_with_a_warning(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(warm_files.os, "access", lambda *_: False)  # type: ignore[attr-defined]  # os
    registry = Registry()
    files = WarmFiles(str(written(tmp_path)), registry)

    files.load()

    assert list(registry) == [ENTRY]
    assert not files.active
    assert f"may not write to {tmp_path}; registrations are not written there" in caplog.text


def test_files_that_may_not_be_written_stay(tmp_path: Path) -> None:
    async def scenario() -> None:
        registry = Registry()
        files = WarmFiles(str(tmp_path), registry)
        files.active = False
        assert registry.set(ENTRY)
        files.changed()
        files.settle()

    run(scenario())

    assert os.listdir(tmp_path) == []


def test_a_change_is_written_in_the_event_loop(tmp_path: Path) -> None:
    async def scenario() -> None:
        registry = Registry()
        files = WarmFiles(str(tmp_path), registry)
        assert registry.set(ENTRY)
        files.changed()
        await asyncio.sleep(0)
        files.settle()

    run(scenario())

    assert (tmp_path / RPCBIND).exists()


@pytest.mark.parametrize("path", [WARM_START, "/nonexistent/dir/file"])
def test_a_missing_directory_is_refused(path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(warm_files.os.path, "isdir", lambda _: False)  # type: ignore[attr-defined]  # os

    with pytest.raises(StartError, match=r"is missing; create it for the user"):
        check(path)
