"""POSIX's rules, for back ends that keep the attributes of their files themselves.

Rules and the order of errors are those of Linux. Functions that begin with ``require`` raise an
``OSError`` if the user may not; the others return the attributes after a change. ::

    def setattr(self, who, file, new):
        require_change(who, self.attributes[file], new)
        self.attributes[file] = changed(who, self.attributes[file], new, now=time.time_ns())
"""

from __future__ import annotations

import errno
import os
import stat

from oncrpc.nfs.acls import (
    Acls,
    Entries,
    entries_after_chmod,
    inherited_entries,
    mode_of_entries,
    says_more_than_mode,
)
from oncrpc.nfs.filesystem import (
    DEFAULT_DIRECTORY_MODE,
    DEFAULT_MODE,
    MAY_EXECUTE,
    MAY_READ,
    MAY_WRITE,
    Attributes,
    Identity,
    NewAttributes,
    Now,
    data_permissions,
    permits,
)
from oncrpc.programs.nfs3 import ftype3

SETGID_FOR_PROGRAM = stat.S_ISGID | stat.S_IXGRP
MODE_BITS = 0o7777
DEFAULT_MODES = {ftype3.NF3DIR: DEFAULT_DIRECTORY_MODE, ftype3.NF3LNK: 0o777}
DEVICES = frozenset({ftype3.NF3BLK, ftype3.NF3CHR})


def refusal(number: int) -> OSError:
    """The error with this number, as the system raises it."""
    return OSError(number, os.strerror(number))


def require(who: Identity, file: Attributes, wanted: int) -> None:
    """Check that the mode or the access list allows this, else EACCES."""
    if not permits(who, file, wanted):
        raise refusal(errno.EACCES)


def require_data(who: Identity, file: Attributes, wanted: int) -> None:
    """Check that the file has data, else EISDIR or EINVAL, and that the user may access them, else
    EACCES."""
    if file.kind is not ftype3.NF3REG:
        raise refusal(errno.EISDIR if file.kind is ftype3.NF3DIR else errno.EINVAL)
    if wanted & ~data_permissions(who, file):
        raise refusal(errno.EACCES)


def require_directory(who: Identity, file: Attributes, wanted: int) -> None:
    """Check that it is a directory, else ENOTDIR, and that the mode allows this, else EACCES."""
    if file.kind is not ftype3.NF3DIR:
        raise refusal(errno.ENOTDIR)
    require(who, file, wanted)


def require_removable(
    who: Identity, directory: Attributes, file: Attributes, *, as_directory: bool
) -> None:
    """Check that the user may remove the file from the directory, by REMOVE or by RMDIR.

    In this order: EACCES, EPERM for the sticky bit, ENOTDIR or EISDIR.
    """
    require(who, directory, MAY_WRITE | MAY_EXECUTE)
    if directory.mode & stat.S_ISVTX and who.uid not in (0, file.uid, directory.uid):
        raise refusal(errno.EPERM)
    is_directory = file.kind is ftype3.NF3DIR
    if as_directory is not is_directory:
        raise refusal(errno.EISDIR if is_directory else errno.ENOTDIR)


def require_linkable(who: Identity, file: Attributes) -> None:
    """Check the Linux rule ``fs.protected_hardlinks`` for one more name of a file, else EPERM.

    Others than the owner need to read and write it, and it must be a regular file without setuid.
    """
    if who.uid in (0, file.uid):
        return
    if file.kind is not ftype3.NF3REG or file.mode & stat.S_ISUID or _runs_as_group(file.mode):
        raise refusal(errno.EPERM)
    if not permits(who, file, MAY_READ | MAY_WRITE):
        raise refusal(errno.EPERM)


def require_change(who: Identity, file: Attributes, new: NewAttributes) -> None:
    """Check that the user may set all these attributes, else EPERM, EACCES, EISDIR or EINVAL.

    Owners set modes and times, and may give their files to their groups. A user who may write may
    set times to the server's: the kernel allows only both at once, but a client that truncates a
    file asks for a new mtime only. Only the super-user gives files to others.
    """
    if new.size is not None:
        require_data(who, file, MAY_WRITE)
    owns = who.uid in (0, file.uid)
    require_new_owner(who, file, new)
    if new.mode is not None and file.kind is not ftype3.NF3LNK and not owns:
        raise refusal(errno.EPERM)
    times = {type(time) for time in (new.atime, new.mtime) if time is not None}
    if times and not owns:
        if times != {Now}:
            raise refusal(errno.EPERM)
        require(who, file, MAY_WRITE)


def require_new_owner(who: Identity, file: Attributes, new: NewAttributes) -> None:
    """Check that the user may give the file to this owner and this group, else EPERM."""
    if who.uid == 0:
        return
    if new.uid is not None and not who.uid == file.uid == new.uid:
        raise refusal(errno.EPERM)
    if new.gid is not None:
        known = new.gid == file.gid or _is_member(who, new.gid)
        if who.uid != file.uid or not known:
            raise refusal(errno.EPERM)


