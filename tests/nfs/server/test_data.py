"""``oncrpc.nfs.server.data``: READ, WRITE and COMMIT, in the words of RFC 1813 §3.3."""

from __future__ import annotations

import asyncio
import errno
import inspect
from collections.abc import Awaitable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oncrpc.nfs.filesystem import Answer, Identity, SyncError, Written
from oncrpc.nfs.server.sizes import TransferSizes
from oncrpc.nfs.status import NfsError
from oncrpc.programs.nfs3 import (
    NFS_V3,
    COMMIT3args,
    READ3args,
    SETATTR3args,
    WRITE3args,
    nfs_fh3,
    nfsstat3,
    stable_how,
)
from oncrpc.rpc import Call
from oncrpc.rpc.auth import AUTH_NONE
from oncrpc.rpc.prot import authsys_parms
from support.exported import (
    NO_GUARD,
    OPTIONS,
    TCP,
    UDP,
    USER_CRED,
    Exported,
    answering_later,
    failing,
    made_directory,
    made_file,
    memory,
    sattr,
    wrapped,
)

READ, WRITE, COMMIT = NFS_V3.NFSPROC3_READ, NFS_V3.NFSPROC3_WRITE, NFS_V3.NFSPROC3_COMMIT
UNSTABLE, DATA_SYNC, FILE_SYNC = stable_how
ERR = nfsstat3
LAST = (1 << 63) - 1


def writing(
    file: nfs_fh3, data: bytes, offset: int = 0, stable: stable_how = UNSTABLE
) -> WRITE3args:
    return WRITE3args(file, offset, len(data), stable, data)


class Recording:
    """A file system in memory whose WRITEs are stored as the test says; COMMITs are noted."""

    def __init__(self, stores: stable_how | None = None) -> None:
        self.memory, self.stores = memory(), stores
        self.asked = list[stable_how]()
        self.commits = list[tuple[int, int]]()
        self.error: Exception | None = None
        self.files = wrapped(self.memory, self.around)
        self.files.write = self.write  # type: ignore[method-assign]  # of this object
        self.files.commit = self.commit  # type: ignore[method-assign]

    def around(self, name: str, operation: Any) -> Any:
        return operation()

    def write(
        self, who: Identity, file: bytes, offset: int, data: bytes, *, stable: stable_how
    ) -> Answer[Written]:
        self.asked.append(stable)
        written = self.memory.write(who, file, offset, data, stable=stable)
        return written._replace(committed=stable if self.stores is None else self.stores)

    def commit(self, who: Identity, file: bytes, offset: int, count: int) -> None:
        self.commits.append((offset, count))
        if self.error is not None:
            raise self.error


class TestRead:
    @pytest.mark.parametrize(
        ("offset", "count", "data", "eof"),
        [
            (0, 9, b"123456789", False),
            (0, 10, b"123456789a", True),
            (0, 11, b"123456789a", True),
            (9, 1, b"a", True),
            (10, 1, b"", True),
            (11, 1, b"", True),
            (3, 2, b"45", False),
            (0, 0, b"", False),
            (10, 0, b"", True),
            (LAST, 5, b"", True),
            (1 << 63, 5, b"", True),
            ((1 << 64) - 1, 5, b"", True),
        ],
    )
    def test_eof_is_true_at_the_end(
        self, exported: Exported, offset: int, count: int, data: bytes, eof: bool
    ) -> None:
        """§3.3.6: if offset plus count is equal to the size of the file, eof is TRUE."""
        file = made_file(exported, b"f", b"123456789a")

        found = exported.ok(READ, READ3args(file, offset, count))

        assert (found.data, found.count, found.eof) == (data, len(data), eof)
        assert found.file_attributes.body.size == 10

    def test_empty_file_is_at_its_end(self, exported: Exported) -> None:
        """§3.3.6: a successful READ of an empty file will always return eof as TRUE."""
        assert exported.ok(READ, READ3args(made_file(exported, b"f"), 0, 0)).eof

    @pytest.mark.parametrize(("caller", "most"), [(TCP, 8192), (UDP, 1024)])
    def test_count_beyond_rtmax_is_short(self, caller: Any, most: int) -> None:
        """§3.3.6: if greater, the server may return only rtmax bytes."""
        exported = Exported(sizes=TransferSizes(8192, 1024))
        file = made_file(exported, b"f", b"x" * 5000)
        exported.ok(WRITE, writing(file, b"x" * 5000, 5000))
        exported.caller = caller

        found = exported.ok(READ, READ3args(file, 0, 0xFFFFFFFF))

        assert (len(found.data), found.eof) == (most, False)

    def test_directory_is_invalid(self, exported: Exported) -> None:
        """§3.3.6: the correct return value for the NFS version 3 protocol is NFS3ERR_INVAL."""
        directory = made_directory(exported, b"d")

        body = exported.refused(ERR.NFS3ERR_INVAL, READ, READ3args(directory, 0, 10))

        assert body.file_attributes.attributes_follow

    @pytest.mark.parametrize("count", [0, 5])
    def test_no_permission(self, exported: Exported, count: int) -> None:
        """§3.3.6: if count is 0, 0 bytes of data, subject to access permissions checking."""
        file = made_file(exported, b"f", b"data", mode=0o600)
        exported.cred = USER_CRED

        exported.refused(ERR.NFS3ERR_ACCES, READ, READ3args(file, 0, count))

    def test_more_than_asked_is_cut(self) -> None:
        files = memory()
        file = made_file(Exported(files), b"f", b"123456789a")
        exported = Exported(files)
        files.read = lambda *_: b"123456789a"  # type: ignore[method-assign]  # a faulty back end

        found = exported.ok(READ, READ3args(file, 0, 4))

        assert (found.data, found.count, found.eof) == (b"1234", 4, False)

    def test_nothing_before_the_end_is_eof(self) -> None:
        exported = Exported(files := memory())
        file = made_file(exported, b"f", b"123456789a")
        files.read = lambda *_: b""  # type: ignore[method-assign]  # a faulty back end

        assert exported.ok(READ, READ3args(file, 0, 4)).eof


