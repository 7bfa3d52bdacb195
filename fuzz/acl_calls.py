"""Calls of NFSACL among those of NFS 3, over file systems in memory.

Afterwards each list is valid and in order, says the same as the mode, and its bytes are charged.
"""

from __future__ import annotations

from random import Random
from typing import Any

from fuzz.driver import Target
from fuzz.nfs_calls import Site, made_calls, run_at
from oncrpc.nfs.acls import mode_of_entries, says_more_than_mode, valid_entries
from oncrpc.nfs.filesystem import Identity
from oncrpc.nfs.server.nfsacl import NfsAcl2, NfsAcl3
from oncrpc.programs.nfs3 import NFS_V3
from oncrpc.programs.nfsacl import (
    NA_ACL_DEFAULT,
    NFS_ACL_V2,
    NFS_ACL_V3,
    GETACL2args,
    GETACL3args,
    SETACL2args,
    SETACL3args,
    aclent,
)

VERSIONS = (NFS_ACL_V3, NFS_ACL_V3, NFS_ACL_V2, NFS_V3)
OWNER, GROUP, MASK, OTHER = 1, 4, 16, 32
NAMED = (2, 8)
IDS = (0, 100, 1000, 0xFFFFFFFF)
ROOT = Identity(0, 0)


def make(source: Random) -> bytes:
    """A few calls; most lists are valid."""
    return made_calls(VERSIONS, source, likely=_make_likely)


def _make_likely(argument: Any, source: Random) -> None:
    match argument:
        case GETACL3args() | GETACL2args():
            argument.mask &= 0xF
        case SETACL3args() | SETACL2args():
            lists = argument.acl
            lists.mask = source.choice((3, 0xC, 0xF, 0xF))
            lists.acl = _entries(source, 0) if source.random() < 0.8 else []
            lists.dfacl = _entries(source, NA_ACL_DEFAULT) if source.random() < 0.8 else []
            lists.aclcnt, lists.dfaclcnt = len(lists.acl), len(lists.dfacl)


def _entries(source: Random, flag: int) -> list[aclent]:
    tags = [OWNER, GROUP, OTHER, *(source.choice(NAMED) for _ in range(source.randrange(4)))]
    if len(tags) > 3 or source.random() < 0.2:
        tags.append(MASK)
    if source.random() < 0.05:
        tags[source.randrange(len(tags))] = source.choice(tags)
    source.shuffle(tags)
    return [aclent(tag | flag, source.choice(IDS), source.randrange(8)) for tag in tags]


def run(data: bytes) -> None:
    """Have them answered, and look at the lists."""
    site = Site()
    site.dispatcher.add(NfsAcl3(site.shares))
    site.dispatcher.add(NfsAcl2(site.shares))
    run_at(site, data, VERSIONS)
    for files, ids in zip(site.files, site.ids, strict=True):
        for file in ids:
            try:
                attributes, acls = files.getattr(ROOT, file), files.get_acl(ROOT, file)
            except OSError:
                continue
            if acls.access is not None:
                assert says_more_than_mode(acls.access)
                assert valid_entries(acls.access) == acls.access
                assert mode_of_entries(acls.access) == attributes.mode & 0o777
            assert acls.default is None or valid_entries(acls.default) == acls.default


TARGET = Target("acl_calls", make, run)
