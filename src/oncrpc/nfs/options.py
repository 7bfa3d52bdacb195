"""The options of an export for one client, and the identity that a caller gets by them."""

from __future__ import annotations

from typing import NamedTuple

from oncrpc.nfs.filesystem import Identity
from oncrpc.rpc.auth import Credential
from oncrpc.rpc.prot import authsys_parms

UserGroups = tuple[int, ...]
"""Numbers of groups."""

NO_ID = 0xFFFFFFFF
"""-1, which means \"leave it as it is\" to system calls, so no user or group has it."""

NOBODY = 65534
"""The user and the group of squashed callers, if the export names no others."""


SERVED_FLAVORS = frozenset({"sys", "none"})
"""The flavors that the server has."""


class FlavorOptions(NamedTuple):
    """The options for the callers of one flavor, if they depend on the flavor."""

    flavor: str
    ro: bool
    secure: bool
    root_squash: bool
    all_squash: bool


class ExportOptions(NamedTuple):
    """The options of exports(5) for one client, with the defaults of exportfs.

    ``sync`` is False for ``async``; ``secure`` asks for a port below 1024; ``sec`` are the flavors
    that are accepted, in the order of preference. ``fsid`` is the number, 0 for ``fsid=root``, and
    ``uuid`` the UUID that ``fsid=`` may give instead or besides. ``mountpoint`` is the path that
    must be a mount point, empty for the export itself. ``sign_fh``, ``pnfs``, ``security_label``,
    ``reexport``, ``xprtsec`` and ``locations`` (``refer=`` or ``replicas=``) are only kept to be
    shown.
    """

    ro: bool = True
    sync: bool = True
    secure: bool = True
    root_squash: bool = True
    all_squash: bool = False
    anonuid: int = NOBODY
    anongid: int = NOBODY
    sec: tuple[str, ...] = ("sys",)
    subtree_check: bool = False
    crossmnt: bool = False
    nohide: bool = False
    readdirplus: bool = True
    wdelay: bool = True
    acl: bool = True
    insecure_locks: bool = False
    sign_fh: bool = False
    pnfs: bool = False
    security_label: bool = False
    mountpoint: str | None = None
    fsid: int | None = None
    uuid: str = ""
    locations: str = ""
    reexport: str = ""
    xprtsec: tuple[str, ...] = ()
    by_flavor: tuple[FlavorOptions, ...] = ()

    @property
    def usable(self) -> bool:
        """Whether the options accept a flavor that the server has."""
        return not SERVED_FLAVORS.isdisjoint(self.sec)

    def under(self, flavor: str) -> ExportOptions:
        """The options for the callers of one flavor: the file may repeat ``sec=``."""
        for found in self.by_flavor:
            if found.flavor == flavor:
                return self._replace(
                    ro=found.ro,
                    secure=found.secure,
                    root_squash=found.root_squash,
                    all_squash=found.all_squash,
                )
        return self


def identity_of(options: ExportOptions, credential: Credential, *, host: str) -> Identity:
    """The user that a caller works as: its own, or the anonymous one if it is squashed."""
    if options.all_squash or not isinstance(credential, authsys_parms):
        return Identity(options.anonuid, options.anongid, (), host)
    uid = options.anonuid if credential.uid == NO_ID else credential.uid
    gid = options.anongid if credential.gid == NO_ID else credential.gid
    groups = tuple(group for group in credential.gids if group != NO_ID)
    if options.root_squash and uid == 0:
        uid = options.anonuid
    if options.root_squash and gid == 0:
        gid = options.anongid
    return Identity(uid, gid, squashed_groups(options, groups), host)


def squashed_groups(options: ExportOptions, groups: UserGroups) -> UserGroups:
    """The further groups of a caller that is not anonymous; ``root_squash`` replaces group 0."""
    if not options.root_squash:
        return groups
    return tuple(options.anongid if group == 0 else group for group in groups)
