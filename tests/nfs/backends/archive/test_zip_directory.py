"""``oncrpc.nfs.backends.archive.zip_directory``: members are counted before memory is taken."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import pytest

from oncrpc.nfs.backends.archive import ArchiveError, ArchiveFileSystem
from oncrpc.nfs.backends.archive import zip_directory as tested
from oncrpc.nfs.backends.archive.zip_directory import check_directory

COUNT = 50


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """An archive with ``COUNT`` members, a comment, and something before it."""
    path = tmp_path / "a.zip"
    path.write_bytes(b"#!/bin/sh\n")
    with zipfile.ZipFile(path, "a") as archive:
        archive.comment = b"a comment"
        for number in range(COUNT):
            archive.writestr(f"member {number}", b"")
    return path


@pytest.fixture
def file(path: Path) -> Iterator[BinaryIO]:
    """The archive, open."""
    with path.open("rb", buffering=0) as file:
        yield file


def test_too_many_members_are_refused(file: BinaryIO) -> None:
    check_directory(file, max_files=COUNT)
    with pytest.raises(ArchiveError, match=f"more than {COUNT - 1} files"):
        check_directory(file, max_files=COUNT - 1)


def test_stated_number_of_files_is_ignored(path: Path) -> None:
    data = bytearray(path.read_bytes())
    end = data.rfind(b"PK\5\6")
    data[end + 8 : end + 12] = bytes(4)
    path.write_bytes(data)

    with path.open("rb") as file, pytest.raises(ArchiveError, match="more than 9 files"):
        check_directory(file, max_files=9)


def test_directory_is_read_in_pieces(file: BinaryIO, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tested, "PIECE", 100)

    with pytest.raises(ArchiveError, match=f"more than {COUNT - 1} files"):
        check_directory(file, max_files=COUNT - 1)


def test_large_directory_is_refused(file: BinaryIO, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tested, "MAX_DIRECTORY", 100)

    with pytest.raises(ArchiveError, match="more than 100 bytes"):
        check_directory(file, max_files=COUNT)


def test_large_archive_is_counted_by_its_other_record(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(zipfile, "ZIP_FILECOUNT_LIMIT", COUNT - 1)  # then it is a ZIP64
    path = tmp_path / "64.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for number in range(COUNT):
            archive.writestr(f"member {number}", b"")
    data = bytearray(path.read_bytes())
    end = data.rfind(b"PK\5\6")
    assert data.count(b"PK\6\6") == 1
    data[end + 8 : end + 20] = b"\xff" * 12
    path.write_bytes(data)

    with path.open("rb") as file, pytest.raises(ArchiveError, match="more than 9 files"):
        check_directory(file, max_files=9)


@pytest.mark.parametrize("data", [b"", b"PK", b"PK\5\6", b"PK\5\6" + b"\xff" * 18, bytes(100)])
def test_other_files_are_left_alone(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "file").write_bytes(data)

    with (tmp_path / "file").open("rb") as file:
        if data.count(b"\xff"):
            with pytest.raises(ArchiveError):
                check_directory(file, max_files=1)
        else:
            check_directory(file, max_files=1)


def test_archive_is_checked_when_opened(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tested, "MAX_DIRECTORY", 100)

    with pytest.raises(ArchiveError, match="more than 100 bytes"):
        ArchiveFileSystem(path)
