"""System calls of Linux that Python does not have."""

from __future__ import annotations

import errno
import os
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from oncrpc.nfs.backends.local import syscalls
from oncrpc.nfs.backends.local.syscalls import (
    NOBODY_AT_ALL,
    RESOLVE_BENEATH,
    RESOLVE_NO_SYMLINKS,
    UTIME_NOW,
    UTIME_OMIT,
    capget,
    capset,
    faccessat2,
    fchownat,
    file_system_type,
    getdents64,
    name_to_handle_at,
    open_by_handle_at,
    openat2,
    rename_without_replacing,
    setfsgid,
    setfsuid,
    setgroups,
    statx,
    syncfs,
    utimensat,
)
from support.errnos import fails_with

PROC_SUPER_MAGIC = 0x9FA0

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[int]:
    """A descriptor of an empty directory."""
    descriptor = os.open(tmp_path, os.O_RDONLY | os.O_DIRECTORY)
    yield descriptor
    os.close(descriptor)


@pytest.fixture
def file(folder: int) -> Iterator[int]:
    """An O_PATH descriptor of the file ``f``."""
    os.close(os.open("f", os.O_CREAT | os.O_WRONLY, 0o640, dir_fd=folder))
    descriptor = os.open("f", os.O_PATH, dir_fd=folder)
    yield descriptor
    os.close(descriptor)


@needs_root
def test_handle_opens_the_same_file(folder: int, file: int) -> None:
    by_name, by_descriptor = name_to_handle_at(folder, b"f"), name_to_handle_at(file)

    again = open_by_handle_at(folder, by_name, os.O_PATH)

    assert by_name == by_descriptor
    assert os.path.sameopenfile(again, file)
    os.close(again)


@needs_root
def test_handle_of_a_removed_file_is_stale(folder: int) -> None:
    os.close(os.open("g", os.O_CREAT | os.O_WRONLY, dir_fd=folder))
    handle = name_to_handle_at(folder, b"g")
    os.unlink("g", dir_fd=folder)

    with fails_with(errno.ESTALE):
        open_by_handle_at(folder, handle, os.O_PATH)


@pytest.mark.parametrize(
    ("name", "expected"), [(b"..", errno.EXDEV), (b"gone", errno.ENOENT), (b"a\0b", errno.EINVAL)]
)
def test_openat2_refuses_names(folder: int, name: bytes, expected: int) -> None:
    with fails_with(expected):
        openat2(folder, name, os.O_PATH, resolve=RESOLVE_BENEATH)


def test_openat2_finds_a_symlink_itself(folder: int) -> None:
    os.symlink("target", "link", dir_fd=folder)
    flags = os.O_PATH | os.O_NOFOLLOW

    found = openat2(folder, b"link", flags, resolve=RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS)

    assert os.readlink("", dir_fd=found) == "target"
    os.close(found)


def test_directory_resumes_at_each_offset(folder: int) -> None:
    for number in range(20):
        os.close(os.open(f"name{number}", os.O_CREAT, dir_fd=folder))
    entries = getdents64(folder, 4096)

    for at, entry in enumerate(entries):
        os.lseek(folder, entry.offset, os.SEEK_SET)
        assert getdents64(folder, 4096) == entries[at + 1 :]


def test_directory_entries_have_names_and_inodes(folder: int, file: int) -> None:
    found = {entry.name: entry.fileid for entry in getdents64(folder, 4096)}

    assert found.keys() == {b".", b"..", b"f"}
    assert found[b"f"] == os.fstat(file).st_ino


def test_removed_directory_has_no_entries(tmp_path: Path) -> None:
    (tmp_path / "d").mkdir()
    gone = os.open(tmp_path / "d", os.O_RDONLY)
    (tmp_path / "d").rmdir()

    with pytest.raises(FileNotFoundError):
        getdents64(gone, 4096)

    os.close(gone)


def test_statx_agrees_with_fstat(file: int) -> None:
    found, status = statx(file), os.fstat(file)

    assert (found.ino, found.mode, found.links) == (status.st_ino, status.st_mode, status.st_nlink)