@given(st.integers(0, 40), st.integers(0, 40), st.binary(max_size=30))
def test_count_is_the_length_of_the_data(offset: int, count: int, data: bytes) -> None:
    exported = Exported()
    file = made_file(exported, b"f", data)

    found = exported.ok(READ, READ3args(file, offset, count))

    assert found.data == data[offset : offset + count]
    assert found.count == len(found.data)
    assert found.eof == (offset + found.count >= len(data))


class TestWrite:
    def test_data_is_written(self, exported: Exported) -> None:
        file = made_file(exported, b"f", b"data")

        written = exported.ok(WRITE, writing(file, b"xy", 3, FILE_SYNC))

        assert (written.count, written.committed) == (2, FILE_SYNC)
        assert exported.ok(READ, READ3args(file, 0, 100)).data == b"datxy"
        before, after = written.file_wcc.before.body, written.file_wcc.after.body
        assert (before.size, after.size) == (4, 5)
        assert before.mtime != after.mtime

    @pytest.mark.parametrize("count", [0, 3, 5, 0xFFFFFFFF])
    def test_count_must_be_that_of_the_data(self, exported: Exported, count: int) -> None:
        file = made_file(exported, b"f", b"old!")
        arg = WRITE3args(file, 0, count, FILE_SYNC, b"data")

        body = exported.refused(ERR.NFS3ERR_INVAL, WRITE, arg)

        assert body.file_wcc.before.body.mtime == body.file_wcc.after.body.mtime
        assert exported.ok(READ, READ3args(file, 0, 9)).data == b"old!"

    @pytest.mark.parametrize(("caller", "most"), [(TCP, 8192), (UDP, 1024)])
    def test_data_beyond_wtmax_is_short(self, caller: Any, most: int) -> None:
        """§3.3.7: if greater, the server may write only wtmax bytes."""
        exported = Exported(sizes=TransferSizes(8192, 1024))
        file = made_file(exported, b"f")
        exported.caller = caller

        written = exported.ok(WRITE, writing(file, b"x" * 9000))

        assert (written.count, written.file_wcc.after.body.size) == (most, most)

    @pytest.mark.parametrize("offset", [LAST, LAST - 3, 1 << 63, (1 << 64) - 1])
    def test_offset_beyond_63_bits(self, exported: Exported, offset: int) -> None:
        file = made_file(exported, b"f")

        exported.refused(ERR.NFS3ERR_FBIG, WRITE, writing(file, b"data", offset))

    def test_nothing_leaves_the_time_alone(self, exported: Exported) -> None:
        """§3.3.7: a WRITE request with count set to 0 should not cause the mtime to be updated."""
        file = made_file(exported, b"f", b"data")

        written = exported.ok(WRITE, writing(file, b"", 100))

        assert written.count == 0
        assert written.file_wcc.before.body.mtime == written.file_wcc.after.body.mtime
        assert written.file_wcc.after.body.size == 4

    @pytest.mark.parametrize("data", [b"", b"x"])
    def test_no_permission(self, exported: Exported, data: bytes) -> None:
        """§3.3.7: return a count of 0, barring errors due to permissions checking."""
        file = made_file(exported, b"f")
        exported.cred = USER_CRED

        exported.refused(ERR.NFS3ERR_ACCES, WRITE, writing(file, data))

    def test_owner_writes_whatever_the_mode(self, exported: Exported) -> None:
        """§4.4: the server should allow the owner access regardless of the permission."""
        file = made_file(exported, b"f", mode=0o400)
        owned = SETATTR3args(file, sattr(uid=1000), NO_GUARD)
        exported.ok(NFS_V3.NFSPROC3_SETATTR, owned)
        exported.cred = USER_CRED

        for data in (b"", b"data"):
            assert exported.ok(WRITE, writing(file, data)).count == len(data)

    def test_directory_is_invalid(self, exported: Exported) -> None:
        exported.refused(ERR.NFS3ERR_INVAL, WRITE, writing(exported.root, b"data"))

    def test_full_disk(self, exported: Exported) -> None:
        file = made_file(exported, b"f")

        for offset in range(0, 9 << 20, 1 << 20):
            result = exported.call(WRITE, writing(file, b"x" * (1 << 20), offset))

        assert result.status is ERR.NFS3ERR_NOSPC
        assert result.body.file_wcc.before.attributes_follow


