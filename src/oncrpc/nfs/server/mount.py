"""The mount protocol: versions 1 and 2 (RFC 1094 appendix A) and 3 (RFC 1813 §5).

MNT gives a handle exactly to the callers that NFS would serve: the export's rules check the host
and its port, and ``mount_walk`` the directories below the root. A path outside of all exports is
refused with ACCES, whether it exists or not. Each mount is logged, with the messages of rpc.mountd.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import NamedTuple, TypeVar

from oncrpc.access.line_limit import LineLimit
from oncrpc.nfs.filesystem import Identity
from oncrpc.nfs.options import ExportOptions
from oncrpc.nfs.server.mount_list import MountList
from oncrpc.nfs.server.mount_lists import WAIT, WAITS, MountLists
from oncrpc.nfs.server.mount_walk import names_below, normalised, walk
from oncrpc.nfs.server.shares import HostRefused, Share, Shares, flavor_name
from oncrpc.nfs.status import NfsError, status_of
from oncrpc.programs.mount import (
    MOUNT_V3,
    MOUNTVERS,
    MOUNTVERS_POSIX,
    exportnode,
    fhstatus,
    mountbody,
    mountres3,
    mountres3_ok,
    mountstat3,
    ppathcnf,
)
from oncrpc.programs.nfs3 import nfsstat3
from oncrpc.rpc import Call, Service, idempotent
from oncrpc.rpc.eager import eager
from oncrpc.rpc.program import Answer
from oncrpc.rpc.prot import auth_flavor

log = logging.getLogger("oncrpc.nfs")
T = TypeVar("T")

FLAVORS = {"none": auth_flavor.AUTH_NONE, "sys": auth_flavor.AUTH_SYS}
"""The flavors that the server offers, by their names in exports(5)."""

GRANTED = "authenticated mount request from %s for %s (%s)%s"
REFUSED = "refused %s request from %s for %s (%s): %s%s"

_STATUS = {
    **{nfsstat3(number): number for number in mountstat3},
    nfsstat3.NFS3ERR_PERM: mountstat3.MNT3ERR_ACCES,
    nfsstat3.NFS3ERR_STALE: mountstat3.MNT3ERR_NOENT,
}
"""Outcomes of NFS as outcomes of MNT; all others are MNT3ERR_SERVERFAULT.

A port that is not reserved is ACCES, as from rpc.mountd. STALE: the export's root is gone.
"""

EIO = 5
SHORT = 0x7FFF
PATH_MAX, PIPE_BUF, LINE_MAX = 4096, 4096, 255
"""Limits of this host, for PATHCONF; a server has no terminals and pipes for its clients."""


class Granted(NamedTuple):
    """A directory that may be mounted."""

    share: Share
    options: ExportOptions
    handle: bytes

    @property
    def flavors(self) -> list[int]:
        """The flavors that the handle may be used with, the preferred one first."""
        return offered(self.options)


def offered(options: ExportOptions) -> list[int]:
    """The numbers of the export's flavors, without those that the server lacks."""
    return [FLAVORS[name] for name in options.sec if name in FLAVORS]


