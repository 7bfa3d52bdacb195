"""Looking for files by inode number."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from oncrpc.nfs.backends.local import table_search
from oncrpc.nfs.backends.local.table_search import BURST, Patience, directories_with, listing


@pytest.fixture
def root(tmp_path: Path) -> Iterator[int]:
    for path in ("a/b", "c/d/e"):
        (tmp_path / path).mkdir(parents=True)
    (tmp_path / "c" / "d" / "f").write_text("x")
    descriptor = os.open(tmp_path, os.O_PATH)
    yield descriptor
    os.close(descriptor)


def ino(root: int, path: str) -> int:
    return os.stat(path, dir_fd=root).st_ino


def test_listing_has_names_numbers_and_kinds(root: int) -> None:
    directory = os.open("c/d", os.O_PATH, dir_fd=root)

    found = listing(directory)

    os.close(directory)
    assert sorted(found) == [
        (b"e", ino(root, "c/d/e"), True),
        (b"f", ino(root, "c/d/f"), False),
    ]


def test_listing_ends_after_the_limit(root: int) -> None:
    assert len(listing(root, 1)) == 1


def test_unreadable_directory_has_an_empty_listing(root: int) -> None:
    file = os.open("c/d/f", os.O_PATH, dir_fd=root)

    assert listing(file) == []

    os.close(file)


def test_file_is_found_in_another_branch(root: int) -> None:
    assert list(directories_with(ino(root, "c/d/f"), root, near=(b"a", b"b"))) == [(b"c", b"d")]


def test_every_directory_with_the_file_is_found(root: int) -> None:
    os.link("c/d/f", "a/b/other", src_dir_fd=root, dst_dir_fd=root)

    found = list(directories_with(ino(root, "c/d/f"), root, near=(b"a", b"b")))

    assert found == [(b"a", b"b"), (b"c", b"d")]


def test_search_does_not_follow_links(root: int) -> None:
    os.symlink("/", "a/out", dir_fd=root)
    os.symlink("..", "a/up", dir_fd=root)

    assert list(directories_with(os.stat("/etc/passwd").st_ino, root, near=())) == []


def test_directory_that_is_gone_is_skipped(root: int) -> None:
    assert list(directories_with(ino(root, "a/b"), root, near=(b"gone", b"x"))) == [(b"a",)]


def test_search_ends_after_the_limit(root: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(table_search, "MAX_SEARCHED", 3)

    assert list(directories_with(ino(root, "c/d/f"), root, near=())) == []


def test_patience_ends_and_returns_slowly() -> None:
    now = 0.0
    patience = Patience(lambda: now)
    assert patience

    with patience:
        now += 2 * BURST
    assert not patience
    now += BURST
    assert not patience
    now += 10 * BURST

    assert patience
