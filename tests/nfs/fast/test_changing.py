"""CREATE and REMOVE at once: effects and replies are those of the generic path."""

from __future__ import annotations

import asyncio
import errno
import inspect
import os
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from oncrpc.nfs.backends.local.cached_files import CLOSED
from oncrpc.nfs.backends.local.group_sync import SYNC_CALLS, Depth
from oncrpc.nfs.fast import changing
from oncrpc.nfs.server import duplicates
from oncrpc.programs.nfs3 import (
    NFS_V3,
    CREATE3args,
    CREATE3res,
    REMOVE3args,
    REMOVE3res,
    createhow3,
    createmode3,
    nfsstat3,
    nfstime3,
)
from oncrpc.rpc.program import Caller
from oncrpc.xdr import codec
from support.exported import TCP, sattr
from support.two_paths import ANN, BOB, BOSS, INSECURE, TwoPaths

UNCHECKED, GUARDED, EXCLUSIVE = createmode3
RESULT = 24
DEADLINE = 10


@pytest.fixture(autouse=True)
def everybody_may_write(place: Path) -> None:
    (place / "open").chmod(0o1777)
    (place / "open").joinpath("inner").chmod(0o666)


def create_of(
    both: TwoPaths,
    name: bytes,
    how: Any = None,
    *,
    directory: str = "open",
    cred: Any = ANN,
) -> bytes:
    how = how or createhow3(UNCHECKED, sattr(mode=0o644))
    where = both.exported.at(name, both.handle(directory))
    return both.message(NFS_V3.NFSPROC3_CREATE, CREATE3args(where, how), cred=cred)


def remove_of(both: TwoPaths, name: bytes, *, directory: str = "open", cred: Any = ANN) -> bytes:
    where = both.exported.at(name, both.handle(directory))
    return both.message(NFS_V3.NFSPROC3_REMOVE, REMOVE3args(where), cred=cred)


def created(reply: bytes | None) -> Any:
    """The result without what differs between two files and two moments."""
    assert reply is not None
    found: Any = codec(CREATE3res).decode(reply[RESULT:])
    made, wcc = found.body.obj_attributes.body, found.body.dir_wcc
    kept = made.type, made.mode, made.nlink, made.uid, made.gid, made.size, made.used, made.fsid
    return reply[4:RESULT], found.status, len(found.body.obj.body.data), kept, directory_of(wcc)


def directory_of(wcc: Any) -> Any:
    """The attributes of a directory that two calls of the same kind leave alike."""
    after = wcc.after.body
    kept = after.type, after.mode, after.nlink, after.uid, after.gid, after.fileid, after.fsid
    return wcc.before.attributes_follow, after.size - wcc.before.body.size, kept


def removed(reply: bytes | None) -> Any:
    assert reply is not None
    found: Any = codec(REMOVE3res).decode(reply[RESULT:])
    return reply[4:RESULT], found.status, directory_of(found.body.dir_wcc)


def status_of(reply: bytes | None) -> nfsstat3:
    assert reply is not None
    return nfsstat3(int.from_bytes(reply[RESULT : RESULT + 4], "big"))


@pytest.mark.parametrize("how", [UNCHECKED, GUARDED])
@pytest.mark.parametrize("cred", [ANN, BOB, BOSS], ids=["ann", "bob", "root"])
@pytest.mark.parametrize("mode", [0, 0o444, 0o644, 0o4755, 0o2777, 0o777777])
def test_both_paths_create_the_same(both: TwoPaths, how: createmode3, cred: Any, mode: int) -> None:
    new = createhow3(how, sattr(mode=mode, size=0 if mode == 0o644 else None))

    expected = created(both.generic(create_of(both, b"one", new, cred=cred)))
    found = both.quick(create_of(both, b"two", new, cred=cred))

    assert created(found) == expected
    one, two = ((both.path / "open" / name).stat() for name in ("one", "two"))
    assert (one.st_mode, one.st_uid, one.st_gid) == (two.st_mode, two.st_uid, two.st_gid)
    result: Any = codec(CREATE3res).decode((found or b"")[RESULT:])
    assert result.body.obj.body == both.handle("open/two")


