"""WRITE at once: data, attributes and replies are those of the generic path."""

from __future__ import annotations

import asyncio
import errno
import itertools
import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from oncrpc.nfs.backends.local.cached_files import CLOSED
from oncrpc.nfs.backends.local.group_sync import SYNC_CALLS, Depth
from oncrpc.programs.nfs3 import (
    NFS_V3,
    COMMIT3args,
    WRITE3args,
    WRITE3res,
    nfsstat3,
    stable_how,
)
from oncrpc.xdr import codec
from support.two_paths import ANN, BOB, INSECURE, TwoPaths

UNSTABLE, DATA_SYNC, FILE_SYNC = stable_how
RESULT = 24


def write_of(
    both: TwoPaths,
    name: str,
    offset: int,
    data: bytes,
    stable: stable_how = UNSTABLE,
    cred: Any = ANN,
) -> bytes:
    arguments = WRITE3args(both.handle(name), offset, len(data), stable, data)
    return both.message(NFS_V3.NFSPROC3_WRITE, arguments, cred=cred)


def result(reply: bytes | None) -> Any:
    """The result without what differs between two files and two moments."""
    assert reply is not None
    found: Any = codec(WRITE3res).decode(reply[RESULT:])
    body = found.body
    wcc = body.file_wcc
    after = wcc.after.body
    attributes = (after.type, after.mode, after.nlink, after.uid, after.gid, after.size)
    before = wcc.before.body.size
    return found.status, before, attributes, body.count, body.committed, body.verf


@pytest.mark.parametrize("stable", stable_how)
@pytest.mark.parametrize("long", [False, True])
def test_both_paths_write_the_same(both: TwoPaths, stable: stable_how, long: bool) -> None:
    for name in ("one", "two"):
        (both.path / name).write_bytes(b"0123456789" * 1000)
        os.chown(both.path / name, 1000, 1001)

    for offset, data in ((0, b"a"), (9_999, b"b" * 7), (50_000, b"c" * 4096), (5, b"d" * 70_000)):
        found = both.quick(write_of(both, "two", offset, data, stable), long=long)

        assert result(found) == result(both.generic(write_of(both, "one", offset, data, stable)))
    assert (both.path / "one").read_bytes() == (both.path / "two").read_bytes()


@settings(deadline=None, max_examples=40, suppress_health_check=list(HealthCheck))
@given(
    st.lists(
        st.tuples(
            st.integers(0, 10_000), st.binary(min_size=1, max_size=500), st.sampled_from(stable_how)
        ),
        max_size=8,
    )
)
def test_any_writes_have_the_same_effect(both: TwoPaths, writes: Any) -> None:
    for name in ("one", "two"):
        (both.path / name).write_bytes(b"")
        os.chown(both.path / name, 1000, 1001)

    for offset, data, stable in writes:
        expected = both.generic(write_of(both, "one", offset, data, stable))
        assert result(both.quick(write_of(both, "two", offset, data, stable))) == result(expected)
    assert (both.path / "one").read_bytes() == (both.path / "two").read_bytes()


def test_write_of_a_user_clears_setuid(both: TwoPaths) -> None:
    (both.path / "program").chmod(0o4777)

    assert both.quick(write_of(both, "program", 0, b"x", cred=BOB)) is not None
    assert stat.S_IMODE((both.path / "program").stat().st_mode) == 0o777


def test_thread_works_as_the_server_afterwards(both: TwoPaths) -> None:
    assert both.quick(write_of(both, "small", 0, b"x")) is not None

    made = both.path / "made"
    made.touch()
    assert made.stat().st_uid == 0


@pytest.mark.parametrize(("name", "cred"), [("secret", BOB), ("small", BOB), ("open", ANN)])
def test_refused_writes_are_left_to_the_generic_path(both: TwoPaths, name: str, cred: Any) -> None:
    assert both.quick(write_of(both, name, 0, b"x", cred=cred)) is None


def test_read_only_export_is_left_alone(both: TwoPaths) -> None:
    both.exported.rules.options = INSECURE._replace(ro=True)

    assert both.quick(write_of(both, "small", 0, b"x")) is None
    assert (both.path / "small").read_bytes() == b"small!"


def test_wrong_counts_are_left_to_the_generic_path(both: TwoPaths) -> None:
    file = both.handle("small")
    too_many = WRITE3args(file, 0, 2, UNSTABLE, b"x")
    nothing = WRITE3args(file, 0, 0, UNSTABLE, b"")

    for arguments in (too_many, nothing):
        assert both.quick(both.message(NFS_V3.NFSPROC3_WRITE, arguments)) is None


