"""RQUOTA, versions 1 and 2: quotas for clients of NFS, as rpc.rquotad and ganesha answer.

The caller names a path that it has mounted, and a user or a group. A user may ask for its own quota
and for those of its groups, and root for all, each after squashing by the export. The port is not
checked, since users run ``quota`` without privileges.

Limits can be set only if the server is configured so, and then by root of a host for which the
export is writable and has ``no_root_squash``, from a reserved port. Usage and times are never set.

A reply has no reason, only a status. Q_EPERM: the host or the user may not. Q_NOQUOTA: there is no
such export, or its file system has no quotas.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import NamedTuple

from oncrpc.errors import AuthError
from oncrpc.nfs.answers import settled
from oncrpc.nfs.filesystem import FileSystem, Identity, QuotaKind
from oncrpc.nfs.options import NO_ID, ExportOptions
from oncrpc.nfs.quota.numbers import limits_of, rquota_of
from oncrpc.nfs.server.mount_lists import WAIT, WAITS
from oncrpc.nfs.server.mount_walk import names_below, normalised, walk
from oncrpc.nfs.server.shares import HostRefused, Share, Shares, flavor_name
from oncrpc.nfs.status import NfsError, status_of
from oncrpc.programs.nfs3 import nfsstat3
from oncrpc.programs.rquota import (
    EXT_RQUOTAVERS,
    RQUOTAVERS,
    ext_getquota_args,
    ext_setquota_args,
    getquota_args,
    getquota_rslt,
    qr_status,
    rquota,
    setquota_args,
    setquota_rslt,
    sq_dqblk,
)
from oncrpc.rpc import Call, NoReply, Service, idempotent
from oncrpc.rpc.eager import eager
from oncrpc.rpc.program import Answer
from oncrpc.rpc.prot import auth_stat, authsys_parms

log = logging.getLogger("oncrpc.nfs")

SET_ALL, SET_LIMITS = 0x0400, 0x0700
"""Commands of SETQUOTA in ``sqa_qcmd``, above the kind of quota. Both set the limits."""

COMMAND_SHIFT = 8
REFUSED = frozenset({nfsstat3.NFS3ERR_ACCES, nfsstat3.NFS3ERR_PERM, nfsstat3.NFS3ERR_ROFS})


class Asked(NamedTuple):
    """A question: the path, and the user or group."""

    path: bytes
    kind: int
    id: int


class QuotaPlace(NamedTuple):
    """A file whose file system is asked, and the user that the caller becomes."""

    share: Share
    file: bytes
    who: Identity

    @property
    def filesystem(self) -> FileSystem:
        """The file system of the export."""
        return self.share.filesystem


class RquotaProgram:
    """Both versions. ``may_set`` allows SETQUOTA; ``clock`` is the time since 1970."""

    def __init__(
        self,
        shares: Shares,
        *,
        may_set: bool = False,
        clock: Callable[[], float] = time.time,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self.shares, self.may_set = shares, may_set
        self._clock, self._sleep = clock, sleep

    def services(self) -> Sequence[Service]:
        """The versions, the highest first."""
        return RquotaService2(self), RquotaService1(self)

    async def get(self, call: Call, asked: Asked, *, active: bool) -> getquota_rslt:
        """GETQUOTA. ``active``: only a quota whose limits hold."""
        status, found = await self._outcome(call, self._get(call, asked, active=active))
        return getquota_rslt(status, found)

    async def set(self, call: Call, asked: Asked, command: int, new: sq_dqblk) -> setquota_rslt:
        """SETQUOTA; the answer has the quota as it is afterwards."""
        status, found = await self._outcome(call, self._set(call, asked, command, new))
        return setquota_rslt(status, found)

    async def _outcome(
        self, call: Call, work: Awaitable[rquota | None]
    ) -> tuple[qr_status, rquota | None]:
        try:
            found = await work
        except OSError as error:
            status = status_of(error)
            if status is nfsstat3.NFS3ERR_JUKEBOX:
                raise NoReply from None
            log.debug("no quota for %s: %s", call.caller.host, error)
            return (qr_status.Q_EPERM if status in REFUSED else qr_status.Q_NOQUOTA), None
        return (qr_status.Q_NOQUOTA if found is None else qr_status.Q_OK), found

    async def _get(self, call: Call, asked: Asked, *, active: bool) -> rquota | None:
        kind, number = _subject(asked)
        place = await self._place(call, asked.path)
        if not _concerns(place.who, kind, number):
            raise NfsError(nfsstat3.NFS3ERR_PERM, "the quota of somebody else")
        return await self._quota(place, kind, number, active=active)

    async def _set(self, call: Call, asked: Asked, command: int, new: sq_dqblk) -> rquota | None:
        if not self.may_set or command >> COMMAND_SHIFT not in (SET_ALL, SET_LIMITS):
            raise NfsError(nfsstat3.NFS3ERR_PERM, "the server does not set that")
        kind, number = _subject(asked)
        place = await self._place(call, asked.path, changes=True)
        if place.who.uid != 0:
            raise NfsError(nfsstat3.NFS3ERR_PERM, "only root sets quotas")
        limits = limits_of(new)
        await settled(place.filesystem.set_quota(place.who, place.file, kind, number, limits))
        shown = place.share.path.decode("utf-8", "backslashreplace")
        log.info(
            "%s set the quota of %s %d on %s: %s",
            call.caller.host, kind.name.lower(), number, shown, tuple(limits),
        )  # fmt: skip
        return await self._quota(place, kind, number, active=False)

    async def _quota(
        self, place: QuotaPlace, kind: QuotaKind, number: int, *, active: bool
    ) -> rquota | None:
        found = await settled(place.filesystem.quota(place.who, place.file, kind, number))
        if found is None or (active and not found.enforced):
            return None
        return rquota_of(found, now=self._clock())

    async def _place(self, call: Call, path: bytes, *, changes: bool = False) -> QuotaPlace:
        """The file system of a path, by the innermost export that the caller's host may use.

        Raises:
            NfsError: NFS3ERR_NOENT: not exported. NFS3ERR_ACCES, NFS3ERR_PERM, NFS3ERR_ROFS: not to
                this host, with this flavor, from this port, or not for changes.
            AuthError: AUTH_TOOWEAK: not AUTH_SYS.
        """
        if not isinstance(call.credential, authsys_parms):
            raise AuthError(auth_stat.AUTH_TOOWEAK)
        wanted = normalised(path if path.startswith(b"/") else b"/" + path)
        refusal = NfsError(nfsstat3.NFS3ERR_NOENT, "not exported")
        for share, root in self.shares.around(wanted):
            try:
                options = await self._options(call, share, changes=changes)
            except HostRefused as error:
                refusal = error
                continue
            who = await self.shares.identity(options, call)
            # The file system is that of the export: no directory on the way matters.
            names = names_below(wanted, root) if options.crossmnt else []
            return QuotaPlace(share, await walk(share.filesystem, who, names), who)
        raise refusal

    async def _options(self, call: Call, share: Share, *, changes: bool) -> ExportOptions:
        flavor = flavor_name(call.credential)
        options = await self._admitted(call, share, flavor, changes=changes)
        if flavor not in options.sec or (changes and options.ro):
            raise NfsError(nfsstat3.NFS3ERR_ACCES, "not by this export")
        return options

    async def _admitted(
        self, call: Call, share: Share, flavor: str, *, changes: bool
    ) -> ExportOptions:
        """The options for the caller's host; waits while a name is looked up."""
        for _ in range(WAITS):
            try:
                return self._admit(call, share, flavor, changes=changes)
            except NfsError as error:
                if error.status is not nfsstat3.NFS3ERR_JUKEBOX:
                    raise
            await self._sleep(WAIT)
        return self._admit(call, share, flavor, changes=changes)

    def _admit(self, call: Call, share: Share, flavor: str, *, changes: bool) -> ExportOptions:
        if changes:
            return self.shares.admit(share, call.caller, flavor=flavor)
        options = share.rules.options_for(call.caller.host)
        if options is None:
            raise HostRefused(nfsstat3.NFS3ERR_ACCES, "this host may not use the export")
        return options.under(flavor)


