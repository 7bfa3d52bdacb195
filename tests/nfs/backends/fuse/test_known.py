"""``oncrpc.nfs.backends.fuse.known``."""

from __future__ import annotations

import errno

import pytest

from oncrpc.nfs.backends.fuse.known import MAX_PATH, KnownFiles


def stale(files: KnownFiles, number: bytes) -> bool:
    """Whether an id is stale."""
    try:
        files.get(number)
    except OSError as error:
        return error.errno == errno.ESTALE
    return False


def test_moved_file_keeps_its_id() -> None:
    files = KnownFiles()
    directory, other = files.add(files.root, b"d"), files.add(files.root, b"e")
    file = files.add(directory, b"a")

    files.unlink(directory, b"a")
    files.link(file, other, b"b")

    assert files.get(files.id_of(file)) is file
    assert files.path(file) == b"/e/b"
    assert files.find(directory, b"a") is None


def test_new_file_with_a_name_has_another_id() -> None:
    files = KnownFiles()
    old = files.add(files.root, b"a")
    files.remove(old)

    new = files.named(files.root, b"a")

    assert files.id_of(new) != files.id_of(old)
    assert stale(files, files.id_of(old))


def test_least_recently_used_file_is_forgotten() -> None:
    files = KnownFiles(3)
    first, second = files.add(files.root, b"1"), files.add(files.root, b"2")
    files.get(files.id_of(first))

    files.add(files.root, b"3")

    assert stale(files, files.id_of(second))
    assert files.find(files.root, b"2") is None
    assert files.get(files.id_of(first)) is first
    assert len(files) == 3


def test_directory_of_known_files_stays() -> None:
    files = KnownFiles(3)
    directory = files.add(files.root, b"d")
    file = files.add(directory, b"a")

    other = files.add(files.root, b"b")

    assert stale(files, files.id_of(file))
    assert files.path(directory) == b"/d"
    assert files.path(other) == b"/b"


def test_file_below_a_removed_directory_is_stale() -> None:
    files = KnownFiles()
    directory = files.add(files.root, b"d")
    file = files.add(directory, b"a")

    files.remove(directory)

    with pytest.raises(OSError, match="Stale") as raised:
        files.path(file)
    assert raised.value.errno == errno.ESTALE


def test_path_has_a_longest_length() -> None:
    files = KnownFiles()
    file = files.root
    for _ in range(MAX_PATH // 256):
        file = files.add(file, b"n" * 255)
    assert len(files.path(file)) == MAX_PATH

    with pytest.raises(OSError, match="too long"):
        files.path(files.add(file, b"n"))


def test_ids_of_another_table_are_stale() -> None:
    files, others = KnownFiles(), KnownFiles()

    for number in (others.id_of(others.root), b"", bytes(16)):
        assert stale(files, number)


def test_table_holds_at_least_two_files() -> None:
    with pytest.raises(ValueError, match="at least 2"):
        KnownFiles(1)