def test_files_of_one_mount_have_its_number(folder: int, file: int) -> None:
    proc = os.open("/proc", os.O_PATH)

    assert statx(file).mount == statx(folder).mount != statx(proc).mount

    os.close(proc)


def test_file_system_has_its_magic_number() -> None:
    proc = os.open("/proc", os.O_PATH)

    assert file_system_type(proc) == PROC_SUPER_MAGIC

    os.close(proc)


def test_birth_time_is_no_later_than_change(file: int) -> None:
    born = statx(file).birth

    assert born is None or 0 < born <= os.fstat(file).st_ctime_ns


def test_utimensat_sets_nanoseconds_through_path_descriptor(file: int) -> None:
    utimensat(file, (1, 999_999_999), (4_000_000_000, 1))

    found = os.fstat(file)
    assert (found.st_atime_ns, found.st_mtime_ns) == (1_999_999_999, 4_000_000_000_000_000_001)


def test_utimensat_omits_and_takes_the_clock(file: int) -> None:
    utimensat(file, (5, 0), (5, 0))

    utimensat(file, (0, UTIME_OMIT), (0, UTIME_NOW))

    found = os.fstat(file)
    assert found.st_atime == 5
    assert found.st_mtime > 5


def test_utimensat_refuses_times_out_of_range(file: int) -> None:
    with fails_with(errno.EINVAL):
        utimensat(file, (1 << 70, 0), (0, 0))


def test_utimensat_changes_a_symlink_itself(folder: int) -> None:
    os.symlink("/nowhere", "link", dir_fd=folder)
    link = os.open("link", os.O_PATH | os.O_NOFOLLOW, dir_fd=folder)

    utimensat(link, (7, 0), (8, 0))

    assert os.fstat(link).st_mtime == 8
    os.close(link)


def test_rename_without_replacing_keeps_the_existing(folder: int, file: int) -> None:
    os.close(os.open("g", os.O_CREAT, dir_fd=folder))

    with pytest.raises(FileExistsError):
        rename_without_replacing(folder, b"g", folder, b"f")
    rename_without_replacing(folder, b"g", folder, b"h")

    assert sorted(os.listdir(folder)) == ["f", "h"]


def test_syncfs_takes_a_directory(folder: int) -> None:
    syncfs(folder)


@needs_root
def test_fchownat_changes_owner_or_group(file: int) -> None:
    fchownat(file, 1001, -1)
    fchownat(file, -1, 1002)

    found = os.fstat(file)
    assert (found.st_uid, found.st_gid) == (1001, 1002)


def in_a_thread(work: object) -> None:
    assert callable(work)
    thread = threading.Thread(target=work)
    thread.start()
    thread.join()


@needs_root
def test_identity_is_that_of_one_thread(folder: int, file: int) -> None:
    seen: list[object] = []

    def work() -> None:
        setgroups([7, 8])
        setfsgid(1001)
        setfsuid(1000)
        seen.append((setfsuid(NOBODY_AT_ALL), setfsgid(NOBODY_AT_ALL)))
        seen.append(os.getgroups())
        seen.append(faccessat2(file, os.R_OK))

    before = os.getgroups()
    in_a_thread(work)

    assert seen == [(1000, 1001), [7, 8], False]
    assert (setfsuid(NOBODY_AT_ALL), os.getgroups()) == (0, before)
    assert faccessat2(file, os.R_OK | os.W_OK)


@needs_root
def test_capabilities_of_a_thread_change_alone(file: int) -> None:
    seen = []

    def work() -> None:
        capset(capget()._replace(effective=0))
        seen.append(capget().effective)

    in_a_thread(work)

    assert seen == [0]
    assert capget().effective != 0


def test_access_to_a_closed_descriptor_raises() -> None:
    with fails_with(errno.EBADF):
        faccessat2(1 << 20, os.R_OK)


def test_missing_functions_raise_enosys(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(syscalls, "_SETGROUPS", None)

    with fails_with(errno.ENOSYS):
        setgroups([])
