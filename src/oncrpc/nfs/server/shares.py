"""The exported file systems, and the way from a handle to one of them.

Every call goes through ``Shares.open``: the handle's signature, the export's rules for the caller's
host, its port, its flavor, and the user that it becomes are checked for each call, not only at MNT.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Awaitable, Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

from oncrpc.errors import AuthError
from oncrpc.nfs.answers import settled
from oncrpc.nfs.filesystem import FileSystem, Identity
from oncrpc.nfs.handles import Handles
from oncrpc.nfs.options import ExportOptions, UserGroups, identity_of, squashed_groups
from oncrpc.nfs.server.change_locks import ChangeLocks
from oncrpc.nfs.server.handle_refusals import HandleRefusals
from oncrpc.nfs.server.other_changes import OtherChanges
from oncrpc.nfs.server.unstored import Unstored
from oncrpc.nfs.status import NfsError
from oncrpc.programs.nfs3 import NFS3_WRITEVERFSIZE, nfsstat3
from oncrpc.rpc.auth import Credential
from oncrpc.rpc.program import Call, Caller
from oncrpc.rpc.prot import auth_stat, authsys_parms

RESERVED_PORTS = 1024
GroupsOf = Callable[[int, int], "UserGroups | Awaitable[UserGroups | None] | None"]
"""From a uid and a gid to the user's groups on this host; None for a user that is not known."""


class StrictGroups(NamedTuple):
    """Some callers get their groups from ``groups_of`` only, never from the credential."""

    applies: Callable[[Caller], bool]
    groups_of: GroupsOf


class HostRules(Protocol):
    """The rules of one export: which hosts may use it, and how."""

    def options_for(self, host: str) -> ExportOptions | None:
        """The options for a client's address; None if it may not use the export.

        Raises:
            NfsError: NFS3ERR_JUKEBOX: a name in the rules is being looked up.
        """


class HostRefused(NfsError):
    """Raised when no rule of an export matches the caller's host."""


class WriteVerifier:
    """The verifier of WRITE and COMMIT: it changes whenever unstable data may have been lost.

    It is random, so each start of the server has a new one; ``renew`` changes it in between.
    """

    def __init__(self) -> None:
        self.renew()

    def renew(self) -> None:
        """Change it: data could not be stored."""
        drawn = int.from_bytes(secrets.token_bytes(NFS3_WRITEVERFSIZE), "big")
        self.value = (drawn ^ time.time_ns()).to_bytes(NFS3_WRITEVERFSIZE, "big")


@dataclass(eq=False)
class Share:
    """An exported file system.

    ``tag`` is its number in handles, kept for ever; ``fsid`` is what clients see in ``fattr3``.
    ``spellings`` are further paths by which it can be mounted: those that the exports file has,
    with symbolic links. ``others`` are further processes that change its files, if there are some.
    """

    tag: int
    path: bytes
    filesystem: FileSystem
    rules: HostRules
    fsid: int
    verifier: WriteVerifier = field(default_factory=WriteVerifier)
    locks: ChangeLocks = field(default_factory=ChangeLocks)
    unstored: Unstored = field(default_factory=Unstored)
    spellings: Collection[bytes] = ()
    others: OtherChanges | None = None


class Opened(NamedTuple):
    """A file that a call may use: where it is, and on whose behalf."""

    share: Share
    file: bytes
    who: Identity
    options: ExportOptions


