"""The programs of ``nfsd``: the class of each, and the ports at which they are registered."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence

from oncrpc.daemon.control.server import Answerer
from oncrpc.nfs.daemon.lock_part import FREE, LOCKS, LockPart, no_locks
from oncrpc.nfs.daemon.mount_part import MountPart
from oncrpc.nfs.daemon.part import Part, Site
from oncrpc.nfs.daemon.status_part import StatusPart
from oncrpc.nfs.daemon.vocabulary import ACL, MOUNT, NFS, NLM, RQUOTA, STATUS
from oncrpc.nfs.quota.program import RquotaProgram
from oncrpc.nfs.server.nfs2 import Nfs2
from oncrpc.nfs.server.nfs3 import Nfs3
from oncrpc.nfs.server.nfsacl import NfsAcl2, NfsAcl3
from oncrpc.rpc import Service


class NfsPart(Part):
    """NFS 2 and 3. They keep nothing: handles and replies are kept by the application."""

    name = NFS

    def services(self) -> Sequence[Service]:
        """The two versions."""
        return Nfs3(self.site.shares, sizes=self.site.sizes), Nfs2(self.site.shares)


class AclPart(Part):
    """NFSACL 2 and 3, the access control lists. They keep nothing."""

    name = ACL

    def services(self) -> Sequence[Service]:
        """The two versions."""
        return NfsAcl3(self.site.shares), NfsAcl2(self.site.shares)


class QuotaPart(Part):
    """RQUOTA 1 and 2, the quotas of the exported file systems. They keep nothing."""

    name = RQUOTA

    def __init__(self, site: Site) -> None:
        super().__init__(site)
        self.program = RquotaProgram(site.shares, may_set=site.daemon.config.quota.set)

    def services(self) -> Sequence[Service]:
        """The two versions."""
        return self.program.services()


PARTS: Mapping[type[Part], frozenset[str]] = {
    NfsPart: frozenset({NFS}),
    # The mount list says which clients get long replies over UDP.
    MountPart: frozenset({MOUNT, NFS}),
    AclPart: frozenset({ACL}),
    StatusPart: frozenset({STATUS}),
    LockPart: frozenset({NLM}),
    QuotaPart: frozenset({RQUOTA}),
}
"""Each part, and the programs for which it is needed."""


def needed_parts(programs: Collection[str], site: Site) -> list[Part]:
    """The parts for some programs."""
    return [part(site) for part, needed_for in PARTS.items() if needed_for & {*programs}]


def requests_of(parts: Iterable[Part]) -> dict[str, Answerer]:
    """The requests of the control socket that the parts answer."""
    found: dict[str, Answerer] = {LOCKS: no_locks, FREE: no_locks}
    for part in parts:
        found |= part.requests()
    return found
