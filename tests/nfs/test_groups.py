"""``oncrpc.nfs.groups``: the groups that users have on this host."""

from __future__ import annotations

import inspect
import os
import pwd
import threading

import pytest

from oncrpc.nfs.answers import settled
from oncrpc.nfs.background import NotNow
from oncrpc.nfs.groups import HostGroups, groups_of_user
from oncrpc.nfs.options import UserGroups
from oncrpc.nfs.status import NfsError
from oncrpc.programs.nfs3 import nfsstat3
from support.loops import run

MANY = tuple(range(100, 140))


def groups(uid: int) -> UserGroups:
    return {1000: MANY}.get(uid, ())


def test_user_has_all_groups_of_this_host() -> None:
    async def main() -> UserGroups | None:
        return await settled(HostGroups(groups)(1000, 100))

    assert run(main()) == MANY


def test_unknown_user_keeps_those_of_the_credential() -> None:
    async def main() -> None:
        found = HostGroups(groups)
        assert await settled(found(7, 7)) is None
        assert found(7, 7) is None

    run(main())


def test_second_question_is_answered_at_once() -> None:
    async def main() -> None:
        found = HostGroups(groups)
        await settled(found(1000, 100))
        assert not inspect.isawaitable(found(1000, 100))

    run(main())


def test_caller_must_retry_if_groups_are_late() -> None:
    may = threading.Event()

    def late(_: int) -> UserGroups:
        may.wait()
        return MANY

    async def main() -> None:
        with pytest.raises(NfsError) as caught:
            await settled(HostGroups(late, deadline=0.01)(1000, 100))
        assert caught.value.status is nfsstat3.NFS3ERR_JUKEBOX

    try:
        run(main())
    finally:
        may.set()


def test_root_is_known_here() -> None:
    assert 0 in groups_of_user(0)


@pytest.mark.parametrize("uid", [0xFFFFFFFF, 1 << 40, 0x7FFFFFF0])
def test_user_without_an_entry_is_unknown(uid: int) -> None:
    assert groups_of_user(uid) == ()


def test_failure_is_not_an_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> list[int]:
        raise OSError

    monkeypatch.setattr(os, "getgrouplist", fail)
    with pytest.raises(NotNow):
        groups_of_user(pwd.getpwall()[0].pw_uid)
