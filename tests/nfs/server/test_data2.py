"""``oncrpc.nfs.server.data2``: offsets of 32 bits, and data that is always stable."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from oncrpc.nfs.filesystem import NewAttributes, SyncError, Written
from oncrpc.nfs.server.attributes import MAX32
from oncrpc.programs.nfs2 import NFS_VERSION, readargs, readok, stat, writeargs
from oncrpc.programs.nfs3 import ftype3, stable_how
from support.exported import OPTIONS, READ_ONLY, ROOT, failing
from support.exported2 import Exported2, still

READ, WRITE = NFS_VERSION.NFSPROC_READ, NFS_VERSION.NFSPROC_WRITE


class Recorded:
    """A file in an exported file system, and the calls that its back end gets."""

    def __init__(
        self, *, size: int = 0, write: Callable[[bytes, stable_how], Written] | None = None,
        options: Any = OPTIONS,
    ) -> None:  # fmt: skip
        self.files = still()
        self.id = self.files.create(ROOT, self.files.root, b"f", NewAttributes(size=size))
        self.asked: list[tuple[str, Any]] = []
        inner_write, inner_commit = self.files.write, self.files.commit

        def writing(who: Any, file: bytes, offset: int, data: bytes, *, stable: Any) -> Written:
            self.asked.append(("write", stable))
            answer = Written(len(data), stable) if write is None else write(data, stable)
            inner_write(who, file, offset, data[: answer.length], stable=stable)
            return answer

        def committing(*arguments: Any) -> None:
            self.asked.append(("commit", arguments[2:]))
            inner_commit(*arguments)

        recorded: Any = self.files
        recorded.write, recorded.commit = writing, committing
        self.exported = Exported2(self.files, options=options)
        self.file = self.exported.handle2(self.id)

    def read(self, offset: int, count: int = 8192) -> readok:
        found: readok = self.exported.ok2(READ, readargs(self.file, offset, count, 0))
        return found

    def write(self, data: bytes, offset: int = 0) -> stat:
        return self.exported.status2(WRITE, writeargs(self.file, 0, offset, 0, data))


def test_write_is_on_disk_before_the_reply() -> None:
    """§2.2: any data associated with the request is now on stable storage."""
    recorded = Recorded()

    assert recorded.write(b"data") is stat.NFS_OK
    assert recorded.asked == [("write", stable_how.FILE_SYNC)]


def test_unstable_data_is_committed() -> None:
    recorded = Recorded(write=lambda data, _: Written(len(data), stable_how.UNSTABLE))

    assert recorded.write(b"data", 7) is stat.NFS_OK
    assert recorded.asked == [("write", stable_how.FILE_SYNC), ("commit", (7, 4))]


def test_async_export_does_not_wait_for_the_disk() -> None:
    recorded = Recorded(options=OPTIONS._replace(sync=False))

    assert recorded.write(b"data") is stat.NFS_OK
    assert recorded.asked == [("write", stable_how.UNSTABLE)]


def test_short_write_goes_on() -> None:
    recorded = Recorded(write=lambda data, stable: Written(min(3, len(data)), stable))

    assert recorded.write(b"ten bytes.", 5) is stat.NFS_OK
    assert recorded.read(0).data == bytes(5) + b"ten bytes."
    assert recorded.read(0).attributes.size == 15


def test_write_without_progress_fails() -> None:
    recorded = Recorded(write=lambda data, stable: Written(0, stable))

    assert recorded.write(b"data") is stat.NFSERR_IO


def test_write_of_nothing_changes_nothing() -> None:
    recorded = Recorded(size=3)

    assert recorded.write(b"", 9) is stat.NFS_OK
    assert recorded.asked == []
    assert recorded.read(0).data == bytes(3)


def test_lost_data_changes_the_verifier_of_version_3() -> None:
    files = still()
    file = files.create(ROOT, files.root, b"f", NewAttributes())
    exported = Exported2(failing(files, {"write": SyncError("lost")}))
    before = exported.share.verifier.value

    args = writeargs(exported.handle2(file), 0, 0, 0, b"data")
    assert exported.status2(WRITE, args) is stat.NFSERR_IO
    assert exported.share.verifier.value != before


def test_read_only_export_refuses_to_write() -> None:
    assert Recorded(options=READ_ONLY).write(b"data") is stat.NFSERR_ROFS


@pytest.mark.parametrize(
    ("offset", "status"),
    [(MAX32 - 4, stat.NFS_OK), (MAX32 - 3, stat.NFSERR_FBIG), (MAX32, stat.NFSERR_FBIG)],
)
def test_no_file_is_written_beyond_32_bits(offset: int, status: stat) -> None:
    assert Recorded().write(b"data", offset) is status


def test_larger_file_is_shown_with_the_largest_size() -> None:
    recorded = Recorded(size=5 << 30)

    assert recorded.read(0, 4).attributes.size == MAX32
    assert recorded.read(MAX32 - 5, 4).data == bytes(4)


@pytest.mark.parametrize("count", [5, 8192])
def test_last_byte_of_a_larger_file_is_refused(count: int) -> None:
    recorded = Recorded(size=5 << 30)

    args = readargs(recorded.file, MAX32 - 5, count, 0)
    assert recorded.exported.status2(READ, args) is stat.NFSERR_FBIG


def test_file_of_32_bits_can_be_read_whole() -> None:
    recorded = Recorded(size=MAX32)

    assert recorded.read(MAX32 - 5).data == bytes(5)
    assert recorded.read(MAX32).data == b""


@pytest.mark.parametrize("kind", [kind for kind in ftype3 if kind is not ftype3.NF3REG])
@pytest.mark.parametrize(("procedure", "rest"), [(READ, (0, 1, 0)), (WRITE, (0, 0, 0, b"x"))])
def test_only_regular_files_have_data(procedure: Any, rest: tuple[Any, ...], kind: ftype3) -> None:
    files, new = still(), NewAttributes(mode=0o644)
    match kind:
        case ftype3.NF3DIR:
            file = files.root
        case ftype3.NF3LNK:
            file = files.symlink(ROOT, files.root, b"f", b"to", new)
        case _:
            file = files.mknod(ROOT, files.root, b"f", kind, device=(1, 3), new=new)
    exported = Exported2(files)
    args = (readargs if procedure is READ else writeargs)(exported.handle2(file), *rest)

    assert exported.status2(procedure, args) is stat.NFSERR_ISDIR
