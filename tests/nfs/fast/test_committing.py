"""COMMIT at once."""

from __future__ import annotations

import asyncio
import errno
from pathlib import Path

import pytest

from oncrpc.nfs.backends.local.group_sync import SYNC_CALLS, Depth
from oncrpc.programs.nfs3 import (
    NFS_V3,
    COMMIT3args,
    COMMIT3res,
    WRITE3args,
    nfsstat3,
    stable_how,
)
from oncrpc.xdr import codec
from support.two_paths import INSECURE, TwoPaths

RESULT = 24


def commit_of(both: TwoPaths, name: str = "small", offset: int = 0, count: int = 0) -> bytes:
    arguments = COMMIT3args(both.handle(name), offset, count)
    return both.message(NFS_V3.NFSPROC3_COMMIT, arguments)


def write_of(both: TwoPaths, name: str = "small") -> bytes:
    arguments = WRITE3args(both.handle(name), 0, 1, stable_how.UNSTABLE, b"x")
    return both.message(NFS_V3.NFSPROC3_WRITE, arguments)


@pytest.mark.parametrize(("offset", "count"), [(0, 0), (5, 4096), (1 << 40, 1)])
def test_both_paths_commit_the_same(both: TwoPaths, offset: int, count: int) -> None:
    both.quick(write_of(both))
    message = commit_of(both, "small", offset, count)

    assert both.quick(message) == both.generic(message)


def test_data_are_synced_once(place: Path) -> None:
    calls = list[Depth]()
    table = {depth: lambda _, depth=depth: calls.append(depth) for depth in Depth}

    with asyncio.Runner() as runner:
        both = TwoPaths(place, runner, sync_calls=table)
        both.quick(write_of(both))
        message = commit_of(both)

        async def together() -> list[bytes | None]:
            return await asyncio.gather(*(both.answered(message) for _ in range(10)))

        replies = both.run(together())
        both.close()

    assert None not in replies
    assert len(calls) == 1


def test_failed_commit_is_an_error_and_new_verifier(place: Path) -> None:
    def broken(_: int) -> None:
        raise OSError(errno.EIO, "broken disk")

    with asyncio.Runner() as runner:
        both = TwoPaths(place, runner, sync_calls=dict.fromkeys(SYNC_CALLS, broken))
        before = both.exported.share.verifier.value
        reply = both.quick(commit_of(both))
        after = both.exported.share.verifier.value
        both.close()

    assert reply is not None
    assert codec(COMMIT3res).decode(reply[RESULT:]).status is nfsstat3.NFS3ERR_IO
    assert before != after


@pytest.mark.parametrize("options", [INSECURE._replace(ro=True), INSECURE._replace(sync=False)])
def test_other_exports_are_left_to_generic_path(both: TwoPaths, options: object) -> None:
    both.exported.rules.options = options  # type: ignore[assignment]  # they are options

    assert both.quick(commit_of(both)) is None


def test_lost_data_are_left_to_generic_path(both: TwoPaths) -> None:
    both.files.group.lost = True

    assert both.quick(commit_of(both)) is None
    assert both.files.group.lost


def test_directories_are_left_to_generic_path(both: TwoPaths) -> None:
    assert both.quick(commit_of(both, "open")) is None
