"""Data of local files: from memory or from the disk, and stored as the client asks."""

from __future__ import annotations

import asyncio
import errno
import fcntl
import inspect
import os
import resource
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from oncrpc.nfs.answers import settled
from oncrpc.nfs.backends.local import content
from oncrpc.nfs.backends.local.group_sync import SYNC_CALLS, Depth
from oncrpc.nfs.backends.local.local import LocalFileSystem
from oncrpc.nfs.filesystem import NOW, Identity, NewAttributes, SyncError, Syncing, Written
from oncrpc.programs.nfs3 import stable_how
from support.errnos import fails_with
from support.file_user import FileUser

ROOT = Identity(0, 0)
SIZE = 100_000
UNSTABLE, DATA_SYNC, FILE_SYNC = stable_how


class Disk:
    """The system calls for syncs: they are counted, and fail on request."""

    def __init__(self) -> None:
        self.calls: list[Depth] = []
        self.failing = False
        self.table = {depth: self._call(depth) for depth in Depth}

    def _call(self, depth: Depth):  # type: ignore[no-untyped-def]
        def call(descriptor: int) -> None:
            self.calls.append(depth)
            if self.failing:
                raise OSError(errno.EIO, "broken disk")
            SYNC_CALLS[depth](descriptor)

        return call


@pytest.fixture
def disk() -> Disk:
    return Disk()


@pytest.fixture
def user(place: Path, disk: Disk) -> Iterator[FileUser]:
    files = LocalFileSystem(str(place), sync_calls=disk.table)
    with asyncio.Runner() as runner:
        yield FileUser(files, ROOT, runner=runner)
    files.close()


def drop_caches(path: Path) -> None:
    """Let the kernel forget the data of a file, so that it has to ask the disk."""
    with path.open("rb") as file:
        os.fsync(file.fileno())
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def test_cached_data_are_read_at_once(user: FileUser, place: Path) -> None:
    file = user.create(user.files.root, b"file")
    user.write(file, b"x" * SIZE)

    data = user.files.read(ROOT, file, 10, SIZE)

    assert data == b"x" * (SIZE - 10)


def test_data_on_disk_are_read_by_a_worker(user: FileUser, place: Path) -> None:
    file = user.create(user.files.root, b"file")
    user.write(file, b"x" * SIZE + b"end")
    drop_caches(place / "file")

    async def main() -> tuple[bool, bytes]:
        answer = user.files.read(ROOT, file, 0, 2 * SIZE)
        return inspect.isawaitable(answer), await settled(answer)

    waited, data = asyncio.run(main())

    assert data == b"x" * SIZE + b"end"
    assert waited or os.statvfs(place).f_fsid == os.statvfs("/dev/shm").f_fsid


@pytest.mark.slow
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    written=st.lists(st.tuples(st.integers(0, 20_000), st.binary(max_size=9000)), max_size=5),
    offset=st.integers(0, 30_000),
    count=st.integers(0, 40_000),
    cold=st.booleans(),
)
def test_reads_return_what_was_written(
    user: FileUser,
    place: Path,
    written: list[tuple[int, bytes]],
    offset: int,
    count: int,
    cold: bool,
) -> None:
    file = user.create(user.files.root, b"file")
    model = bytearray()
    for at, data in written:
        assert user.write(file, data, at, stable=UNSTABLE) == Written(len(data), UNSTABLE)
        if data:
            model.extend(bytes(max(at + len(data) - len(model), 0)))
            model[at : at + len(data)] = data
    if cold:
        drop_caches(place / "file")

    found = user.read(file, offset, count)
    user.remove(user.files.root, b"file")

    assert found == bytes(model[offset : offset + count])


@pytest.mark.parametrize(
    ("stable", "calls"),
    [(UNSTABLE, []), (DATA_SYNC, [Depth.DATA]), (FILE_SYNC, [Depth.FILE])],
)
def test_write_is_stored_as_asked(
    user: FileUser, disk: Disk, stable: stable_how, calls: list[Depth]
) -> None:
    file = user.create(user.files.root, b"file")
    disk.calls.clear()

    assert user.write(file, b"data", stable=stable) == Written(4, stable)

    assert disk.calls == calls


def test_commit_syncs_the_file(user: FileUser, disk: Disk) -> None:
    file = user.create(user.files.root, b"file")
    user.write(file, b"data", stable=UNSTABLE)
    disk.calls.clear()

    user.commit(file)

    assert disk.calls == [Depth.FILE]


def test_commit_needs_no_permission(user: FileUser) -> None:
    """Data that a user could write must be stored, whatever the mode is by now."""
    file = user.create(user.files.root, b"file", NewAttributes(mode=0))

    user.like(Identity(4321, 4321)).commit(file)


