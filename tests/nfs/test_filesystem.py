"""``oncrpc.nfs.filesystem``: what a back end need not write, and POSIX's permissions."""

from __future__ import annotations

import asyncio
import errno

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oncrpc.nfs.acls import Acls
from oncrpc.nfs.answers import settled
from oncrpc.nfs.filesystem import (
    MAY_EXECUTE,
    MAY_READ,
    MAY_WRITE,
    Answer,
    Attributes,
    FileSystem,
    Identity,
    NewAttributes,
    SpaceInfo,
    SyncError,
    Syncing,
    data_permissions,
    permissions,
    permits,
)
from oncrpc.nfs.status import status_of
from oncrpc.programs.nfs3 import ftype3, nfsstat3, stable_how
from support.access_list_rules import acl, group, user

WHO = Identity(1000, 100, (27,))
EMPTY = FileSystem()
NEW = NewAttributes()
ALL = MAY_READ | MAY_WRITE | MAY_EXECUTE


def file_of(uid: int, gid: int, mode: int, kind: ftype3 = ftype3.NF3REG) -> Attributes:
    return Attributes(kind, mode=mode, uid=uid, gid=gid)


@pytest.mark.parametrize(
    ("file", "expected"),
    [
        (file_of(1000, 1, 0o421), MAY_READ),
        (file_of(1, 100, 0o421), MAY_WRITE),
        (file_of(1, 27, 0o421), MAY_WRITE),
        (file_of(1, 1, 0o421), MAY_EXECUTE),
        (file_of(1000, 100, 0o077), 0),
    ],
)
def test_first_class_that_matches_decides(file: Attributes, expected: int) -> None:
    assert permissions(WHO, file) == expected


@given(st.integers(0, 0o7777))
def test_root_executes_only_what_somebody_may(mode: int) -> None:
    found = permissions(Identity(0, 0), file_of(5, 5, mode))

    assert found == (ALL if mode & 0o111 else MAY_READ | MAY_WRITE)


@pytest.mark.parametrize(
    ("file", "expected"),
    [
        (file_of(1000, 1, 0), MAY_READ | MAY_WRITE),
        (file_of(1000, 1, 0o100), ALL),
        (file_of(1, 1, 0o001), MAY_READ | MAY_EXECUTE),
        (file_of(1, 1, 0o662), MAY_WRITE),
        (file_of(1, 100, 0o707), 0),
    ],
)
def test_owner_uses_data_whatever_the_mode(file: Attributes, expected: int) -> None:
    """The server should allow the owner access (RFC 1813 §4.4)."""
    assert data_permissions(WHO, file) == expected


def test_root_searches_any_directory() -> None:
    assert permissions(Identity(0, 0), file_of(5, 5, 0, ftype3.NF3DIR)) == ALL


@pytest.mark.parametrize(
    "change",
    [
        lambda: EMPTY.write(WHO, b"f", 0, b"data", stable=stable_how.UNSTABLE),
        lambda: EMPTY.setattr(WHO, b"f", NEW),
        lambda: EMPTY.create(WHO, b"d", b"n", NEW),
        lambda: EMPTY.mkdir(WHO, b"d", b"n", NEW),
        lambda: EMPTY.symlink(WHO, b"d", b"n", b"to", NEW),
        lambda: EMPTY.mknod(WHO, b"d", b"n", ftype3.NF3FIFO, device=(0, 0), new=NEW),
        lambda: EMPTY.remove(WHO, b"d", b"n"),
        lambda: EMPTY.rmdir(WHO, b"d", b"n"),
        lambda: EMPTY.rename(WHO, b"d", b"n", b"d", b"m"),
        lambda: EMPTY.link(WHO, b"f", b"d", b"n"),
    ],
)
def test_back_end_is_read_only_by_default(change: object) -> None:
    assert callable(change)
    with pytest.raises(OSError) as caught:  # noqa: PT011  # any, by its status
        change()

    assert status_of(caught.value) is nfsstat3.NFS3ERR_ROFS


@pytest.mark.parametrize(
    "question",
    [
        lambda: EMPTY.getattr(WHO, b"f"),
        lambda: EMPTY.lookup(WHO, b"d", b"n"),
        lambda: EMPTY.parent(WHO, b"d"),
        lambda: EMPTY.readdir(WHO, b"d", 0, 10, plus=False),
        lambda: EMPTY.readlink(WHO, b"f"),
        lambda: EMPTY.read(WHO, b"f", 0, 10),
    ],
)
def test_missing_method_is_not_supported(question: object) -> None:
    assert callable(question)
    with pytest.raises(OSError) as caught:  # noqa: PT011  # any, by its status
        question()

    assert status_of(caught.value) is nfsstat3.NFS3ERR_NOTSUPP


def test_defaults_that_are_harmless() -> None:
    assert EMPTY.access(WHO, b"f", file_of(1000, 1, 0o600)) == MAY_READ | MAY_WRITE
    assert EMPTY.statfs(WHO, b"f") == SpaceInfo()
    EMPTY.commit(WHO, b"f", 0, 0)
    EMPTY.close()


def test_syncing_answer_waits_for_the_disk() -> None:
    async def main() -> None:
        stored = asyncio.get_running_loop().create_future()
        syncing: Answer[int] = Syncing(7, stored)
        answer = asyncio.ensure_future(settled(syncing))
        await asyncio.sleep(0)
        assert not answer.done()

        stored.set_result(None)

        assert await answer == 7

    asyncio.run(main())


def test_syncing_answer_fails_with_the_disk() -> None:
    async def main() -> None:
        stored = asyncio.get_running_loop().create_future()
        stored.set_exception(SyncError(errno.EIO, "broken disk"))

        syncing: Answer[int] = Syncing(7, stored)

        with pytest.raises(SyncError):
            await settled(syncing)

    asyncio.run(main())


def test_empty_mask_puts_the_list_out_of_force() -> None:
    listed = acl(user(WHO.uid, 7), mask=0, other=4)
    file = file_of(1, 1, 0o704)._replace(acl=listed)

    assert permissions(WHO, file) == MAY_READ
    assert permissions(WHO, file._replace(mode=0o774, acl=acl(user(WHO.uid, 7)))) == ALL


def test_groups_are_asked_one_at_a_time() -> None:
    listed = acl(group(100, MAY_READ), group(27, MAY_WRITE))
    file = file_of(1, 1, 0o770)._replace(acl=listed)

    assert permissions(WHO, file) == MAY_READ | MAY_WRITE
    assert permits(WHO, file, MAY_READ)
    assert not permits(WHO, file, MAY_READ | MAY_WRITE)


def test_back_end_without_lists_has_only_modes() -> None:
    assert EMPTY.get_acl(WHO, b"/") == Acls()
    with pytest.raises(OSError, match="not supported"):
        EMPTY.set_acl(WHO, b"/", Acls(acl()))
