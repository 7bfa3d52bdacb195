"""Recognising files."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from oncrpc.nfs.backends.local import marks
from oncrpc.nfs.backends.local.marks import OVERLAYFS, FileMark, mark_of
from oncrpc.nfs.backends.local.syscalls import KernelHandle, Statx
from support.errnos import fails_with


def mark(path: Path | str) -> FileMark:
    descriptor = os.open(path, os.O_PATH | os.O_NOFOLLOW)
    try:
        return mark_of(descriptor)
    finally:
        os.close(descriptor)


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> dict[str, object]:
    """What the kernel tells about every file."""
    told: dict[str, object] = {"birth": 7, "type": 0xEF53, "handle": b"generation"}

    def handle(_: int, *, only_id: bool) -> KernelHandle:
        found = told["handle"]
        if not isinstance(found, bytes) or only_id is not (told["type"] == OVERLAYFS):
            raise OSError(errno.EOPNOTSUPP, "no handles")
        return KernelHandle(1, found)

    def status(_: int) -> Statx:
        birth = told["birth"]
        mount = told["type"]  # types are remembered by mount
        assert isinstance(mount, int)
        return Statx(mount, 5, 0o100644, 1, birth if isinstance(birth, int) else None)

    monkeypatch.setattr(marks, "statx", status)
    monkeypatch.setattr(marks, "name_to_handle_at", handle)
    monkeypatch.setattr(marks, "file_system_type", lambda _: told["type"])
    return told


def test_mark_stays_the_same_over_rename_and_change(tmp_path: Path) -> None:
    file = tmp_path / "a"
    file.write_text("x")
    before = mark(file)

    file.write_text("longer")
    file.chmod(0o600)
    os.utime(file, (1, 1))
    file.rename(tmp_path / "b")

    assert mark(tmp_path / "b") == before


def test_names_of_one_file_have_one_mark(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("x")
    os.link(tmp_path / "a", tmp_path / "b")

    assert mark(tmp_path / "a") == mark(tmp_path / "b")
    assert mark(tmp_path / "a").links == 2


def test_reused_inode_number_has_another_mark(tmp_path: Path) -> None:
    seen = set[FileMark]()

    for _ in range(50):
        (tmp_path / "a").write_text("x")
        seen.add(mark(tmp_path / "a"))
        (tmp_path / "a").unlink()

    assert len(seen) == 50


def test_file_system_without_births_has_weak_marks() -> None:
    file, directory = mark("/proc/version"), mark("/proc")

    assert file.weak
    assert directory.weak
    assert (file.is_directory, directory.is_directory) == (False, True)
    assert file.birth != directory.birth


def test_either_time_or_handle_makes_a_mark_strong(told: dict[str, object]) -> None:
    both = mark("/")
    told["birth"] = None
    handle = mark("/")
    told["birth"], told["handle"] = 7, None
    time = mark("/")

    assert len({both.birth, handle.birth, time.birth}) == 3
    assert not any(each.weak for each in (both, handle, time))


def test_same_birth_time_differs_in_the_handle(told: dict[str, object]) -> None:
    first = mark("/")
    told["handle"] = b"next generation"

    assert mark("/") != first


def test_overlay_is_recognised_by_the_handle_alone(told: dict[str, object]) -> None:
    told["type"] = OVERLAYFS
    before = mark("/")
    told["birth"] = 8  # copied up

    assert mark("/") == before
    assert not before.weak


def test_overlay_without_handles_is_weak(told: dict[str, object]) -> None:
    told["type"], told["handle"] = OVERLAYFS, None

    assert mark("/").weak


def test_handles_of_other_file_systems_are_not_believed(told: dict[str, object]) -> None:
    told["type"], told["birth"] = 0x65735546, None  # FUSE

    assert mark("/").weak


def test_closed_descriptor_has_no_mark() -> None:
    with fails_with(errno.EBADF):
        mark_of(-5)