@pytest.mark.parametrize("stable", [DATA_SYNC, FILE_SYNC])
def test_failed_sync_fails_the_write(user: FileUser, disk: Disk, stable: stable_how) -> None:
    """Claim 9: ``committed`` never says more than was done."""
    file = user.create(user.files.root, b"file")
    disk.failing = True

    with pytest.raises(SyncError) as caught:
        user.write(file, b"data", stable=stable)

    assert caught.value.errno == errno.EIO


def test_failed_sync_fails_the_commit(user: FileUser, disk: Disk) -> None:
    """Claim 7: COMMIT does not swallow the error of fsync."""
    file = user.create(user.files.root, b"file")
    user.write(file, b"data", stable=UNSTABLE)
    disk.failing = True

    with pytest.raises(SyncError):
        user.commit(file)


def test_write_that_is_going_to_disk_has_happened(user: FileUser) -> None:
    file = user.create(user.files.root, b"file")

    async def main() -> None:
        answer = user.files.write(ROOT, file, 0, b"data", stable=FILE_SYNC)
        assert isinstance(answer, Syncing)
        assert (await settled(user.files.getattr(ROOT, file))).size == 4
        await answer

    asyncio.run(main())


def test_stable_writes_to_a_file_share_syncs(user: FileUser, disk: Disk) -> None:
    file = user.create(user.files.root, b"file")
    disk.calls.clear()

    async def main() -> None:
        writes = [
            user.files.write(ROOT, file, at * 4, b"data", stable=FILE_SYNC) for at in range(50)
        ]
        await asyncio.gather(*(settled(write) for write in writes))

    asyncio.run(main())

    assert user.read(file) == b"data" * 50
    assert len(disk.calls) == 1


