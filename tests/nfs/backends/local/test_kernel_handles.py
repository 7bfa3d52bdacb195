"""Ids are the kernel's handles: they follow a file, and never lead to another one."""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from oncrpc.nfs.backends.local import kernel_handles
from oncrpc.nfs.backends.local.kernel_handles import TRIES, KernelHandles, NoKernelHandles
from oncrpc.nfs.backends.local.objects import OpenObject, looked_at
from oncrpc.nfs.backends.local.syscalls import KernelHandle, open_by_handle_at
from oncrpc.nfs.filesystem import MAX_ID_V2
from support.errnos import fails_with

LOOK = os.O_PATH | os.O_NOFOLLOW


@pytest.fixture
def handles(place: Path) -> Iterator[KernelHandles]:
    handles = KernelHandles(str(place))
    yield handles
    handles.close()


def opened(path: Path) -> OpenObject:
    return looked_at(os.open(path, LOOK))


def id_of(handles: KernelHandles, path: Path) -> bytes:
    found = opened(path)
    try:
        return handles.id_of(found, directory=b"", name=os.fsencode(path.name))
    finally:
        os.close(found.descriptor)


def inode(handles: KernelHandles, file: bytes) -> int:
    """The inode number of the file with an id."""
    found = handles.open(file)
    os.close(found.descriptor)
    return found.stat.st_ino


def test_root_is_the_directory(handles: KernelHandles, place: Path) -> None:
    assert inode(handles, handles.root) == place.stat().st_ino
    assert id_of(handles, place) == handles.root


@pytest.mark.parametrize("kind", ["file", "directory", "symlink", "fifo"])
def test_id_opens_its_file(handles: KernelHandles, place: Path, kind: str) -> None:
    path = place / "it"
    make: dict[str, Callable[[], None]] = {
        "file": path.touch,
        "directory": path.mkdir,
        "symlink": lambda: path.symlink_to("nowhere"),
        "fifo": lambda: os.mkfifo(path),
    }
    make[kind]()

    file = id_of(handles, path)

    assert inode(handles, file) == path.lstat().st_ino
    assert len(file) <= MAX_ID_V2


def test_id_survives_rename_and_move(handles: KernelHandles, place: Path) -> None:
    (place / "a/b").mkdir(parents=True)
    (place / "other").mkdir()
    path = place / "a/b/file"
    path.touch()
    file, number = id_of(handles, path), path.stat().st_ino

    path.rename(place / "a/b/renamed")
    (place / "a").rename(place / "other/moved")

    assert inode(handles, file) == number
    assert id_of(handles, place / "other/moved/b/renamed") == file


def test_id_survives_a_restart(place: Path) -> None:
    (place / "file").touch()
    before = KernelHandles(str(place))
    file = id_of(before, place / "file")
    before.close()

    after = KernelHandles(str(place))

    assert inode(after, file) == (place / "file").stat().st_ino
    assert after.root == before.root
    after.close()


def test_links_have_one_id(handles: KernelHandles, place: Path) -> None:
    (place / "one").touch()
    (place / "two").hardlink_to(place / "one")

    assert id_of(handles, place / "one") == id_of(handles, place / "two")


def test_removed_file_is_stale(handles: KernelHandles, place: Path) -> None:
    (place / "file").touch()
    file = id_of(handles, place / "file")
    (place / "file").unlink()

    with fails_with(errno.ESTALE):
        handles.open(file)


def test_removed_open_file_is_stale(handles: KernelHandles, place: Path) -> None:
    with (place / "file").open("w"):
        file = id_of(handles, place / "file")
        (place / "file").unlink()

        with fails_with(errno.ESTALE):
            handles.open(file)