def test_file_that_another_call_changes_has_to_wait(both: TwoPaths) -> None:
    message = write_of(both, "small", 0, b"x")
    file = both.exported.shares.handles.open(both.handle("small").data)[1]

    async def while_locked() -> bytes | None:
        async with both.exported.share.locks.hold(file):
            return await both.answered(message)

    assert both.run(while_locked()) is None


def test_late_write_of_a_former_connection_is_recognised(both: TwoPaths) -> None:
    message = write_of(both, "small", 0, b"x")
    former = both.connection
    assert both.quick(message) is not None

    # The same bytes from another connection of the same host, which has ended by now.
    both.connection = both.connected(_ended(former.caller))

    assert both.quick(message) is None


def test_generic_path_recognises_a_late_write(both: TwoPaths) -> None:
    message = write_of(both, "small", 0, b"x")
    assert both.quick(message) is not None

    late = both.exported.dispatcher.handle(message, _ended(both.connection.caller))

    assert late is None


def _ended(caller: Any) -> Any:
    other = type(caller)(caller.netid, caller.source, caller.local)
    other.connected = lambda: False
    return other


class BrokenDisk:
    """Syncs that fail."""

    def __init__(self) -> None:
        self.table = dict.fromkeys(SYNC_CALLS, self._call)

    def _call(self, _: int) -> None:
        raise OSError(errno.EIO, "broken disk")


@pytest.fixture
def broken(place: Path) -> Iterator[TwoPaths]:
    with asyncio.Runner() as runner:
        found = TwoPaths(place, runner, sync_calls=BrokenDisk().table)
        yield found
        found.close()


def test_failed_sync_is_an_error_and_new_verifier(broken: TwoPaths) -> None:
    before = broken.exported.share.verifier.value

    reply = broken.quick(write_of(broken, "small", 0, b"x", FILE_SYNC))

    assert reply is not None
    assert codec(WRITE3res).decode(reply[RESULT:]).status is nfsstat3.NFS3ERR_IO
    assert broken.exported.share.verifier.value != before


def test_writes_share_syncs(place: Path) -> None:
    calls = list[Depth]()
    table = {depth: lambda _, depth=depth: calls.append(depth) for depth in Depth}

    with asyncio.Runner() as runner:
        both = TwoPaths(place, runner, sync_calls=table)
        messages = [write_of(both, "small", number, b"x", FILE_SYNC) for number in range(20)]

        async def together() -> list[bytes | None]:
            return await asyncio.gather(*(both.answered(message) for message in messages))

        replies = both.run(together())
        both.close()

    assert None not in replies
    assert len(calls) <= 2


def test_async_export_answers_before_the_sync(place: Path) -> None:
    calls = list[Depth]()
    table = {depth: lambda _, depth=depth: calls.append(depth) for depth in Depth}

    with asyncio.Runner() as runner:
        both = TwoPaths(place, runner, options=INSECURE._replace(sync=False), sync_calls=table)
        found = both.quick(write_of(both, "small", 0, b"x", FILE_SYNC))
        both.close()

    assert result(found)[4] is FILE_SYNC
    assert not calls


def test_unstable_data_are_kept_for_commit(both: TwoPaths) -> None:
    for _ in itertools.repeat(None, 3):
        both.quick(write_of(both, "small", 0, b"x"))

    assert [each.unsynced for each in both.files.kept_files()] == [3]


def test_committed_file_can_be_run(both: TwoPaths) -> None:
    file = both.handle("program")
    both.quick(write_of(both, "program", 0, b"#!/bin/true\n"))

    both.generic(both.message(NFS_V3.NFSPROC3_COMMIT, COMMIT3args(file, 0, 0)))

    kept = both.files.cached.get(both.exported.shares.handles.open(file.data)[1])
    assert kept.writing == CLOSED
    assert both.quick(write_of(both, "program", 0, b"#!/bin/false\n")) is not None


def test_overlapping_write_has_no_attributes_before(both: TwoPaths) -> None:
    both.let_another_process_change_all()
    (both.path / "one").write_bytes(b"before")
    os.chown(both.path / "one", 1000, 1001)
    message = write_of(both, "one", 0, b"data")

    for reply in (both.generic(message), both.quick(message)):
        assert reply is not None
        found: Any = codec(WRITE3res).decode(reply[RESULT:])
        wcc = found.body.file_wcc
        assert (wcc.before.attributes_follow, wcc.after.body.size) == (False, 6)
        assert found.body.count == 4
