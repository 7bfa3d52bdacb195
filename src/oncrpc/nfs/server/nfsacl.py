"""The procedures of NFSACL, versions 2 and 3, beside those of NFS 2 and 3.

A client asks for the lists of a file to show them, and before it creates files in a directory: if
that has a default list, it does not apply the umask of its user, and the list decides. Who may
access a file is decided by the server, at every call.

``no_acl`` in an export refuses both procedures on lists; clients then use the mode, and the file
system obeys its lists all the same. GETXATTRDIR, which only Solaris has, is not served.
"""

from __future__ import annotations

import errno
import functools
from collections.abc import Callable, Coroutine
from operator import attrgetter
from typing import Any, Concatenate, ParamSpec, TypeVar

from oncrpc.nfs.acls import Acls, mode_of_entries, says_more_than_mode
from oncrpc.nfs.answers import settled
from oncrpc.nfs.filesystem import NewAttributes
from oncrpc.nfs.server.access import access_bits
from oncrpc.nfs.server.acl_wire import acls_of, secattr_of
from oncrpc.nfs.server.attributes import NO_ATTRIBUTES
from oncrpc.nfs.server.attributes2 import fattr_of
from oncrpc.nfs.server.call_objects import CallObject, check_objects, locked_for_change
from oncrpc.nfs.server.outcomes2 import procedure2
from oncrpc.nfs.server.shares import OverShares, Shares
from oncrpc.nfs.status import NfsError, status_of
from oncrpc.programs.nfs2 import fattr
from oncrpc.programs.nfs3 import ftype3, nfsstat3
from oncrpc.programs.nfsacl import (
    NFS_ACL_V2,
    NFS_ACL_V3,
    ACCESS2args,
    ACCESS2res,
    ACCESS2resok,
    GETACL2args,
    GETACL2res,
    GETACL2resok,
    GETACL3args,
    GETACL3res,
    GETACL3resfail,
    GETACL3resok,
    GETATTR2args,
    GETATTR2res,
    GETATTR2resok,
    SETACL2args,
    SETACL2res,
    SETACL2resok,
    SETACL3args,
    SETACL3res,
    SETACL3resfail,
    SETACL3resok,
    secattr,
)
from oncrpc.rpc.eager import eager
from oncrpc.rpc.program import Answer, Call, idempotent

A = TypeVar("A")
P = ParamSpec("P")
R = TypeVar("R")
S = TypeVar("S", bound=OverShares)
Body = Callable[Concatenate[S, Call, A, P], Coroutine[Any, Any, object]]

HANDLE = attrgetter("fh")
MODE_BITS_KEPT = 0o7000
"""The bits of a mode that no list has."""


def procedure_acl3(
    result: Callable[[Any, Any], R], failure: Callable[[Any], object], *, changes: bool = False
) -> Callable[[Body[S, A, P]], Callable[[S, Call, A], Answer[R]]]:
    """Make a procedure of version 3 of a coroutine that returns the arm for success.

    The coroutine is given the call, the arguments, and the object. An object that it ``changes`` is
    locked, and refused on a read-only export.
    """

    def decorated(body: Body[S, A, P]) -> Callable[[S, Call, A], Answer[R]]:
        run: Callable[..., Coroutine[Any, Any, object]] = body

        async def perform(service: S, call: Call, arg: Any) -> R:
            file: CallObject | None = None
            try:
                file = CallObject(service.shares, await service.shares.open(call, arg.fh.data))
                check_objects([file], changes=changes)
                if changes:
                    async with locked_for_change(file):
                        success = await run(service, call, arg, file)
                else:
                    await file.refresh()
                    success = await run(service, call, arg, file)
            except OSError as refusal:
                attributes = NO_ATTRIBUTES if file is None else await file.post_op_now()
                return result(status_of(refusal), failure(attributes))
            return result(nfsstat3.NFS3_OK, success)

        @functools.wraps(body)
        def handler(service: S, call: Call, arg: A) -> Answer[R]:
            return eager(perform(service, call, arg))

        return handler

    return decorated


