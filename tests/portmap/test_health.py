"""Health of a daemon, and the faults that it reports."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from oncrpc.portmap.health import faults
from oncrpc.programs.rpcb import rpcb
from support.daemons import Daemon, serving, stateful
from support.loops import run

ENTRY = rpcb(400001, 1, b"tcp", b"0.0.0.0.8.1", b"superuser")


def test_a_daemon_that_answers_and_keeps_is_well(tmp_path: Path) -> None:
    async def scenario() -> list[str]:
        async with serving(stateful(tmp_path)) as made:
            return list(faults(made.app))

    assert run(scenario()) == []


def test_a_daemon_that_keeps_nothing_is_well(tmp_path: Path) -> None:
    async def scenario() -> list[str]:
        async with serving(stateful(tmp_path, state_dir=None, state=False)) as made:
            return list(faults(made.app))

    assert run(scenario()) == []


def test_a_daemon_that_is_ending_is_not(tmp_path: Path) -> None:
    async def scenario() -> list[str]:
        async with serving(stateful(tmp_path)) as made:
            made.ended.set()
            return list(faults(made.app))

    assert run(scenario()) == ["the daemon is ending"]


def test_a_dispatcher_that_does_not_answer_is_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def scenario() -> list[str]:
        async with serving(stateful(tmp_path)) as made:
            monkeypatch.setattr(made.server.dispatcher, "handle", lambda message, caller: None)
            return list(faults(made.app))

    assert run(scenario()) == ["NULL is not answered"]


def full(made: Daemon) -> None:
    """Make the store's next change fail."""

    def write(_descriptor: int, _data: object) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    assert made.app.store is not None
    made.app.store.write = write


def test_failing_store_is_unhealthy_until_it_works(tmp_path: Path) -> None:
    async def scenario() -> tuple[list[str], list[str]]:
        async with serving(stateful(tmp_path)) as made:
            assert made.app.store is not None
            write = made.app.store.write
            full(made)
            with pytest.raises(OSError, match="No space"):
                made.app.registry.set(ENTRY)
            while_full = list(faults(made.app))
            made.app.store.write = write
            made.app.registry.set(ENTRY)
            assert (made.app.store.appends, made.app.store.failures) == (1, 1)
            return while_full, list(faults(made.app))

    while_full, then = run(scenario())
    assert while_full == ["registrations cannot be kept: the last change could not be written"]
    assert then == []


@pytest.mark.parametrize(
    ("flag", "blocks", "fault"),
    [(os.ST_RDONLY, 10, "the file system is read-only"), (0, 0, "the file system is full")],
)
def test_full_file_system_is_unhealthy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, flag: int, blocks: int, fault: str
) -> None:
    status = os.statvfs_result((4096, 4096, 10, blocks, blocks, 10, 10, 10, flag, 255))

    async def scenario() -> list[str]:
        async with serving(stateful(tmp_path)) as made:
            with monkeypatch.context() as patched:
                patched.setattr(os, "fstatvfs", lambda descriptor: status)
                return list(faults(made.app))

    assert run(scenario()) == [f"registrations cannot be kept: {fault}"]