def test_reused_inode_is_stale(handles: KernelHandles, place: Path) -> None:
    """A file that gets the number of a removed one is not taken for it."""
    path = place / "file"
    lost = dict[int, bytes]()
    for _ in range(200):
        path.touch()
        number = path.stat().st_ino
        if number in lost:
            break
        lost[number] = id_of(handles, path)
        path.unlink()
    else:
        pytest.skip("this file system does not use inode numbers again so soon")

    with fails_with(errno.ESTALE):
        handles.open(lost[number])
    assert inode(handles, id_of(handles, path)) == number


@pytest.mark.slow
@settings(max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.binary(max_size=44))
def test_made_up_ids_open_only_existing_files(handles: KernelHandles, file: bytes) -> None:
    """The signature keeps them out; the kernel must be safe from them all the same."""
    try:
        os.close(handles.open(file).descriptor)
    except OSError as error:
        outcome = error.errno
    else:
        outcome = errno.ESTALE

    assert outcome == errno.ESTALE


def test_parent_is_the_directory_above(handles: KernelHandles, place: Path) -> None:
    (place / "a/b").mkdir(parents=True)
    found = opened(place / "a/b")

    assert handles.parent(found, directory=b"") == id_of(handles, place / "a")
    os.close(found.descriptor)


@pytest.mark.slow
def test_parent_of_a_deep_directory_is_found(handles: KernelHandles, place: Path) -> None:
    path = place.joinpath(*["d"] * 100)
    path.mkdir(parents=True)
    found = opened(path)

    assert handles.parent(found, directory=b"") == id_of(handles, path.parent)
    os.close(found.descriptor)


def test_parent_outside_is_refused(handles: KernelHandles, place: Path) -> None:
    """Claim: nothing above the root is reached by ``..``, also after a local move."""
    outside = place.parent / f"{place.name}-outside"
    (place / "inside").mkdir()
    found = opened(place / "inside")
    try:
        (place / "inside").rename(outside)

        with fails_with(errno.EACCES):
            handles.parent(found, directory=b"")
    finally:
        os.close(found.descriptor)
        shutil.rmtree(outside, ignore_errors=True)


def test_file_of_another_volume_has_no_id(place: Path, tmp_path: Path) -> None:
    elsewhere = Path("/proc/self")
    handles = KernelHandles(str(place))

    with fails_with(errno.EOPNOTSUPP):
        id_of(handles, elsewhere)
    handles.close()


def test_file_system_without_handles_is_refused() -> None:
    if os.geteuid() != 0:
        pytest.skip("needs root, to open handles")
    with pytest.raises(NoKernelHandles):
        KernelHandles("/proc")


def test_missing_directory_is_no_question_of_handles(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        KernelHandles(str(tmp_path / "gone"))


def test_descriptors_are_closed(place: Path) -> None:
    before = os.listdir("/proc/self/fd")
    handles = KernelHandles(str(place))
    (place / "file").touch()
    with fails_with(errno.ESTALE):
        handles.open(b"\x01nothing")
    inode(handles, id_of(handles, place / "file"))

    handles.close()

    assert set(os.listdir("/proc/self/fd")) <= set(before)


def refuse(monkeypatch: pytest.MonkeyPatch, times: int) -> None:
    """The kernel says ENOMEM so many times, as ext4 does while an inode number is used again."""
    left = [errno.ENOMEM] * times

    def refusing(mount: int, handle: KernelHandle, flags: int) -> int:
        if left:
            raise OSError(left.pop(), "refused")
        return open_by_handle_at(mount, handle, flags)

    monkeypatch.setattr(kernel_handles, "open_by_handle_at", refusing)


def test_handle_is_tried_again_for_a_while(
    handles: KernelHandles, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (place / "a").touch()
    file = id_of(handles, place / "a")
    refuse(monkeypatch, TRIES - 1)

    assert inode(handles, file) == (place / "a").stat().st_ino


def test_lasting_lack_of_memory_is_reported(
    handles: KernelHandles, monkeypatch: pytest.MonkeyPatch
) -> None:
    refuse(monkeypatch, TRIES)

    with fails_with(errno.ENOMEM):
        handles.open(handles.root)
