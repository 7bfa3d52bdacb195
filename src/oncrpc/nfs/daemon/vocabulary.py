"""The programs of ``nfsd``, and the names of their procedures in rules, log lines and counts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from oncrpc.access.vocabulary import Vocabulary
from oncrpc.programs.mount import MOUNT_V3, MOUNTPROG, MOUNTVERS, MOUNTVERS_POSIX
from oncrpc.programs.nfs2 import NFS_VERSION
from oncrpc.programs.nfs3 import NFS_PROGRAM, NFS_V3
from oncrpc.programs.nfsacl import NFS_ACL_PROGRAM, NFS_ACL_V2, NFS_ACL_V3
from oncrpc.programs.nlm import NLM4_VERS, NLM_PROG, NLM_VERS, NLM_VERSX
from oncrpc.programs.portmap import PMAP_VERS
from oncrpc.programs.rpcb import RPCBVERS, RPCBVERS4
from oncrpc.programs.rquota import EXT_RQUOTAVERS, RQUOTAPROG, RQUOTAVERS
from oncrpc.programs.sm_inter import SM_PROG, SM_VERS
from oncrpc.rpc import Version

NFS, MOUNT, ACL, NLM, STATUS = "nfs", "mount", "acl", "nlm", "status"
RQUOTA = "rquota"
PROGRAMS = {
    MOUNT: MOUNTPROG, NFS: NFS_PROGRAM, ACL: NFS_ACL_PROGRAM, NLM: NLM_PROG, STATUS: SM_PROG,
    RQUOTA: RQUOTAPROG,
}  # fmt: skip
"""The programs that may be served, by their names in ``--only``."""

EXPORTING = frozenset({MOUNT, NFS, ACL, NLM, RQUOTA})
"""The programs that need exports."""

OF_HANDLES = frozenset({ACL, NLM})
"""The programs that need the handles of NFS."""

CALLING = frozenset({NLM, STATUS})
"""The programs that call other hosts."""

NFS_VERSIONS = (2, 3)
FOR_NFS: Mapping[str, Mapping[int, Sequence[type[Version]]]] = {
    NFS: {2: (NFS_VERSION,), 3: (NFS_V3,)},
    MOUNT: {2: (MOUNTVERS_POSIX, MOUNTVERS), 3: (MOUNT_V3,)},
    ACL: {2: (NFS_ACL_V2,), 3: (NFS_ACL_V3,)},
    NLM: {2: (NLM_VERSX, NLM_VERS), 3: (NLM4_VERS,)},
}
"""The versions of a program that belong to a version of NFS, the highest first."""

FOR_ALL: Mapping[str, Sequence[type[Version]]] = {
    STATUS: (SM_VERS,),
    RQUOTA: (EXT_RQUOTAVERS, RQUOTAVERS),
}
"""The versions of the other programs."""

MAPPER_VERSIONS = (PMAP_VERS, RPCBVERS, RPCBVERS4)
VERSIONS: tuple[type[Version], ...] = (
    NFS_V3, NFS_VERSION, MOUNT_V3, MOUNTVERS_POSIX, MOUNTVERS, NFS_ACL_V3, NFS_ACL_V2, NLM4_VERS,
    NLM_VERSX, NLM_VERS, SM_VERS, EXT_RQUOTAVERS, RQUOTAVERS,
    *MAPPER_VERSIONS,
)  # fmt: skip
"""In the order in which calls are reported. The port mapper's are those of the embedded one."""

VOCABULARY = Vocabulary(VERSIONS)

HOSTS_NAMES = frozenset(
    {"nfsd", "mountd", "rpc.mountd", "lockd", "statd", "rpc.statd", "rquotad", "rpc.rquotad"}
)
"""Names of the daemon in hosts.allow and hosts.deny."""


def versions_of(programs: Sequence[str], nfs_versions: Sequence[int]) -> list[type[Version]]:
    """The versions to serve, the highest first."""
    found: list[type[Version]] = []
    for number in sorted(set(nfs_versions), reverse=True):
        for name, versions in FOR_NFS.items():
            found += versions[number] if name in programs else ()
    for name, others in FOR_ALL.items():
        found += others if name in programs else ()
    return found