def test_reply_has_attributes_around_the_change(both: TwoPaths) -> None:
    before = (both.path / "open").stat()
    reply = both.quick(create_of(both, b"new"))
    assert reply is not None
    wcc: Any = codec(CREATE3res).decode(reply[RESULT:]).body.dir_wcc

    after = (both.path / "open").stat()
    times = [divmod(each.st_mtime_ns, 10**9) for each in (before, after)]
    found = [wcc.before.body.mtime, wcc.after.body.mtime]
    assert [(each.seconds, each.nseconds) for each in found] == times


@pytest.mark.parametrize("name", ["file", "link", "pipe"])
def test_both_paths_remove_the_same(both: TwoPaths, name: str) -> None:
    top = both.path / "open"
    for number in ("one", "two"):
        os.link(both.path / name, top / number, follow_symlinks=False)
        os.chown(top / number, 1000, 1001, follow_symlinks=False)

    expected = removed(both.generic(remove_of(both, b"one")))

    assert removed(both.quick(remove_of(both, b"two"))) == expected
    assert sorted(os.listdir(top)) == ["inner"]


def test_thread_works_as_the_server_afterwards(both: TwoPaths) -> None:
    umask = os.umask(0o027)
    try:
        assert both.quick(create_of(both, b"new")) is not None
        assert both.quick(remove_of(both, b"new")) is not None
    finally:
        assert os.umask(umask) == 0o027
    made = both.path / "made"
    made.touch()
    assert made.stat().st_uid == 0


@pytest.mark.parametrize(
    "how",
    [
        createhow3(EXCLUSIVE, b"verifier"),
        createhow3(UNCHECKED, sattr()),
        createhow3(UNCHECKED, sattr(mode=0o644, uid=1000)),
        createhow3(UNCHECKED, sattr(mode=0o644, gid=1001)),
        createhow3(UNCHECKED, sattr(mode=0o644, size=1)),
        createhow3(UNCHECKED, sattr(mode=0o644, mtime=nfstime3(1, 2))),
    ],
    ids=["exclusive", "no mode", "uid", "gid", "size", "time"],
)
def test_other_attributes_are_left_alone(both: TwoPaths, how: Any) -> None:
    assert both.quick(create_of(both, b"new", how)) is None
    assert not (both.path / "open" / "new").exists()


@pytest.mark.parametrize("how", [UNCHECKED, GUARDED])
def test_file_that_exists_is_left_alone(both: TwoPaths, how: createmode3) -> None:
    message = create_of(both, b"inner", createhow3(how, sattr(mode=0o600, size=0)))

    assert both.quick(message) is None
    assert (both.path / "open" / "inner").read_bytes() == b"inner"


@pytest.mark.parametrize("name", [b"", b".", b"..", b"a/b", b"a\0b", b"a" * 256, b"missing"])
def test_unusual_names_are_left_alone(both: TwoPaths, name: bytes) -> None:
    assert both.quick(remove_of(both, name)) is None
    if name != b"missing":
        assert both.quick(create_of(both, name)) is None
    assert os.listdir(both.path / "open") == ["inner"]


def test_refused_changes_are_left_to_generic_path(both: TwoPaths) -> None:
    for message in (
        create_of(both, b"new", directory="closed", cred=BOB),
        create_of(both, b"new", directory="small"),
        remove_of(both, b"inner", directory="closed", cred=BOB),
        remove_of(both, b"inner", cred=ANN),  # of root, in a sticky directory
        remove_of(both, b"closed", directory="", cred=BOSS),
    ):
        assert both.quick(message) is None
        assert status_of(both.generic(message)) is not nfsstat3.NFS3_OK
    assert (both.path / "closed" / "inner").exists()


def test_read_only_export_is_left_alone(both: TwoPaths) -> None:
    both.exported.rules.options = INSECURE._replace(ro=True)

    assert both.quick(create_of(both, b"new")) is None
    assert both.quick(remove_of(both, b"inner", cred=BOSS)) is None
    assert os.listdir(both.path / "open") == ["inner"]


def test_directory_that_another_call_changes_waits(both: TwoPaths) -> None:
    message = create_of(both, b"new")
    directory = both.exported.shares.handles.open(both.handle("open").data)[1]

    async def while_locked() -> bytes | None:
        async with both.exported.share.locks.hold(directory):
            return await both.answered(message)

    assert both.run(while_locked()) is None


