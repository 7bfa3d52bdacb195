"""READ at once."""

from __future__ import annotations

import os

import pytest

from nfs.fast.conftest import CONTENT
from oncrpc.nfs.backends.local.residence import LIFETIME
from oncrpc.nfs.fast.calls import SLOW
from oncrpc.programs.nfs3 import NFS_V3, READ3args, WRITE3args, stable_how
from oncrpc.rpc.quick import FileReply
from support.two_paths import ANN, BOB, TwoPaths, without_atime


def read_of(both: TwoPaths, name: str, offset: int, count: int, cred: object = ANN) -> bytes:
    arguments = READ3args(both.handle(name), offset, count)
    return both.message(NFS_V3.NFSPROC3_READ, arguments, cred=cred)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("offset", "count"),
    [(0, 0), (0, 1), (5, 4096), (0, 32_767), (0, 32_768), (4096, 65_536), (100, 1 << 20),
     (len(CONTENT) - 40_000, 65_536), (len(CONTENT) - 1, 4096), (len(CONTENT), 10),
     (1 << 40, 4096)],
)  # fmt: skip
def test_both_paths_read_the_same(both: TwoPaths, offset: int, count: int) -> None:
    message = read_of(both, "file", offset, count)
    both.quick(message)  # the first one may learn what the file system can do
    expected = both.generic(message)

    assert without_atime(both.quick(message)) == without_atime(expected)


def test_user_without_permission_is_left_to_generic_path(both: TwoPaths) -> None:
    usual = read_of(both, "secret", 0, 10, ANN)
    small, large = (read_of(both, "secret", 0, count, BOB) for count in (10, 65_536))
    both.quick(usual)

    assert both.quick(usual) is not None
    assert both.quick(small) is None
    assert both.quick(large) is None


def test_permission_that_is_taken_away_ends(both: TwoPaths) -> None:
    message = read_of(both, "small", 0, 10, BOB)
    both.quick(message)
    assert both.quick(message) is not None

    (both.path / "small").chmod(0o600)

    assert both.quick(message) is None


@pytest.mark.parametrize("name", ["open", "link", "pipe"])
def test_other_kinds_are_left_to_the_generic_path(both: TwoPaths, name: str) -> None:
    assert both.quick(read_of(both, name, 0, 10)) is None


def answers_of_batch(both: TwoPaths, *messages: bytes) -> list[bytes | None]:
    """The replies to calls that have arrived together; the data of a long READ are missing."""

    async def answered() -> list[bytes | None]:
        assert both.connection.begin(both.now)
        found = list[bytes | None]()
        for each in messages:
            replies: list[bytes] = []
            answer = both.connection.answer(each, replies)
            head = answer.head if isinstance(answer, FileReply) else b"".join(replies)
            found.append(None if answer is None else head[4:])
        both.connection.end()
        return found

    found: list[bytes | None] = both.run(answered())
    return found


@pytest.mark.parametrize("count", [4096, 65_536])
def test_write_between_reads_is_seen(both: TwoPaths, count: int) -> None:
    read = read_of(both, "file", len(CONTENT) - 100, count)
    arguments = WRITE3args(both.handle("file"), len(CONTENT), 3, stable_how.UNSTABLE, b"new")
    write = both.message(NFS_V3.NFSPROC3_WRITE, arguments, cred=ANN)
    both.quick(read)

    _, _, after = answers_of_batch(both, read, write, read)

    assert without_atime(after) == without_atime(both.generic(read))


@pytest.mark.parametrize("count", [4096, 65_536])
def test_next_batch_reads_attributes_again(both: TwoPaths, count: int) -> None:
    read = read_of(both, "file", 0, count)
    both.quick(read)

    os.truncate(both.path / "file", 1000)

    assert without_atime(both.quick(read)) == without_atime(both.generic(read))


def test_file_that_grows_in_a_batch_is_seen(both: TwoPaths) -> None:
    read = read_of(both, "small", 0, 4096)
    both.quick(read)
    before = answers_of_batch(both, read)
    assert both.connection.begin(both.now)
    replies: list[bytes] = []
    both.connection.answer(read, [])

    with open(both.path / "small", "ab") as file:
        file.write(b"more")
    both.connection.answer(read, replies)
    both.connection.end()

    latest = b"".join(replies)[4:]
    assert without_atime(latest) == without_atime(both.generic(read)) != before[0]


def drop_data(both: TwoPaths) -> None:
    """Let the kernel drop the data of the file from its memory."""
    descriptor = os.open(both.path / "file", os.O_RDONLY)
    os.fsync(descriptor)
    os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
    os.close(descriptor)


def large_read_in_memory(both: TwoPaths) -> bytes:
    """A long READ that was answered a moment ago; the data are not in memory any more."""
    large = read_of(both, "file", 0, 1 << 20)
    both.quick(large)
    if both.quick(large) is None or both.files.cached.get(file_id(both)).nowait is False:
        pytest.skip("the file system cannot tell what is in memory")
    drop_data(both)
    return large


def test_data_that_are_not_in_memory_wait(both: TwoPaths) -> None:
    small = read_of(both, "file", 0, 4096)
    both.quick(small)
    large = large_read_in_memory(both)
    both.now += LIFETIME

    assert both.quick(large) is None
    assert both.quick(small) is None


def test_slow_batch_has_the_kernel_asked(both: TwoPaths) -> None:
    large, connection = large_read_in_memory(both), both.connection
    replies: list[bytes] = []
    assert connection.begin(both.now)
    connection.began -= SLOW
    both_calls = [connection.answer(each, replies) for each in (null_call(both), large)]
    connection.end()

    assert both_calls == [len(b"".join(replies)), None]
    assert both.fast.ask_kernel_until > both.now
    assert both.quick(large) is None


def null_call(both: TwoPaths) -> bytes:
    """A call that reads nothing."""
    return both.message(NFS_V3.NFSPROC3_NULL)


def file_id(both: TwoPaths) -> bytes:
    return both.exported.shares.handles.open(both.handle("file").data)[1]
