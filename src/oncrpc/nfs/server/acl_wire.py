"""Access control lists on the wire: ``secattr`` of NFSACL.

Solaris has a mask in every list, so a list without one is sent with a mask that says the same as
the entry of the group, and is stored without it when it comes back. Linux does the same.
"""

from __future__ import annotations

from collections.abc import Sequence

from oncrpc.nfs.acls import (
    AclEntry,
    Acls,
    AclTag,
    entries_of_mode,
    says_more_than_mode,
    valid_entries,
)
from oncrpc.nfs.filesystem import Attributes
from oncrpc.nfs.server.attributes import MAX32
from oncrpc.nfs.status import NfsError
from oncrpc.programs.nfs3 import nfsstat3
from oncrpc.programs.nfsacl import (
    NA_ACL,
    NA_ACL_DEFAULT,
    NA_ACLCNT,
    NA_DFACL,
    NA_DFACLCNT,
    NFS_ACL_MAX_ENTRIES,
    aclent,
    secattr,
)

MASK = NA_ACL | NA_ACLCNT | NA_DFACL | NA_DFACLCNT
PERMISSIONS = 7
WITH_MASK = 4
"""Entries of a list that says no more than a mode, with a mask."""


def secattr_of(acls: Acls, file: Attributes, mask: int) -> secattr:
    """The lists that the mask asks for.

    Raises:
        NfsError: NFS3ERR_INVAL: an unknown bit in the mask, or a list that is too long.
    """
    _check_mask(mask)
    access = _with_mask(acls.access or entries_of_mode(file.mode))
    default = _with_mask(acls.default) if acls.default else []
    if max(len(access), len(default)) > NFS_ACL_MAX_ENTRIES:
        raise NfsError(nfsstat3.NFS3ERR_INVAL, "a list is longer than NFSACL allows")
    return secattr(
        mask,
        len(access) if mask & (NA_ACL | NA_ACLCNT) else 0,
        [_aclent(entry, file, 0) for entry in access] if mask & NA_ACL else [],
        len(default) if mask & (NA_DFACL | NA_DFACLCNT) else 0,
        [_aclent(entry, file, NA_ACL_DEFAULT) for entry in default] if mask & NA_DFACL else [],
    )


def acls_of(sent: secattr) -> Acls:
    """The lists to set: those whose entries the mask names.

    Raises:
        OSError: EINVAL: as ``valid_entries``. NfsError: NFS3ERR_INVAL: an unknown bit or type, or
            another number of entries than announced.
    """
    _check_mask(sent.mask)
    return Acls(
        _entries(sent.acl, sent.aclcnt) if sent.mask & NA_ACL else None,
        _entries(sent.dfacl, sent.dfaclcnt) if sent.mask & NA_DFACL else None,
    )


def _check_mask(mask: int) -> None:
    if mask & ~MASK:
        raise NfsError(nfsstat3.NFS3ERR_INVAL, f"unknown bits in the mask {mask:#x}")


def _with_mask(entries: Sequence[AclEntry]) -> list[AclEntry]:
    found = list(entries)
    if not says_more_than_mode(found):
        group = next(entry for entry in found if entry.tag is AclTag.GROUP_OBJ)
        found = sorted([*found, group._replace(tag=AclTag.MASK)])
    return found


def _aclent(entry: AclEntry, file: Attributes, flag: int) -> aclent:
    owners = {AclTag.USER_OBJ: file.uid, AclTag.GROUP_OBJ: file.gid}
    number = owners.get(entry.tag, entry.id)
    return aclent(entry.tag | flag, number & MAX32, entry.permissions)


def _entries(sent: Sequence[aclent], count: int) -> Sequence[AclEntry]:
    if count != len(sent):
        raise NfsError(nfsstat3.NFS3ERR_INVAL, f"{len(sent)} entries, not {count}")
    if not sent:
        return ()
    entries = valid_entries(_entry(each) for each in sent)
    masks = [entry for entry in entries if entry.tag is AclTag.MASK]
    group = next(entry for entry in entries if entry.tag is AclTag.GROUP_OBJ)
    if len(entries) == WITH_MASK and masks and masks[0].permissions == group.permissions:
        return tuple(entry for entry in entries if entry.tag is not AclTag.MASK)
    return entries


def _entry(sent: aclent) -> AclEntry:
    try:
        tag = AclTag(sent.type & ~NA_ACL_DEFAULT)
    except ValueError:
        raise NfsError(nfsstat3.NFS3ERR_INVAL, f"unknown type of entry {sent.type:#x}") from None
    # Solaris may set further bits in a mask.
    permissions = sent.perm & PERMISSIONS if tag is AclTag.MASK else sent.perm
    return AclEntry(tag, sent.id if tag in (AclTag.USER, AclTag.GROUP) else 0, permissions)