class TestCommitted:
    @pytest.mark.parametrize("stable", stable_how)
    def test_back_end_stores_as_asked(self, stable: stable_how) -> None:
        recording = Recording()
        exported = Exported(recording.files)
        file = made_file(exported, b"f")

        written = exported.ok(WRITE, writing(file, b"data", stable=stable))

        assert (written.committed, recording.asked, recording.commits) == (stable, [stable], [])

    @pytest.mark.parametrize("stable", [DATA_SYNC, FILE_SYNC])
    def test_less_than_asked_is_committed(self, stable: stable_how) -> None:
        """§3.3.7: if stable was FILE_SYNC, anything else constitutes a protocol violation."""
        recording = Recording(UNSTABLE)
        exported = Exported(recording.files)
        file = made_file(exported, b"f")

        written = exported.ok(WRITE, writing(file, b"data", 7, stable))

        assert (written.committed, recording.commits) == (FILE_SYNC, [(7, 4)])

    @pytest.mark.parametrize("stable", stable_how)
    def test_more_than_asked_is_told(self, stable: stable_how) -> None:
        recording = Recording(FILE_SYNC)
        exported = Exported(recording.files)

        written = exported.ok(WRITE, writing(made_file(exported, b"f"), b"data", stable=stable))

        assert (written.committed, recording.commits) == (FILE_SYNC, [])

    @pytest.mark.parametrize("stable", stable_how)
    def test_async_export_answers_as_if_stored(self, stable: stable_how) -> None:
        """exports(5): async replies before any changes have been committed to stable storage."""
        recording = Recording()
        exported = Exported(recording.files, options=OPTIONS._replace(sync=False))
        file = made_file(exported, b"f")

        written = exported.ok(WRITE, writing(file, b"data", stable=stable))
        exported.ok(COMMIT, COMMIT3args(file, 0, 0))

        assert (written.committed, recording.asked) == (stable, [UNSTABLE])
        assert recording.commits == []


class TestVerifier:
    def test_write_and_commit_have_the_same(self, exported: Exported) -> None:
        file = made_file(exported, b"f")

        written = exported.ok(WRITE, writing(file, b"data"))
        committed = exported.ok(COMMIT, COMMIT3args(file, 0, 0))

        assert written.verf == committed.verf == exported.share.verifier.value

    @pytest.mark.parametrize(
        "error", [OSError(errno.EIO, ""), OSError(errno.ENOSPC, ""), SyncError(errno.EACCES, "")]
    )
    def test_failed_commit_changes_it(self, error: OSError) -> None:
        recording = Recording()
        exported = Exported(recording.files)
        file = made_file(exported, b"f")
        before = exported.ok(WRITE, writing(file, b"data")).verf
        recording.error = error

        result = exported.call(COMMIT, COMMIT3args(file, 0, 0))

        assert result.status is not ERR.NFS3_OK
        assert result.body.file_wcc.after.attributes_follow
        recording.error = None
        assert exported.ok(COMMIT, COMMIT3args(file, 0, 0)).verf != before

    @pytest.mark.parametrize(
        "error", [PermissionError(errno.EACCES, ""), NfsError(ERR.NFS3ERR_JUKEBOX)]
    )
    def test_refused_commit_leaves_it_alone(self, error: OSError) -> None:
        """Else any user could make all clients write their data again."""
        recording = Recording()
        exported = Exported(recording.files)
        file = made_file(exported, b"f")
        before, recording.error = exported.share.verifier.value, error

        assert exported.call(COMMIT, COMMIT3args(file, 0, 0)).status is not ERR.NFS3_OK
        assert exported.share.verifier.value == before

    def test_stable_write_that_fails_changes_it(self) -> None:
        exported = Exported(failing(memory(), errors := dict[str, Exception]()))
        file = made_file(exported, b"f")
        before, errors["write"] = exported.share.verifier.value, SyncError(errno.EIO, "")

        exported.refused(ERR.NFS3ERR_IO, WRITE, writing(file, b"data", stable=FILE_SYNC))

        assert exported.share.verifier.value != before

    def test_write_that_fails_otherwise_leaves_it(self) -> None:
        exported = Exported(failing(memory(), errors := dict[str, Exception]()))
        file = made_file(exported, b"f")
        before, errors["write"] = exported.share.verifier.value, OSError(errno.ENOSPC, "")

        exported.refused(ERR.NFS3ERR_NOSPC, WRITE, writing(file, b"data"))

        assert exported.share.verifier.value == before

    def test_failed_commit_of_a_write_changes_it(self) -> None:
        recording = Recording(UNSTABLE)
        exported = Exported(recording.files)
        file = made_file(exported, b"f")
        before, recording.error = exported.share.verifier.value, OSError(errno.EIO, "")

        body = exported.refused(ERR.NFS3ERR_IO, WRITE, writing(file, b"data", stable=FILE_SYNC))

        assert exported.share.verifier.value != before
        assert (body.file_wcc.before.body.size, body.file_wcc.after.body.size) == (0, 4)

    def test_write_has_that_of_before(self) -> None:
        """Data that is lost while a WRITE is in progress must have the old one."""
        files = memory()

        def around(name: str, operation: Any) -> Any:
            if name == "write":
                exported.share.verifier.renew()
            return operation()

        exported = Exported(wrapped(files, around))
        file = made_file(exported, b"f")
        before = exported.share.verifier.value

        assert exported.ok(WRITE, writing(file, b"data")).verf == before
        assert exported.share.verifier.value != before


