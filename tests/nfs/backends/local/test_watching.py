"""Noticing that local processes change files of a directory."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from oncrpc.nfs.backends.local import watching
from oncrpc.nfs.backends.local.watching import Watches


@pytest.fixture
def watches() -> Iterator[Watches]:
    found = Watches()
    yield found
    found.close()


def watched(watches: Watches, path: Path) -> int:
    path.mkdir(exist_ok=True)
    descriptor = os.open(path, os.O_RDONLY)
    try:
        return watches.add(descriptor)
    finally:
        os.close(descriptor)


def test_changes_of_files_are_told(watches: Watches, tmp_path: Path) -> None:
    number = watched(watches, tmp_path)
    former = watches.changes(number)
    file = tmp_path / "file"

    for change in (
        file.touch,
        lambda: file.write_bytes(b"data"),
        lambda: file.chmod(0o600),
        lambda: os.utime(file),
        file.unlink,
    ):
        assert watches.changes(number) == former
        change()
        assert watches.changes(number) != former
        former = watches.changes(number)


def test_other_directories_are_not_affected(watches: Watches, tmp_path: Path) -> None:
    one, two = (watched(watches, tmp_path / name) for name in ("one", "two"))
    former = watches.changes(two)

    (tmp_path / "one" / "file").touch()

    assert watches.changes(two) == former
    assert one != two


def test_too_many_watches_drop_all(
    watches: Watches, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watching, "MAX_WATCHES", 1)
    number = watched(watches, tmp_path / "one")
    former = watches.changes(number)

    watched(watches, tmp_path / "two")

    assert watches.changes(number) != former


def test_a_file_cannot_be_watched(watches: Watches, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    descriptor = os.open(tmp_path / "file", os.O_RDONLY)

    with pytest.raises(NotADirectoryError):
        watches.add(descriptor)
    os.close(descriptor)