class MountProgram:
    """The state of all three versions. ``only_allowed``: EXPORT lists what the caller may mount."""

    def __init__(
        self,
        shares: Shares,
        mounts: MountList,
        *,
        only_allowed: bool = False,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self.shares, self.mounts, self._sleep = shares, mounts, sleep
        self.lists = MountLists(shares, mounts, sleep=sleep)
        self.only_allowed = only_allowed
        self._refusals, self._grants = LineLimit(), LineLimit()

    @property
    def only_allowed(self) -> bool:
        """Whether EXPORT leaves out what the caller may not mount."""
        return self.lists.only_allowed

    @only_allowed.setter
    def only_allowed(self, only_allowed: bool) -> None:
        self.lists.only_allowed = only_allowed

    def services(self) -> list[Service]:
        """The three versions."""
        return [MountService1(self), MountService2(self), MountService3(self)]

    async def mount(self, call: Call, path: bytes) -> Granted:
        """MNT: the handle of a directory; the mount is remembered.

        Raises:
            OSError: the mount is refused; the log has the reason.
        """
        granted = await self._granted(call, path, "mount")
        caller, shown = call.caller, normalised(path)
        if caller.source is not None:
            self.mounts.add(caller.host, shown, proven=not caller.datagram)
        left_out = self._grants.left_out(f"{caller.host} {shown!r}")
        if left_out is not None:
            place = _printed(granted.share.path)
            log.info(GRANTED, _place(call), _printed(path), place, left_out)
        return granted

    async def pathconf(self, call: Call, path: bytes) -> ppathcnf:
        """PATHCONF: the limits of a directory that the caller may mount."""
        share, _, _ = await self._granted(call, path, "pathconf")
        features = share.filesystem.features
        name_max, link_max = min(features.name_max, SHORT), min(features.link_max, 0x7FFFFFFF)
        return ppathcnf(link_max, LINE_MAX, LINE_MAX, name_max, PATH_MAX, PIPE_BUF, 0, 0, [0, 0])

    async def _granted(self, call: Call, path: bytes, what: str) -> Granted:
        """The directory, by the innermost export that the host may use, as in rpc.mountd."""
        innermost: Share | None = None
        refusal = NfsError(nfsstat3.NFS3ERR_ACCES, "not exported")
        try:
            wanted = normalised(path)
            for share, place in self.shares.around(wanted):
                try:
                    options = await self._admitted(call, share, flavor_name(call.credential))
                except HostRefused as error:
                    refusal = refusal if innermost else error
                    innermost = innermost or share
                    continue
                innermost = share
                return await self._opened(call, share, names_below(wanted, place), options)
            raise refusal
        except OSError as error:
            self._log_refusal(call, path, what, share=innermost, error=error)
            raise

    async def _opened(
        self, call: Call, share: Share, names: list[bytes], options: ExportOptions
    ) -> Granted:
        flavor = flavor_name(call.credential)
        if not offered(options):
            reason = f"the server lacks the flavors of the export (sec={':'.join(options.sec)})"
            raise NfsError(nfsstat3.NFS3ERR_ACCES, reason)
        if flavor in options.sec:
            who = await self.shares.identity(options, call)
        else:
            # NFS calls with this flavor are refused, so it gives nobody more than the anonymous
            # user has. MNT itself is not: the client learns from the reply which flavors to use.
            flavor = next(name for name in options.sec if name in FLAVORS)
            options = await self._admitted(call, share, flavor)
            who = Identity(options.anonuid, options.anongid, (), call.caller.host)
        directory = await walk(share.filesystem, who, names)
        v2 = call.procedure.version.vers < MOUNT_V3.vers
        return Granted(share, options, self.shares.handle(share, directory, v2=v2))

    async def _admitted(self, call: Call, share: Share, flavor: str) -> ExportOptions:
        """The options for the caller; waits while a name is looked up."""
        for _ in range(WAITS):
            try:
                return self.shares.admit(share, call.caller, flavor=flavor)
            except NfsError as error:
                if error.status is not nfsstat3.NFS3ERR_JUKEBOX:
                    raise
            await self._sleep(WAIT)
        return self.shares.admit(share, call.caller, flavor=flavor)

    def _log_refusal(
        self, call: Call, path: bytes, what: str, *, share: Share | None, error: OSError
    ) -> None:
        reason = error.strerror or type(error).__name__
        left_out = self._refusals.left_out(f"{call.caller.host} {reason}")
        if left_out is not None:
            place = "/" if share is None else _printed(share.path)
            shown = _printed(reason.encode("utf-8", "backslashreplace"))
            log.warning(REFUSED, what, _place(call), _printed(path), place, shown, left_out)

    def unmount(self, call: Call, path: bytes) -> None:
        """UMNT: forget one mount of the caller's host."""
        try:
            shown = normalised(path)
        except NfsError:
            return
        if self.mounts.remove(call.caller.host, shown):
            self._log_unmount(call, _printed(path))

    def unmount_all(self, call: Call) -> None:
        """UMNTALL: forget all mounts of the caller's host. It may come by broadcast."""
        if self.mounts.remove_all(call.caller.host):
            self._log_unmount(call, "all its mounts")

    def _log_unmount(self, call: Call, what: str) -> None:
        left_out = self._grants.left_out(f"{call.caller.host} not {what}")
        if left_out is not None:
            log.info("unmount request from %s for %s%s", _place(call), what, left_out)


def _place(call: Call) -> str:
    """The caller as rpc.mountd writes it: ``192.0.2.1:700``."""
    caller = call.caller
    if caller.source is None:
        return str(caller)
    host = f"[{caller.host}]" if ":" in caller.host else caller.host
    return f"{host}:{caller.port}"


def _printed(text: bytes) -> str:
    """A path for the log: one line, control characters escaped."""
    shown = text.decode("utf-8", "backslashreplace")
    if shown.isprintable():
        return shown
    return "".join(char if char.isprintable() else ascii(char)[1:-1] for char in shown)


def mount_status(error: OSError) -> mountstat3:
    """The outcome of a refused mount."""
    return _STATUS.get(status_of(error), mountstat3.MNT3ERR_SERVERFAULT)


def mount_errno(error: OSError) -> int:
    """The same as the number of a UNIX error, for versions 1 and 2 (RFC 1094 appendix A.5)."""
    status = mount_status(error)
    return status if status < mountstat3.MNT3ERR_NOTSUPP else EIO


class _Mount12:
    """The procedures that versions 1 and 2 share. All of them may run twice for one call."""

    def __init__(self, program: MountProgram) -> None:
        self.program = program

    @idempotent
    def MOUNTPROC_MNT(self, call: Call, arg: bytes) -> Answer[fhstatus]:
        return eager(self._mnt(call, arg))

    async def _mnt(self, call: Call, arg: bytes) -> fhstatus:
        try:
            granted = await self.program.mount(call, arg)
        except OSError as error:
            return fhstatus(mount_errno(error), None)
        return fhstatus(0, granted.handle)

    @idempotent
    def MOUNTPROC_DUMP(self, call: Call) -> list[mountbody]:
        return self.program.lists.dump(call)

    @idempotent
    def MOUNTPROC_UMNT(self, call: Call, arg: bytes) -> None:
        self.program.unmount(call, arg)

    @idempotent
    def MOUNTPROC_UMNTALL(self, call: Call) -> None:
        self.program.unmount_all(call)

    @idempotent
    def MOUNTPROC_EXPORT(self, call: Call) -> Answer[list[exportnode]]:
        return eager(self.program.lists.exports(call))

    @idempotent
    def MOUNTPROC_EXPORTALL(self, call: Call) -> Answer[list[exportnode]]:
        return eager(self.program.lists.exports(call))


class MountService1(_Mount12, MOUNTVERS.Service):
    """Version 1."""


class MountService2(_Mount12, MOUNTVERS_POSIX.Service):
    """Version 2: version 1 with PATHCONF."""

    @idempotent
    def MOUNTPROC_PATHCONF(self, call: Call, arg: bytes) -> Answer[ppathcnf]:
        """The limits of a directory; zeros if it may not be mounted, as rpc.mountd answers."""
        return eager(self._pathconf(call, arg))

    async def _pathconf(self, call: Call, arg: bytes) -> ppathcnf:
        try:
            return await self.program.pathconf(call, arg)
        except OSError:
            return ppathcnf(0, 0, 0, 0, 0, 0, 0, 0, [0, 0])


class MountService3(MOUNT_V3.Service):
    """Version 3."""

    def __init__(self, program: MountProgram) -> None:
        self.program = program

    @idempotent
    def MOUNTPROC3_MNT(self, call: Call, arg: bytes) -> Answer[mountres3]:
        return eager(self._mnt(call, arg))

    async def _mnt(self, call: Call, arg: bytes) -> mountres3:
        try:
            granted = await self.program.mount(call, arg)
        except OSError as error:
            return mountres3(mount_status(error), None)
        return mountres3(mountstat3.MNT3_OK, mountres3_ok(granted.handle, granted.flavors))

    @idempotent
    def MOUNTPROC3_DUMP(self, call: Call) -> list[mountbody]:
        return self.program.lists.dump(call)

    @idempotent
    def MOUNTPROC3_UMNT(self, call: Call, arg: bytes) -> None:
        self.program.unmount(call, arg)

    @idempotent
    def MOUNTPROC3_UMNTALL(self, call: Call) -> None:
        self.program.unmount_all(call)

    @idempotent
    def MOUNTPROC3_EXPORT(self, call: Call) -> Answer[list[exportnode]]:
        return eager(self.program.lists.exports(call))