class Shares:
    """The shares by tag, and the handles of their files.

    ``groups_of`` returns the groups of a user, instead of those in the credential, which has at
    most 16. Without it, and for a user that it does not know, the credential's are used. For
    the callers of ``strict`` all groups in the credential are ignored, also the primary one.
    ``generation`` grows with each ``replace`` and ``renew``; options found before are stale.
    """

    def __init__(self, handles: Handles, *, groups_of: GroupsOf | None = None) -> None:
        self.handles, self.groups_of = handles, groups_of
        self.strict: StrictGroups | None = None
        self._by_tag: dict[int, Share] = {}
        self._by_path: dict[bytes, Share] = {}
        self._refusals = HandleRefusals()
        self.generation = 0

    def __iter__(self) -> Iterator[Share]:
        return iter(self._by_tag.values())

    def replace(self, shares: Sequence[Share]) -> None:
        """Export these and no others. The caller closes file systems that are no longer used."""
        self._by_tag = {share.tag: share for share in shares}
        self._by_path = {path: share for share in shares for path in share.spellings}
        self._by_path.update({share.path: share for share in shares})
        self.renew()

    def renew(self) -> None:
        """The rules of shares have changed."""
        self.generation += 1

    def around(self, path: bytes) -> Iterator[tuple[Share, bytes]]:
        """Yield the shares in which a path lies, the innermost first, with their part of the path.

        Paths are absolute, without ``.``, ``..``, doubled slashes, and a slash at the end.
        """
        while path.startswith(b"/"):
            share = self._by_path.get(path)
            if share is not None:
                yield share, path
            if path == b"/":
                return
            path = path.rpartition(b"/")[0] or b"/"

    def of_tag(self, tag: int) -> Share | None:
        """The share with this tag in its handles; None if it is not exported any more."""
        return self._by_tag.get(tag)

    async def open(
        self, call: Call, handle: bytes, *, v2: bool = False, locks: bool = False
    ) -> Opened:
        """The file of a handle, for a call that may use it.

        ``locks``: a call of the lock manager; an export with ``insecure_locks`` accepts it with any
        flavor.

        Raises:
            NfsError: NFS3ERR_BADHANDLE, NFS3ERR_STALE: not a handle of ours, or of an export that
                is gone. NFS3ERR_ACCES, NFS3ERR_PERM: the rules refuse the host, or its port.
            AuthError: AUTH_TOOWEAK: the export asks for another flavor.
        """
        try:
            return await self._open(call, handle, v2=v2, locks=locks)
        except (NfsError, AuthError) as error:
            self._refusals.note(call.caller, error)
            raise

    async def _open(self, call: Call, handle: bytes, *, v2: bool, locks: bool) -> Opened:
        handles = self.handles
        opens = handles.open_v2 if v2 else handles.open_any if locks else handles.open
        tag, file = opens(handle)
        share = self._by_tag.get(tag)
        if share is None:
            raise NfsError(nfsstat3.NFS3ERR_STALE, "its export is not served")
        flavor = flavor_name(call.credential)
        options = self.admit(share, call.caller, flavor=flavor)
        if flavor not in options.sec and not (locks and options.insecure_locks):
            raise AuthError(auth_stat.AUTH_TOOWEAK)
        who = await self.identity(options, call)
        return Opened(share, file, who, options)

    def admit(self, share: Share, caller: Caller, *, flavor: str = "sys") -> ExportOptions:
        """The options for a caller's host and flavor.

        Raises:
            NfsError: NFS3ERR_ACCES: the host may not use the export. NFS3ERR_PERM: its port is not
                reserved, and the export is ``secure``.
        """
        options = share.rules.options_for(caller.host)
        if options is None:
            raise HostRefused(nfsstat3.NFS3ERR_ACCES, f"{caller.host} may not use this export")
        options = options.under(flavor)
        if options.secure and caller.source is not None and caller.port >= RESERVED_PORTS:
            raise NfsError(
                nfsstat3.NFS3ERR_PERM, f"port {caller.port} is above 1023, and the export is secure"
            )
        return options

    async def identity(self, options: ExportOptions, call: Call) -> Identity:
        """The user that a caller becomes."""
        who = identity_of(options, call.credential, host=call.caller.host)
        if options.all_squash or call.credential is None:
            return who
        if self.strict is not None and self.strict.applies(call.caller):
            groups = await settled(self.strict.groups_of(who.uid, who.gid))
            return _in_groups(who, squashed_groups(options, groups or (options.anongid,)))
        groups = None if self.groups_of is None else await settled(self.groups_of(who.uid, who.gid))
        if groups is None:
            return who
        return who._replace(groups=squashed_groups(options, groups))

    def handle(self, share: Share, file: bytes, *, v2: bool = False) -> bytes:
        """The handle of a file."""
        make = self.handles.make_v2 if v2 else self.handles.make
        return make(share.tag, file)


def _in_groups(who: Identity, groups: UserGroups) -> Identity:
    """A user with these groups only. A primary group that is not one of them becomes the first."""
    return who._replace(gid=who.gid if who.gid in groups else groups[0], groups=groups)


class OverShares(Protocol):
    """A service over the exported file systems."""

    shares: Shares


def flavor_name(credential: Credential) -> str:
    """The name of a credential's flavor in exports(5)."""
    if credential is None:
        return "none"
    return "sys" if isinstance(credential, authsys_parms) else "krb5"
