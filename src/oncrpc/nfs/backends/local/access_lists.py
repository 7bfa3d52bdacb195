"""Access control lists of local files, which the kernel shows as extended attributes (acl(5)).

The kernel checks them at every access, and who may set them. It keeps the mode and the access list
in step.
"""

from __future__ import annotations

import errno
import os
import stat
import struct
from collections.abc import Sequence
from contextlib import suppress

from oncrpc.nfs.acls import NOBODY_HAS, AclEntry, Acls, AclTag
from oncrpc.nfs.backends.local.base import PROC, LocalBase
from oncrpc.nfs.backends.local.objects import OpenObject
from oncrpc.nfs.filesystem import Answer, Identity
from oncrpc.nfs.posix import refusal

ACCESS, DEFAULT = "system.posix_acl_access", "system.posix_acl_default"
VERSION = 2

_HEADER = struct.Struct("<I")
_ENTRY = struct.Struct("<HHI")
_WITH_ID = (AclTag.USER, AclTag.GROUP)
_NONE = {errno.ENODATA, errno.EOPNOTSUPP}


class LocalAccessLists(LocalBase):
    """Operations on access control lists."""

    def get_acl(self, who: Identity, file: bytes) -> Acls:
        with self.opened(file) as found:
            access = _read(found, ACCESS)
            default = _read(found, DEFAULT) if stat.S_ISDIR(found.stat.st_mode) else b""
        return Acls(parse_entries(access) or None, parse_entries(default) or None)

    def set_acl(self, who: Identity, file: bytes, new: Acls) -> Answer[None]:
        with self.opened(file) as found:
            directory = stat.S_ISDIR(found.stat.st_mode)
            if new.default and not directory:
                raise refusal(errno.EACCES)
            before = _read(found, ACCESS)
            with self.identities.of(who):
                if new.access is not None:
                    _write(found, ACCESS, new.access)
                try:
                    if new.default is not None and directory:
                        _write(found, DEFAULT, new.default)
                except OSError:
                    if new.access is not None:
                        _restore(found, before)
                    raise
            stored = self.durable(None, found)
            self.cached.forget_changed(found.place)  # this may close ``found``
            return stored


def parse_entries(value: bytes) -> Sequence[AclEntry]:
    """The entries of a list, from the bytes of the attribute; none if there are no bytes.

    Raises:
        OSError: EIO: it has another form.
    """
    if not value:
        return ()
    try:
        (version,) = _HEADER.unpack_from(value)
        entries = list(_ENTRY.iter_unpack(value[_HEADER.size :]))
        if version != VERSION:
            raise ValueError(f"version {version}")
        return tuple(
            AclEntry(AclTag(tag), number if tag in _WITH_ID else 0, permissions)
            for tag, permissions, number in entries
        )
    except (struct.error, ValueError) as error:
        raise OSError(errno.EIO, f"an access control list of another form: {error}") from None


def render_entries(entries: Sequence[AclEntry]) -> bytes:
    """The bytes of the attribute."""
    packed = (
        _ENTRY.pack(entry.tag, entry.permissions, entry.id if entry.tag in _WITH_ID else NOBODY_HAS)
        for entry in entries
    )
    return _HEADER.pack(VERSION) + b"".join(packed)


def _read(found: OpenObject, name: str) -> bytes:
    """The attribute; no bytes if there is no list, or the file system has no lists."""
    try:
        return os.getxattr(_path(found), name)
    except OSError as error:
        if error.errno not in _NONE:
            raise
        return b""


def _write(found: OpenObject, name: str, entries: Sequence[AclEntry]) -> None:
    """Set a list, or remove it if it is empty. Called with the identity of the caller."""
    # The value of an empty list is valid, too. The kernel then checks the same as for a list.
    os.setxattr(_path(found), name, render_entries(entries))


def _restore(found: OpenObject, access: bytes) -> None:
    """Set the access list, and with it the mode, as they were."""
    with suppress(OSError):
        os.setxattr(_path(found), ACCESS, access or render_entries(()))
        os.chmod(_path(found), stat.S_IMODE(found.stat.st_mode))


def _path(found: OpenObject) -> str:
    return f"{PROC}/{found.descriptor}"
