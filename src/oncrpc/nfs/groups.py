"""The groups that a user has on this host, for more than the 16 that a credential carries."""

from __future__ import annotations

import asyncio
import os
import pwd
import time
from collections.abc import Callable, Coroutine

from oncrpc.nfs.background import BackgroundAnswers, NotNow
from oncrpc.nfs.options import UserGroups
from oncrpc.nfs.status import NfsError
from oncrpc.programs.nfs3 import nfsstat3

UNKNOWN_USER: UserGroups = ()
"""An existing user has its primary group at least."""

DEADLINE = 2.0
"""Seconds that a call waits for the name services; then the reply is NFS3ERR_JUKEBOX."""

AskGroups = Callable[[int], UserGroups]


class HostGroups:
    """Looks up the groups of users, in threads. Answers are cached (``BackgroundAnswers``).

    A user that this host does not know keeps the groups of its credential: the answer is None.
    """

    def __init__(
        self,
        ask: AskGroups | None = None,
        *,
        clock: Callable[[], float] = time.monotonic,
        deadline: float = DEADLINE,
    ) -> None:
        self._answers = BackgroundAnswers[int, UserGroups](
            ask or groups_of_user, without=UNKNOWN_USER, clock=clock
        )
        self._deadline = deadline

    def __call__(
        self,
        uid: int,
        gid: int,  # noqa: ARG002
    ) -> UserGroups | Coroutine[None, None, UserGroups | None] | None:
        """The groups of a user, None if the user is unknown; a coroutine if they are not cached.

        Raises:
            NfsError: NFS3ERR_JUKEBOX: they did not come in time.
        """
        found = self._answers.get(uid)
        return self._later(uid) if found is None else found or None

    async def _later(self, uid: int) -> UserGroups | None:
        try:
            async with asyncio.timeout(self._deadline):
                while (found := self._answers.get(uid)) is None:
                    await self._answers.wait()
        except TimeoutError:
            reason = f"the groups of user {uid} are being looked up"
            raise NfsError(nfsstat3.NFS3ERR_JUKEBOX, reason) from None
        return found or None


def groups_of_user(uid: int) -> UserGroups:
    """The groups of a user of this host, its primary one included. This may block.

    Raises:
        NotNow: they cannot be looked up.
    """
    try:
        user = pwd.getpwuid(uid)
    except (KeyError, OverflowError):
        return UNKNOWN_USER
    try:
        return tuple(os.getgrouplist(user.pw_name, user.pw_gid))
    except OSError:
        raise NotNow from None
