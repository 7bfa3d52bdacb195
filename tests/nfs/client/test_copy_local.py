"""The local tree of a copy stays within its directory."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from oncrpc.nfs.client.copy_local import LocalDirectory, LocalTree
from oncrpc.nfs.client.copy_tree import CopyOperand
from oncrpc.nfs.filesystem import NewAttributes
from oncrpc.rpc.blocking import run

TIME = 1_700_000_000_000_000_001
TREE = LocalTree()


def opened(path: Path) -> LocalDirectory:
    found = run(TREE.directory(os.fsencode(path)))
    assert found is not None
    directory = found.directory
    assert isinstance(directory, LocalDirectory)
    return directory


@pytest.fixture
def outside(tmp_path: Path) -> Path:
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "file").write_bytes(b"secret")
    (tmp_path / "in").mkdir()
    return tmp_path / "outside"


def test_link_is_not_entered(outside: Path, tmp_path: Path) -> None:
    (tmp_path / "in" / "link").symlink_to(outside)
    directory = opened(tmp_path / "in")
    entry = run(TREE.find(directory, b"link"))
    assert entry is not None

    with pytest.raises(NotADirectoryError):
        run(TREE.enter(directory, entry))
    TREE.leave(directory)


@pytest.mark.parametrize("size", [None, 100])
def test_link_with_temporary_name_is_not_followed(
    outside: Path, tmp_path: Path, size: int | None
) -> None:
    (tmp_path / "in" / "partial").symlink_to(outside / "file")
    directory = opened(tmp_path / "in")

    partial = run(TREE.begin(directory, b"partial", mode=0o600, size=size))
    run(partial.write(0, memoryview(b"new")))
    run(partial.put(b"name", [NewAttributes(mode=0o640, mtime=TIME)]))
    partial.close()
    TREE.leave(directory)

    assert (outside / "file").read_bytes() == b"secret"
    assert (tmp_path / "in" / "name").read_bytes() == b"new"
    assert (tmp_path / "in" / "name").stat().st_mtime_ns == TIME
    assert os.listdir(tmp_path / "in") == ["name"]


def test_hard_linked_partial_copy_is_not_continued(outside: Path, tmp_path: Path) -> None:
    os.link(outside / "file", tmp_path / "in" / "partial")
    directory = opened(tmp_path / "in")

    partial = run(TREE.begin(directory, b"partial", mode=0o600, size=100))
    run(partial.write(0, memoryview(b"new")))
    partial.close()
    TREE.leave(directory)

    assert (outside / "file").read_bytes() == b"secret"


def test_replaced_partial_copy_is_refused(tmp_path: Path) -> None:
    directory = opened(tmp_path)
    partial = run(TREE.begin(directory, b"partial", mode=0o600, size=None))
    (tmp_path / "partial").unlink()
    (tmp_path / "partial").write_bytes(b"of another program")

    with pytest.raises(OSError, match="another program"):
        run(partial.put(b"name", [NewAttributes(mtime=TIME)]))
    partial.close()
    TREE.leave(directory)


def test_source_replaced_by_pipe_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"data")
    operand = run(TREE.operand(os.fsencode(tmp_path / "file"), follow=False))
    (tmp_path / "file").unlink()
    os.mkfifo(tmp_path / "file")

    async def read() -> None:
        async for _ in TREE.read(operand.directory, operand.entry, 0):
            pass

    with pytest.raises(OSError, match="replaced"):
        run(read())
    TREE.leave(operand.directory)


def test_file_without_size_is_read_to_its_end() -> None:
    operand: CopyOperand = run(TREE.operand(b"/proc/self/status", follow=False))

    async def read() -> bytes:
        pieces = TREE.read(operand.directory, operand.entry, 0)
        return b"".join([bytes(piece) async for piece in pieces])

    assert operand.entry.stat.size == 0
    assert b"Umask" in run(read())
    TREE.leave(operand.directory)


def test_link_keeps_its_own_time(tmp_path: Path) -> None:
    directory = opened(tmp_path)
    (tmp_path / "old").write_bytes(b"")

    for _ in range(2):
        run(TREE.make_link(directory, b"old", b"/nowhere"))
    run(TREE.set(directory, b"old", [NewAttributes(mode=0o600, mtime=TIME)]))
    TREE.leave(directory)

    assert os.readlink(tmp_path / "old") == "/nowhere"
    assert (tmp_path / "old").lstat().st_mtime_ns == TIME


def test_attributes_fall_back_to_permitted_ones(tmp_path: Path) -> None:
    directory = opened(tmp_path)
    (tmp_path / "f").write_bytes(b"")
    tried = list[int]()

    class Denied(NewAttributes):
        @property
        def uid(self) -> int:
            tried.append(1)
            raise PermissionError

    run(TREE.set(directory, b"f", [Denied(mode=0o700), NewAttributes(mode=0o610)]))
    TREE.leave(directory)

    assert tried
    assert (tmp_path / "f").stat().st_mode & 0o777 == 0o610


def test_entry_without_file_is_not_found(tmp_path: Path) -> None:
    directory = opened(tmp_path)

    assert run(TREE.find(directory, b"no")) is None
    assert run(TREE.directory(os.fsencode(tmp_path / "no"))) is None
    with pytest.raises(FileNotFoundError):
        run(TREE.operand(os.fsencode(tmp_path / "no"), follow=True))
    (tmp_path / "f").write_bytes(b"")
    run(TREE.remove(directory, b"f"))
    TREE.leave(directory)


def test_device_numbers_of_a_server_are_checked(tmp_path: Path) -> None:
    directory = opened(tmp_path)
    null = run(TREE.operand(b"/dev/null", follow=False))
    TREE.leave(null.directory)

    with pytest.raises(OSError, match="invalid device numbers"):
        run(TREE.make_node(directory, b"n", null.entry.stat._replace(device=(0, (1 << 32) - 1))))
    TREE.leave(directory)


def test_missing_owner_keeps_no_set_id_bits(tmp_path: Path) -> None:
    """The number -1 leaves the owner alone in chown(2), which then succeeds for every user."""
    none = (1 << 32) - 1
    directory = opened(tmp_path)
    partial = run(TREE.begin(directory, b"partial", mode=0o600, size=None))

    claimed = NewAttributes(mode=0o6755, uid=none, gid=none)
    run(partial.put(b"tool", [claimed, NewAttributes(mode=0o755)]))
    partial.close()
    TREE.leave(directory)

    assert (tmp_path / "tool").stat().st_mode & 0o7777 == 0o755