def test_bytes_after_the_arguments_are_left_alone(both: TwoPaths) -> None:
    assert both.quick(create_of(both, b"new") + bytes(4)) is None
    assert both.quick(remove_of(both, b"inner", cred=BOSS) + bytes(4)) is None
    assert os.listdir(both.path / "open") == ["inner"]


def test_retransmission_gets_the_first_reply(both: TwoPaths) -> None:
    for message in (create_of(both, b"new", createhow3(GUARDED, sattr(mode=0))),
                    remove_of(both, b"new")):  # fmt: skip
        first = both.quick(message)

        assert status_of(first) is nfsstat3.NFS3_OK
        assert both.quick(message) is None
        assert both.generic(message) == first


def test_retransmission_over_another_connection_is_recognised(both: TwoPaths) -> None:
    message = remove_of(both, b"inner", cred=BOSS)
    first = both.quick(message)
    both.connection = both.connected(_other_connection(both))

    assert both.quick(message) is None
    assert both.exported.dispatcher.handle(message, both.connection.caller) == first


def _other_connection(both: TwoPaths) -> Caller:
    """One from another port, while the first has ended."""
    former: Any = both.connection.caller
    former.connected = lambda: False
    return Caller("tcp", ("192.0.2.9", 701, 0), former.local)


def test_removed_file_is_not_kept_open(both: TwoPaths) -> None:
    file = both.exported.shares.handles.open(both.handle("open/inner").data)[1]

    async def scenario() -> int:
        kept = both.files.cached.get(file)
        await both.answered(remove_of_inner)
        return kept.descriptor

    remove_of_inner = remove_of(both, b"inner", cred=BOSS)
    assert both.run(scenario()) == CLOSED