def _subject(asked: Asked) -> tuple[QuotaKind, int]:
    """The kind, and the number without a sign.

    Raises:
        NfsError: NFS3ERR_INVAL: nobody has such a quota.
    """
    number = asked.id & NO_ID
    if asked.kind not in (*QuotaKind,) or number == NO_ID:
        raise NfsError(nfsstat3.NFS3ERR_INVAL, "no quota of that kind, or an invalid number")
    return QuotaKind(asked.kind), number


def _concerns(who: Identity, kind: QuotaKind, number: int) -> bool:
    """Whether a user may see a quota."""
    if who.uid == 0:
        return True
    return who.uid == number if kind is QuotaKind.USER else number in (who.gid, *who.groups)


class RquotaService1(RQUOTAVERS.Service):
    """Version 1: quotas of users."""

    def __init__(self, program: RquotaProgram) -> None:
        self.program = program

    @idempotent
    def RQUOTAPROC_GETQUOTA(self, call: Call, arg: getquota_args) -> Answer[getquota_rslt]:
        return eager(self.program.get(call, _asked1(arg), active=False))

    @idempotent
    def RQUOTAPROC_GETACTIVEQUOTA(self, call: Call, arg: getquota_args) -> Answer[getquota_rslt]:
        return eager(self.program.get(call, _asked1(arg), active=True))

    def RQUOTAPROC_SETQUOTA(self, call: Call, arg: setquota_args) -> Answer[setquota_rslt]:
        asked = Asked(arg.sqa_pathp, QuotaKind.USER, arg.sqa_id)
        return eager(self.program.set(call, asked, arg.sqa_qcmd, arg.sqa_dqblk))

    def RQUOTAPROC_SETACTIVEQUOTA(self, call: Call, arg: setquota_args) -> Answer[setquota_rslt]:
        return self.RQUOTAPROC_SETQUOTA(call, arg)


