"""Access control lists of POSIX (1003.1e, draft 17), with the rules of Linux.

A list has an entry for the owner, the group and all others, as the mode has. It may have entries
for further users and groups, and then it has a mask: the most that the group and the further users
and groups may do. The mode of such a file shows the mask in place of the group, so that chmod
changes the mask.

A directory may have a second list, the default: files that are created in it get its entries, as
far as the mode that the client asks for allows them.
"""

from __future__ import annotations

import enum
import errno
import os
from collections.abc import Container, Iterable, Sequence
from typing import NamedTuple

NOBODY_HAS = 0xFFFFFFFF
"""-1: the id of no user and of no group."""


class AclTag(enum.IntEnum):
    """The users that an entry of a list is about."""

    USER_OBJ = 1
    USER = 2
    GROUP_OBJ = 4
    GROUP = 8
    MASK = 16
    OTHER = 32


class AclEntry(NamedTuple):
    """An entry of a list: ``id`` is the uid or gid of USER and GROUP, and 0 for the others.

    ``permissions`` is a sum of ``MAY_READ``, ``MAY_WRITE`` and ``MAY_EXECUTE``.
    """

    tag: AclTag
    id: int
    permissions: int


Entries = tuple[AclEntry, ...]


class Acls(NamedTuple):
    """The lists of a file: for access, and, of a directory, for what is created in it.

    ``access`` is None if the mode says everything, ``default`` is None if there is none. To be set,
    None leaves a list as it is, and an empty one removes it.
    """

    access: Sequence[AclEntry] | None = None
    default: Sequence[AclEntry] | None = None


_NAMED = (AclTag.USER, AclTag.GROUP)
_ONCE = (AclTag.USER_OBJ, AclTag.GROUP_OBJ, AclTag.OTHER)
_SHIFT = {AclTag.USER_OBJ: 6, AclTag.GROUP_OBJ: 3, AclTag.MASK: 3, AclTag.OTHER: 0}
"""Where the mode has the permissions of an entry."""


def valid_entries(entries: Iterable[AclEntry]) -> Entries:
    """The entries in the order of their tags and ids.

    Raises:
        OSError: EINVAL: an entry is missing, repeated, or has an invalid id or permission.
    """
    found = tuple(sorted(entries))
    tags = [entry.tag for entry in found]
    once = all(tags.count(tag) == 1 for tag in _ONCE) and tags.count(AclTag.MASK) <= 1
    masked = AclTag.MASK in tags or not any(tag in _NAMED for tag in tags)
    sound = all(0 <= e.permissions <= 7 and 0 <= e.id < NOBODY_HAS for e in found)
    if not (once and masked and sound):
        raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))
    return found


def entries_of_mode(mode: int) -> Entries:
    """The list of a file that has only a mode."""
    return tuple(AclEntry(tag, 0, mode >> _SHIFT[tag] & 7) for tag in _ONCE)


def mode_of_entries(entries: Sequence[AclEntry]) -> int:
    """The lower nine bits of the mode of a file with a valid list."""
    bits = {entry.tag: entry.permissions for entry in entries}
    group = bits.get(AclTag.MASK, bits[AclTag.GROUP_OBJ])
    return bits[AclTag.USER_OBJ] << 6 | group << 3 | bits[AclTag.OTHER]


def says_more_than_mode(entries: Sequence[AclEntry]) -> bool:
    """Whether a valid list has more than the three entries that every mode has."""
    return len(entries) > len(_ONCE)


def entries_after_chmod(entries: Entries, mode: int) -> Entries:
    """The list after the mode was set. With a mask, the entry of the group stays as it is."""
    masked = any(entry.tag is AclTag.MASK for entry in entries)
    kept = {*_NAMED, AclTag.GROUP_OBJ} if masked else {*_NAMED}
    return tuple(
        entry if entry.tag in kept else entry._replace(permissions=mode >> _SHIFT[entry.tag] & 7)
        for entry in entries
    )


def inherited_entries(default: Entries, mode: int) -> Entries:
    """The list of a file that is created with a mode in a directory with a default list."""
    masked = any(entry.tag is AclTag.MASK for entry in default)
    kept = {*_NAMED, AclTag.GROUP_OBJ} if masked else {*_NAMED}
    return tuple(
        entry
        if entry.tag in kept
        else entry._replace(permissions=entry.permissions & mode >> _SHIFT[entry.tag])
        for entry in default
    )


def permission_sets(
    entries: Sequence[AclEntry], uid: int, groups: Container[int], *, group: int
) -> Sequence[int]:
    """The permissions that a list gives to a user who is not the owner of the file.

    A user in several of the groups has the permissions of one of them at a time, never of two
    together: one of the sets must have all that is wanted. ``group`` is that of the file.
    """
    mask = next((entry.permissions for entry in entries if entry.tag is AclTag.MASK), 7)
    for entry in entries:
        if entry.tag is AclTag.USER and entry.id == uid:
            return (entry.permissions & mask,)
    found = [
        entry.permissions & mask
        for entry in entries
        if (entry.tag is AclTag.GROUP_OBJ and group in groups)
        or (entry.tag is AclTag.GROUP and entry.id in groups)
    ]
    return found or [entry.permissions for entry in entries if entry.tag is AclTag.OTHER]