def test_file_whose_id_is_unknown_is_removed(
    both: TwoPaths, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(_use: Any, _descriptor: int) -> bytes:
        raise OSError(errno.EOVERFLOW, "no handle")

    monkeypatch.setattr(changing, "id_of_new", refused)

    assert both.quick(create_of(both, b"new")) is None
    assert not (both.path / "open" / "new").exists()


def test_changes_work_without_free_descriptors(
    both: TwoPaths, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_: int) -> int:
        raise OSError(errno.EMFILE, "too many open files")

    message = create_of(both, b"new")
    monkeypatch.setattr(os, "dup", full)

    assert status_of(both.quick(message)) is nfsstat3.NFS3_OK
    assert status_of(both.quick(remove_of(both, b"new"))) is nfsstat3.NFS3_OK


def test_full_table_is_left_to_generic_path(
    both: TwoPaths, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(duplicates, "MAX_RUNNING", 0)

    assert both.quick(create_of(both, b"new")) is None


class Disk:
    """A disk whose syncs are recorded, and wait if ``slow``; all fail if ``broken``."""

    def __init__(self) -> None:
        self.calls: list[int] = []
        self.broken = False
        self.free = threading.Event()
        self.free.set()
        self.table: dict[Depth, Callable[[int], None]] = dict.fromkeys(SYNC_CALLS, self._call)

    def _call(self, descriptor: int) -> None:
        self.calls.append(os.fstat(descriptor).st_ino)
        assert self.free.wait(DEADLINE)
        if self.broken:
            raise OSError(errno.EIO, "broken disk")


@pytest.fixture
def disk() -> Disk:
    return Disk()


@pytest.fixture
def on_disk(place: Path, disk: Disk) -> Iterator[TwoPaths]:
    with asyncio.Runner() as runner:
        found = TwoPaths(place, runner, sync_calls=disk.table)
        yield found
        disk.free.set()
        found.close()


def test_changes_share_the_sync_of_their_directory(on_disk: TwoPaths, disk: Disk) -> None:
    messages = [create_of(on_disk, b"%d" % number) for number in range(16)]

    async def together() -> list[bytes | None]:
        return await asyncio.gather(*(on_disk.answered(message) for message in messages))

    replies = on_disk.run(together())

    assert {status_of(reply) for reply in replies} == {nfsstat3.NFS3_OK}
    top = on_disk.path / "open"
    new = [(top / str(number)).stat().st_ino for number in range(16)]
    assert disk.calls[0] == top.stat().st_ino
    assert sorted(disk.calls[1:]) == sorted(new)


def test_reply_waits_for_the_disk(on_disk: TwoPaths, disk: Disk) -> None:
    disk.free.clear()
    messages = [create_of(on_disk, b"new"), remove_of(on_disk, b"inner", cred=BOSS)]
    again = create_of(on_disk, b"new")

    async def scenario() -> None:
        asked = [asyncio.ensure_future(on_disk.answered(message)) for message in messages]
        await asyncio.sleep(0)
        found = on_disk.exported.dispatcher.handle(again, TCP)  # it finds the new file
        assert inspect.isawaitable(found)
        asked.append(asyncio.ensure_future(_awaited(found)))
        done, _ = await asyncio.wait(asked, timeout=0.05)
        assert not done
        disk.free.set()
        replies = await asyncio.gather(*asked)
        assert {status_of(reply) for reply in replies} == {nfsstat3.NFS3_OK}

    on_disk.run(scenario())


async def _awaited(reply: Any) -> bytes | None:
    found: bytes | None = await reply
    return found


def test_retransmission_waits_for_the_first_call(on_disk: TwoPaths, disk: Disk) -> None:
    disk.free.clear()
    message = create_of(on_disk, b"new")

    async def scenario() -> None:
        first = asyncio.ensure_future(on_disk.answered(message))
        await asyncio.sleep(0)
        assert on_disk.exported.dispatcher.handle(message, on_disk.connection.caller) is None
        again = on_disk.exported.dispatcher.handle(message, _other_connection(on_disk))
        assert inspect.isawaitable(again)
        disk.free.set()
        assert await again == await first
        assert not on_disk.duplicates.running

    on_disk.run(scenario())


def test_call_ends_though_its_connection_has(on_disk: TwoPaths, disk: Disk) -> None:
    disk.free.clear()
    message = create_of(on_disk, b"new")

    async def scenario() -> bytes | None:
        replies: list[bytes] = []
        assert on_disk.connection.begin(on_disk.now)
        answer: Any = on_disk.connection.answer(message, replies)
        on_disk.connection.end()
        answer.done.cancel()  # as a connection does that is closed
        other = on_disk.exported.dispatcher.handle(message, _other_connection(on_disk))
        disk.free.set()
        return await _awaited(other)

    assert status_of(on_disk.run(scenario())) is nfsstat3.NFS3_OK


def test_failed_sync_is_the_generic_refusal(on_disk: TwoPaths, disk: Disk) -> None:
    disk.broken = True

    found = on_disk.quick(create_of(on_disk, b"one"))
    expected = on_disk.generic(create_of(on_disk, b"two"))
    results: list[Any] = [
        codec(CREATE3res).decode((each or b"")[RESULT:]) for each in (found, expected)
    ]
    assert results[0].status is results[1].status is nfsstat3.NFS3ERR_IO
    one, two = (directory_of(each.body.dir_wcc) for each in results)
    assert one == two

    refused = on_disk.quick(remove_of(on_disk, b"inner", cred=BOSS))
    assert refused is not None
    assert codec(REMOVE3res).decode(refused[RESULT:]).status is nfsstat3.NFS3ERR_IO


def test_async_export_answers_before_the_sync(place: Path, disk: Disk) -> None:
    with asyncio.Runner() as runner:
        both = TwoPaths(place, runner, options=INSECURE._replace(sync=False), sync_calls=disk.table)
        first = both.quick(create_of(both, b"new"))
        assert status_of(both.quick(remove_of(both, b"new"))) is nfsstat3.NFS3_OK
        both.close()

    assert status_of(first) is nfsstat3.NFS3_OK
    assert not disk.calls


def test_overlapping_changes_have_no_attributes_before(both: TwoPaths) -> None:
    both.let_another_process_change_all()

    for answer in (both.generic, both.quick):
        for message, result in ((create_of, CREATE3res), (remove_of, REMOVE3res)):
            reply = answer(message(both, b"new"))
            assert reply is not None
            found: Any = codec(result).decode(reply[RESULT:])
            wcc = found.body.dir_wcc
            assert (wcc.before.attributes_follow, wcc.after.attributes_follow) == (False, True)