def changed(who: Identity, file: Attributes, new: NewAttributes, *, now: int) -> Attributes:
    """The attributes after a change that ``require_change`` has allowed.

    The owner is set before the mode, since that clears bits of the mode, and the size last, for the
    same reason. A symbolic link keeps its mode.
    """
    if new == NewAttributes():
        return file
    if (new.uid, new.gid) != (None, None):
        mode = file.mode if file.kind is ftype3.NF3DIR else _without_privilege(who, file)
        uid = file.uid if new.uid is None else new.uid
        gid = file.gid if new.gid is None else new.gid
        file = file._replace(mode=mode, uid=uid, gid=gid)
    if new.mode is not None and file.kind is not ftype3.NF3LNK:
        mode = _mode_to_set(who, file, new.mode)
        file = file._replace(mode=mode, acl=entries_after_chmod(file.acl, mode))
    if new.size is not None:
        file = after_write(who, file, now=now, size=new.size)
    return file._replace(
        atime=_time(new.atime, file.atime, now), mtime=_time(new.mtime, file.mtime, now), ctime=now
    )


def after_write(who: Identity, file: Attributes, *, now: int, size: int) -> Attributes:
    """The attributes after a user changed the data: without setuid, but for the super-user."""
    mode = file.mode if who.uid == 0 else _without_privilege(who, file)
    return file._replace(mode=mode, size=size, mtime=now, ctime=now)


def after_read(file: Attributes, *, now: int) -> Attributes:
    """The attributes after data or entries were read.

    As with ``relatime``, the time of access is set only if it is not after the last change.
    """
    return file._replace(atime=now) if file.atime <= max(file.mtime, file.ctime) else file


def new_file(
    who: Identity,
    above: Attributes,
    kind: ftype3,
    new: NewAttributes,
    *,
    now: int,
    fileid: int,
    device: tuple[int, int] = (0, 0),
    default: Entries = (),
) -> Attributes:
    """The attributes of a file that a user creates in the directory ``above``.

    ``default`` is the default list of that directory; the mode then gives no more than it.
    As in the Linux server, an owner or a group that the user may not give the file to is ignored:
    some clients always send them.

    Raises:
        OSError: EACCES, the user may not write to the directory. EPERM: nor make a device. EISDIR,
            EINVAL: a size for a file without data.
    """
    require(who, above, MAY_WRITE | MAY_EXECUTE)
    if kind in DEVICES and who.uid != 0:
        raise refusal(errno.EPERM)
    directory = kind is ftype3.NF3DIR
    inherited = above.mode & stat.S_ISGID
    gid = above.gid if inherited else who.gid
    made = Attributes(
        kind, DEFAULT_MODES.get(kind, DEFAULT_MODE), 2 if directory else 1, who.uid, gid,
        device=device if kind in DEVICES else (0, 0), fileid=fileid,
        atime=now, mtime=now, ctime=now,
    )  # fmt: skip
    try:
        require_new_owner(who, made, new)
    except PermissionError:
        new = new._replace(uid=None, gid=None)
    require_change(who, made, new)
    new = new._replace(size=new.size or None)  # it is empty: nothing is cut, and its bits stay
    if directory and new.mode is not None:
        new = new._replace(mode=new.mode & ~stat.S_ISUID)
    made = changed(who, made, new, now=now)
    if default and kind is not ftype3.NF3LNK:
        made = with_access_list(who, made, inherited_entries(default, made.mode))
    return made._replace(mode=made.mode | inherited) if directory else made


def require_new_acl(who: Identity, file: Attributes, new: Acls) -> None:
    """Check that the user may set these lists, else EACCES, EOPNOTSUPP or EPERM.

    Owners set lists. Only directories have a default list, and symbolic links have none.
    """
    directory = file.kind is ftype3.NF3DIR
    if new.default and not directory:
        raise refusal(errno.EACCES)
    if new.access is None and (new.default is None or not directory):
        return
    if file.kind is ftype3.NF3LNK:
        raise refusal(errno.EOPNOTSUPP)
    if who.uid not in (0, file.uid):
        raise refusal(errno.EPERM)


def with_access_list(who: Identity, file: Attributes, entries: Entries) -> Attributes:
    """The attributes of a file that a user gives this access list, and with it a mode.

    An empty list removes the entries that are not in the mode.
    """
    if not entries:
        return file._replace(acl=())
    mode = _mode_to_set(who, file, file.mode & ~0o777 | mode_of_entries(entries))
    return file._replace(mode=mode, acl=entries if says_more_than_mode(entries) else ())


def _is_member(who: Identity, gid: int) -> bool:
    return gid == who.gid or gid in who.groups


def _runs_as_group(mode: int) -> bool:
    return mode & SETGID_FOR_PROGRAM == SETGID_FOR_PROGRAM


def _without_privilege(who: Identity, file: Attributes) -> int:
    """The mode without setuid and setgid.

    A setgid bit without execution for the group is not a privilege: it once meant mandatory locks.
    It is removed only if the user is not in the group.
    """
    mode = file.mode & ~stat.S_ISUID
    stays = not _runs_as_group(mode) and (who.uid == 0 or _is_member(who, file.gid))
    return mode if stays else mode & ~stat.S_ISGID


def _mode_to_set(who: Identity, file: Attributes, mode: int) -> int:
    """The mode that results if a user asks for this one: no setgid of a group of others."""
    mode &= MODE_BITS
    return mode if who.uid == 0 or _is_member(who, file.gid) else mode & ~stat.S_ISGID


def _time(wanted: int | Now | None, old: int, now: int) -> int:
    if wanted is None:
        return old
    return now if isinstance(wanted, Now) else wanted