def test_workers_write_where_the_kernel_lets_wait(
    user: FileUser, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(content, "WAITED", -1.0)
    file = user.create(user.files.root, b"file")
    user.write(file, b"first", stable=UNSTABLE)

    async def main() -> tuple[bool, Written]:
        answer = user.files.write(ROOT, file, 5, b"second", stable=UNSTABLE)
        return inspect.isawaitable(answer), await settled(answer)

    assert asyncio.run(main()) == (True, Written(6, UNSTABLE))
    assert user.write(file, b"third", 11, stable=FILE_SYNC) == Written(5, FILE_SYNC)
    assert user.read(file) == b"firstsecondthird"


def test_failure_during_a_write_by_a_worker_counts(
    user: FileUser, disk: Disk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A sync that failed meanwhile may have been told of these data."""
    monkeypatch.setattr(content, "WAITED", -1.0)
    file = user.create(user.files.root, b"file")
    user.write(file, b"first", stable=UNSTABLE)

    async def main() -> None:
        writing = user.files.write(ROOT, file, 5, b"second", stable=FILE_SYNC)
        disk.failing = True
        with pytest.raises(SyncError):
            await settled(user.files.commit(ROOT, file, 0, 0))
        disk.failing = False
        with pytest.raises(SyncError):
            await settled(writing)

    asyncio.run(main())


def test_refused_write_by_a_worker_is_raised(
    user: FileUser, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(content, "WAITED", -1.0)
    file = user.create(user.files.root, b"file")
    user.write(file, b"first", stable=UNSTABLE)

    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 30, before[1]))
    try:
        with fails_with(errno.EFBIG):
            user.write(file, b"second", 1 << 31, stable=UNSTABLE)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.parametrize("offset", [(1 << 63) - 1, 1 << 63, (1 << 64) - 1])
def test_offset_beyond_all_files_is_too_big(user: FileUser, offset: int) -> None:
    file = user.create(user.files.root, b"file")

    with fails_with(errno.EFBIG):
        user.write(file, b"data", offset)
    assert user.read(file, offset, 10) == b""


def test_sparse_file_takes_no_space(user: FileUser) -> None:
    file = user.create(user.files.root, b"file")

    user.write(file, b"end", 4 << 30)

    found = user.getattr(file)
    assert found.size == (4 << 30) + 3
    assert found.used < 1 << 20
    assert user.read(file, (4 << 30) - 2, 10) == b"\0\0end"


def test_write_by_others_clears_setuid(user: FileUser) -> None:
    file = user.create(user.files.root, b"file", NewAttributes(mode=0o6777))

    user.like(Identity(4321, 4321)).write(file, b"data")

    assert user.getattr(file).mode == 0o777


def test_write_sets_the_time_of_change(user: FileUser) -> None:
    file = user.create(user.files.root, b"file", NewAttributes(mtime=1, mode=0o666))

    user.write(file, b"data")

    assert user.getattr(file).mtime > 1
    user.setattr(file, NewAttributes(mtime=NOW))


@pytest.mark.parametrize("kind", ["fifo", "socket", "symlink"])
def test_files_without_data_are_never_opened(user: FileUser, place: Path, kind: str) -> None:
    path = place / kind
    if kind == "symlink":
        path.symlink_to("/etc/passwd")
    else:
        os.mknod(path, {"fifo": 0o010666, "socket": 0o140666}[kind])
    file = user.lookup(user.files.root, os.fsencode(kind))

    with fails_with(errno.EINVAL):
        user.read(file)
    with fails_with(errno.EINVAL):
        user.write(file, b"data")
    with fails_with(errno.EINVAL):
        user.commit(file)


def test_directory_has_no_data(user: FileUser) -> None:
    with fails_with(errno.EISDIR):
        user.read(user.files.root)


def test_descriptors_are_closed(user: FileUser, place: Path) -> None:
    file = user.create(user.files.root, b"file", NewAttributes(mode=0o600))
    user.write(file, b"x" * SIZE)
    before = os.listdir("/proc/self/fd")

    drop_caches(place / "file")
    user.read(file)
    user.commit(file)
    with fails_with(errno.EACCES):
        user.like(Identity(4321, 4321)).read(file)

    assert set(os.listdir("/proc/self/fd")) <= set(before)


def test_broken_disk_fails_the_read(user: FileUser, monkeypatch: pytest.MonkeyPatch) -> None:
    file = user.create(user.files.root, b"file")
    user.write(file, b"data")
    before = os.listdir("/proc/self/fd")

    def broken(*_: object) -> int:
        raise OSError(errno.EIO, "broken disk")

    with monkeypatch.context() as patch, fails_with(errno.EIO):
        patch.setattr(os, "preadv", broken)
        user.read(file)

    assert set(os.listdir("/proc/self/fd")) <= set(before)


@pytest.mark.parametrize("number", [errno.EAGAIN, errno.EOPNOTSUPP])
def test_short_reads_are_continued(
    user: FileUser, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    """By a worker, and where the kernel does not know what is in memory."""
    file = user.create(user.files.root, b"file")
    user.write(file, b"0123456789")
    whole = os.pread

    def refuse(*_: object) -> int:
        raise OSError(number, "not in memory")

    monkeypatch.setattr(os, "preadv", refuse)
    monkeypatch.setattr(os, "pread", lambda fd, count, at: whole(fd, min(count, 3), at))

    assert user.read(file, 1, 20) == b"123456789"


def test_missing_name_is_told_while_data_are_unstable(user: FileUser) -> None:
    file = user.create(user.files.root, b"file")
    user.write(file, b"data", stable=UNSTABLE)

    with fails_with(errno.ENOENT):
        user.remove(user.files.root, b"gone")
    user.rename(user.files.root, b"file", user.files.root, b"other")

    assert user.read(file) == b"data"


def locks_taken(files: LocalFileSystem, who: Identity, file: bytes) -> int | None:
    """The access mode of the descriptor for locks, which is closed."""
    descriptor = files.lock_descriptor(who, file)
    if descriptor is None:
        return None
    try:
        return fcntl.fcntl(descriptor, fcntl.F_GETFL) & os.O_ACCMODE
    finally:
        os.close(descriptor)


@pytest.mark.parametrize("mode", [0o600, 0o400, 0])
def test_lock_descriptor_is_for_all_users(root: FileUser, mode: int) -> None:
    file = root.create(root.files.root, b"a", NewAttributes(mode=mode))

    assert isinstance(root.files, LocalFileSystem)
    assert locks_taken(root.files, Identity(1000, 1000), file) == os.O_RDWR


def test_running_program_is_locked_for_reading(root: FileUser, place: Path) -> None:
    program = place / "program"
    shutil.copy("/bin/sleep", program)
    file = root.lookup(root.files.root, b"program")

    with subprocess.Popen([program, "60"]) as running:
        try:
            assert isinstance(root.files, LocalFileSystem)
            assert locks_taken(root.files, ROOT, file) == os.O_RDONLY
        finally:
            running.kill()


def test_directory_has_no_lock_descriptor(root: FileUser) -> None:
    assert isinstance(root.files, LocalFileSystem)
    with fails_with(errno.EISDIR):
        root.files.lock_descriptor(ROOT, root.files.root)


def test_unopenable_file_has_no_lock_descriptor(
    root: FileUser, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> int:
        raise PermissionError(errno.EACCES, "no")

    file = root.create(root.files.root, b"a")
    monkeypatch.setattr(content, "opened_anyway", refuse)

    assert isinstance(root.files, LocalFileSystem)
    assert locks_taken(root.files, ROOT, file) is None
