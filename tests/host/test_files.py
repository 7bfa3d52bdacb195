"""Files that others could have prepared, and files that are replaced."""

from __future__ import annotations

import errno
import os
from functools import partial
from pathlib import Path

import pytest

from oncrpc.host.files import FileFault, fault_of, replace_file, write_whole


@pytest.mark.parametrize(
    ("mode", "forbidden", "fault"),
    [
        (0o600, 0o077, None),
        (0o644, 0o022, None),
        (0o644, 0o077, FileFault.OPEN),
        (0o620, 0o022, FileFault.OPEN),
        (0o602, 0o022, FileFault.OPEN),
    ],
)
def test_mode_must_not_have_forbidden_bits(
    tmp_path: Path, mode: int, forbidden: int, fault: FileFault | None
) -> None:
    path = tmp_path / "file"
    path.touch()
    path.chmod(mode)

    assert fault_of(path.stat(), owners=[os.geteuid()], forbidden=forbidden) is fault


def test_foreign_owner_is_a_fault(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.touch()

    assert fault_of(path.stat(), owners=[os.geteuid() + 1], forbidden=0) is FileFault.FOREIGN


def test_only_regular_files_are_believed(tmp_path: Path) -> None:
    status = tmp_path.stat()

    assert fault_of(status, owners=[status.st_uid], forbidden=0) is FileFault.NOT_REGULAR


@pytest.mark.parametrize("left", ["nothing", "file", "link"])
def test_replaced_file_has_the_new_bytes(tmp_path: Path, left: str) -> None:
    path, beside, victim = (tmp_path / name for name in ("file", "file.new", "victim"))
    path.write_bytes(b"old")
    victim.write_bytes(b"victim")
    if left == "file":
        beside.write_bytes(b"of a crash")
    elif left == "link":
        beside.symlink_to(victim)

    os.close(replace_file(str(path), partial(write_whole, data=b"new"), mode=0o644))

    assert (path.read_bytes(), path.stat().st_mode & 0o777) == (b"new", 0o644)
    assert victim.read_bytes() == b"victim"
    assert not beside.exists()


def test_failed_replacement_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"old")

    def write(descriptor: int) -> None:
        os.write(descriptor, b"half")
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with pytest.raises(OSError, match="No space"):
        replace_file(str(path), write)

    assert [each.name for each in tmp_path.iterdir()] == ["file"]
    assert path.read_bytes() == b"old"


def test_paths_are_relative_to_the_folder(tmp_path: Path) -> None:
    folder = os.open(tmp_path, os.O_RDONLY | os.O_DIRECTORY)

    os.close(replace_file("file", partial(write_whole, data=b"new"), folder=folder))
    os.close(folder)

    assert (tmp_path / "file").read_bytes() == b"new"


def test_short_writes_are_continued(tmp_path: Path) -> None:
    with open(tmp_path / "file", "wb") as file:
        count = write_whole(
            file.fileno(), b"0123456789", write=lambda to, data: os.write(to, data[:3])
        )

    assert count == 10
    assert (tmp_path / "file").read_bytes() == b"0123456789"