class RquotaService2(EXT_RQUOTAVERS.Service):
    """Version 2: quotas of users and of groups."""

    def __init__(self, program: RquotaProgram) -> None:
        self.program = program

    @idempotent
    def RQUOTAPROC_GETQUOTA(self, call: Call, arg: ext_getquota_args) -> Answer[getquota_rslt]:
        return eager(self.program.get(call, _asked2(arg), active=False))

    @idempotent
    def RQUOTAPROC_GETACTIVEQUOTA(
        self, call: Call, arg: ext_getquota_args
    ) -> Answer[getquota_rslt]:
        return eager(self.program.get(call, _asked2(arg), active=True))

    def RQUOTAPROC_SETQUOTA(self, call: Call, arg: ext_setquota_args) -> Answer[setquota_rslt]:
        asked = Asked(arg.sqa_pathp, arg.sqa_type, arg.sqa_id)
        return eager(self.program.set(call, asked, arg.sqa_qcmd, arg.sqa_dqblk))

    def RQUOTAPROC_SETACTIVEQUOTA(
        self, call: Call, arg: ext_setquota_args
    ) -> Answer[setquota_rslt]:
        return self.RQUOTAPROC_SETQUOTA(call, arg)


def _asked1(arg: getquota_args) -> Asked:
    return Asked(arg.gqa_pathp, QuotaKind.USER, arg.gqa_uid)


def _asked2(arg: ext_getquota_args) -> Asked:
    return Asked(arg.gqa_pathp, arg.gqa_type, arg.gqa_id)
