"""The identity of the caller, taken by one thread for a while.

The kernel decides what a caller may do: the thread takes the caller's user, group and further
groups, and does the work. These three are properties of a thread (setfsuid(2), setfsgid(2) and the
raw call setgroups), so other threads go on as the server. A thread never waits, and starts no other
thread, while it has the identity of a caller.

A thread that cannot take back its own identity ends the process: it would work as one caller for
another.

Without the privilege to do this, all callers work as the user of the server. The server's
capabilities that override permissions are then lowered for the time of the work. They would
make every caller a super-user.
"""

from __future__ import annotations

import errno
import logging
import os
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import cache
from types import TracebackType

from oncrpc.nfs.backends.local.syscalls import (
    NOBODY_AT_ALL,
    capget,
    capset,
    seteuid,
    setfsgid,
    setfsuid,
    setgroups,
)
from oncrpc.nfs.filesystem import Identity
from oncrpc.nfs.options import NOBODY

log = logging.getLogger("oncrpc.nfs")

EX_SOFTWARE = 70
"""The exit status of a server that could not take back its own identity."""

_FILE_CAPABILITIES = sum(1 << number for number in (0, 1, 2, 3, 4, 9, 27, 32))
"""The capabilities that the kernel lowers when the user for the file system is not root any more:
CHOWN, DAC_OVERRIDE, DAC_READ_SEARCH, FOWNER, FSETID, LINUX_IMMUTABLE, MKNOD, MAC_OVERRIDE."""


class Identities:
    """Takes the identities of callers. Must be created with the server's own identity.

    ``own`` is that identity; ``switches`` is whether others can be taken.
    """

    def __init__(self) -> None:
        self.own = Identity(os.geteuid(), os.getegid(), tuple(os.getgroups()))
        self._capabilities = capget()
        self._lowers = self.own.uid != 0
        self.switches = self._can_switch()
        if not self.switches:
            log.info("all callers work as uid %d: only root can work as another", self.own.uid)

    def of(self, who: Identity) -> AbstractContextManager[None]:
        """Work as this caller within the block.

        Raises:
            OSError: EACCES: the kernel does not let this thread take that identity.
        """
        if self.switches and who[:3] != self.own[:3]:
            return _Taken(self, who)
        # A root that may become others is root for itself, too. Elsewhere capabilities are the
        # server's alone, also for a caller with the server's own numbers.
        if self._capabilities.effective & _FILE_CAPABILITIES and (
            self.own.uid or not self.switches
        ):
            return _Lowered(self)
        return nullcontext()

    def acting(self, who: Identity) -> int:
        """The user that works for the caller."""
        return who.uid if self.switches else self.own.uid

    def _can_switch(self) -> bool:
        # One's own numbers could be taken without any privilege.
        other = NOBODY if NOBODY not in (self.own.uid, self.own.gid) else NOBODY - 1
        try:
            with _Taken(self, Identity(other, other, (other,))):
                # By SECBIT_NO_SETUID_FIXUP the kernel leaves the capabilities of root to others.
                self._lowers = self._lowers or bool(capget().effective & _FILE_CAPABILITIES)
                return True
        except OSError:
            return False

    def take(self, who: Identity) -> None:
        """Become the caller; see ``of``."""
        try:
            if who.groups != self.own.groups:
                setgroups(who.groups)
            setfsgid(who.gid)
            setfsuid(who.uid)
            if not _is(who.uid, who.gid):
                raise OSError(errno.EACCES, f"cannot work as uid {who.uid}, gid {who.gid}")
            if self._lowers and who.uid:
                self.lower()
        except OSError as error:
            self.give_back()
            raise OSError(errno.EACCES, f"cannot work as uid {who.uid}: {error}") from error

    def lower(self) -> None:
        """Lower the capabilities that override permissions."""
        now = self._capabilities
        capset(now._replace(effective=now.effective & ~_FILE_CAPABILITIES))

    def raise_again(self) -> None:
        """Raise the capabilities that were lowered, or end the process."""
        try:
            capset(self._capabilities)
        except OSError as error:
            _end(str(error))

    def give_back(self, groups: tuple[int, ...] | None = None) -> None:
        """Become the server again, or end the process. ``groups`` are the thread's, if known."""
        own = self.own
        try:
            setfsuid(own.uid)
            setfsgid(own.gid)
            if own.groups != (tuple(os.getgroups()) if groups is None else groups):
                setgroups(own.groups)
            if self._lowers:
                capset(self._capabilities)
            if _is(own.uid, own.gid):
                return
            reason = "the kernel did not change it"
        except OSError as error:
            reason = str(error)
        _end(reason)

    @contextmanager
    def asking(self, uid: int, groups: Sequence[int] = ()) -> Iterator[None]:
        """Be this user with these groups within the block, for questions about the user itself.

        It is for system calls that look at the effective user, where ``of`` is not enough. The
        thread is a worker.

        Raises:
            OSError: the kernel does not let this thread be that user.
        """
        try:
            setgroups(groups)
            seteuid(uid)
            yield
        finally:
            self._be_oneself()

    def _be_oneself(self) -> None:
        try:
            seteuid(self.own.uid)
            if tuple(os.getgroups()) != self.own.groups:
                setgroups(self.own.groups)
            if capget() != self._capabilities:
                capset(self._capabilities)
            if (os.geteuid(), _is(self.own.uid, self.own.gid)) == (self.own.uid, True):
                return
            reason = "the kernel did not change it"
        except OSError as error:
            reason = str(error)
        _end(reason)

    def check(self) -> None:
        """End the process if this thread has not the server's identity. For new threads."""
        if not _is(self.own.uid, self.own.gid):
            _end("a thread began with the identity of a caller")


@cache
def identities() -> Identities:
    """The one object of this process, made at the first call."""
    return Identities()


def _is(uid: int, gid: int) -> bool:
    """Whether this thread has this user and group for the file system."""
    return (setfsuid(NOBODY_AT_ALL), setfsgid(NOBODY_AT_ALL)) == (uid, gid)


def _end(reason: str) -> None:
    log.critical("cannot take back the server's identity: %s; the server ends", reason)
    os._exit(EX_SOFTWARE)


class _Taken(AbstractContextManager[None]):
    """A block that works as a caller."""

    def __init__(self, owner: Identities, who: Identity) -> None:
        self._owner, self._who = owner, who

    def __enter__(self) -> None:
        self._owner.take(self._who)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._owner.give_back(self._who.groups)


class _Lowered(AbstractContextManager[None]):
    """A block that works as the server, without its capabilities."""

    def __init__(self, owner: Identities) -> None:
        self._owner = owner

    def __enter__(self) -> None:
        self._owner.lower()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._owner.raise_again()