def procedure_acl2(
    result: Callable[[Any, Any], R], *, changes: bool = False
) -> Callable[[Body[S, A, P]], Callable[[S, Call, A], Answer[R]]]:
    """Make a procedure of version 2 of a coroutine, as ``procedure2`` does."""
    return procedure2(result, changes=[HANDLE]) if changes else procedure2(result, reads=[HANDLE])


class NfsAcl3(NFS_ACL_V3.Service):
    """Version 3."""

    def __init__(self, shares: Shares) -> None:
        self.shares = shares

    @idempotent
    @procedure_acl3(GETACL3res, GETACL3resfail)
    async def ACLPROC3_GETACL(self, call: Call, arg: GETACL3args, file: CallObject) -> GETACL3resok:
        """The lists that the mask asks for; needs no permission."""
        return GETACL3resok(file.post_op(), await _lists(file, arg.mask))

    @procedure_acl3(SETACL3res, SETACL3resfail, changes=True)
    async def ACLPROC3_SETACL(self, call: Call, arg: SETACL3args, file: CallObject) -> SETACL3resok:
        """Set the lists that the mask names."""
        await _set_lists(file, acls_of(arg.acl))
        await file.end()
        return SETACL3resok(file.post_op())


class NfsAcl2(NFS_ACL_V2.Service):
    """Version 2."""

    def __init__(self, shares: Shares) -> None:
        self.shares = shares

    @idempotent
    @procedure_acl2(GETACL2res)
    async def ACLPROC2_GETACL(self, call: Call, arg: GETACL2args, file: CallObject) -> GETACL2resok:
        """The lists that the mask asks for; needs no permission."""
        return GETACL2resok(_fattr(file), await _lists(file, arg.mask))

    @procedure_acl2(SETACL2res, changes=True)
    async def ACLPROC2_SETACL(self, call: Call, arg: SETACL2args, file: CallObject) -> SETACL2resok:
        """Set the lists that the mask names."""
        await _set_lists(file, acls_of(arg.acl))
        await file.refresh()
        return SETACL2resok(_fattr(file))

    @idempotent
    @procedure_acl2(GETATTR2res)
    async def ACLPROC2_GETATTR(
        self, call: Call, arg: GETATTR2args, file: CallObject
    ) -> GETATTR2resok:
        """The attributes, as by NFS."""
        return GETATTR2resok(_fattr(file))

    @idempotent
    @procedure_acl2(ACCESS2res)
    async def ACLPROC2_ACCESS(self, call: Call, arg: ACCESS2args, file: CallObject) -> ACCESS2resok:
        """The bits that the client asks for and the user has, as ACCESS of NFS 3."""
        allowed = access_bits(file.kind, await file.access(), read_only=file.options.ro)
        return ACCESS2resok(_fattr(file), arg.access & allowed)


async def _lists(file: CallObject, mask: int) -> secattr:
    _check_served(file)
    acls = await settled(file.filesystem.get_acl(file.who, file.file))
    return secattr_of(acls, file.attributes, mask)


async def _set_lists(file: CallObject, new: Acls) -> None:
    """Set lists, or the mode if that is all that the file system has.

    Raises:
        NfsError: NFS3ERR_NOTSUPP. OSError: of the file system.
    """
    _check_served(file)
    if new == Acls():
        return
    try:
        await settled(file.filesystem.set_acl(file.who, file.file, new))
    except OSError as error:
        mode = _mode_alone(file, new) if error.errno == errno.EOPNOTSUPP else None
        if mode is None:
            raise
        changed = file.filesystem.setattr(file.who, file.file, NewAttributes(mode=mode))
        await settled(changed)


def _mode_alone(file: CallObject, new: Acls) -> int | None:
    """The mode that says the same as the lists; None if there is none."""
    if file.kind is ftype3.NF3LNK or new.default or says_more_than_mode(new.access or ()):
        return None
    kept = file.attributes.mode & MODE_BITS_KEPT
    return kept | mode_of_entries(new.access) if new.access else file.attributes.mode


def _check_served(file: CallObject) -> None:
    if not file.options.acl:
        raise NfsError(nfsstat3.NFS3ERR_NOTSUPP, "the export has no_acl")


def _fattr(file: CallObject) -> fattr:
    return fattr_of(file.attributes, file.share.fsid)