class TestCommit:
    @pytest.mark.parametrize(
        ("offset", "count", "committed"),
        [
            (0, 0, (0, 0)),
            (5, 7, (5, 7)),
            (5, 0, (5, 0)),
            (LAST - 3, 100, (LAST - 3, 0)),
            ((1 << 64) - 1, 100, (LAST, 0)),
        ],
    )
    def test_range_is_brought_to_disk(
        self, offset: int, count: int, committed: tuple[int, int]
    ) -> None:
        """§3.3.21: if count is 0, a flush from offset to the end of file is done."""
        recording = Recording()
        exported = Exported(recording.files)
        file = made_file(exported, b"f", b"data")

        found = exported.ok(COMMIT, COMMIT3args(file, offset, count))

        assert recording.commits == [committed]
        assert found.file_wcc.before.body.mtime == found.file_wcc.after.body.mtime

    def test_other_types_are_invalid(self, exported: Exported) -> None:
        """§3.3.21: this must identify a file system object of type, NF3REG."""
        exported.refused(ERR.NFS3ERR_INVAL, COMMIT, COMMIT3args(exported.root, 0, 0))


def call_to(procedure: Any) -> Call:
    root = authsys_parms(0, b"client", 0, 0, [])
    return Call(1, procedure, root, AUTH_NONE, caller=TCP, message=b"", arguments_at=0)


def test_writes_that_wait_for_disk_overlap() -> None:
    """The second WRITE of a file begins while the first one waits for its COMMIT."""
    recording = Recording(UNSTABLE)
    exported = Exported(recording.files)
    file = made_file(exported, b"f")
    waiting, go = list[int](), asyncio.Event()

    async def commit(who: Identity, file: bytes, offset: int, count: int) -> None:
        waiting.append(offset)
        if len(waiting) == 3:
            go.set()
        await go.wait()

    recording.files.commit = commit  # type: ignore[method-assign]

    async def write(offset: int) -> Any:
        arg = writing(file, b"data", offset, FILE_SYNC)
        answer = exported.service.NFSPROC3_WRITE(call_to(WRITE), arg)
        return await answer if isinstance(answer, Awaitable) else answer

    async def all_three() -> list[Any]:
        return await asyncio.wait_for(asyncio.gather(*map(write, (0, 4, 8))), 10)

    results = asyncio.run(all_three())

    sizes = [
        (found.body.file_wcc.before.body.size, found.body.file_wcc.after.body.size)
        for found in results
    ]
    assert sizes == [(0, 4), (4, 8), (8, 12)]


def test_writes_to_a_file_see_each_other() -> None:
    exported = Exported(answering_later(memory()))
    file = made_file(exported, b"f")

    async def write(offset: int) -> Any:
        arg = writing(file, b"data", offset)
        answer = exported.service.NFSPROC3_WRITE(call_to(WRITE), arg)
        return await answer if inspect.isawaitable(answer) else answer

    async def all_four() -> list[Any]:
        return await asyncio.gather(*map(write, (0, 4, 8, 12)))

    pairs = [result.body.file_wcc for result in asyncio.run(all_four())]

    assert [pair.before.body.size for pair in pairs] == [0, 4, 8, 12]
    assert [pair.after.body.size for pair in pairs] == [4, 8, 12, 16]
