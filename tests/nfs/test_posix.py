"""``oncrpc.nfs.posix``: who may change what, and what a change makes of the attributes."""

from __future__ import annotations

import errno
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from oncrpc.nfs.filesystem import (
    MAY_EXECUTE,
    MAY_READ,
    MAY_WRITE,
    NOW,
    Attributes,
    Identity,
    NewAttributes,
)
from oncrpc.nfs.posix import (
    after_read,
    after_write,
    changed,
    new_file,
    require,
    require_change,
    require_data,
    require_directory,
    require_linkable,
    require_removable,
)
from oncrpc.programs.nfs3 import ftype3

ROOT, OWNER, OTHER = Identity(0, 0), Identity(1000, 100, (27,)), Identity(1001, 101, (27,))
FILE = Attributes(ftype3.NF3REG, 0o644, uid=1000, gid=100, atime=1, mtime=1, ctime=1)
DIRECTORY = FILE._replace(kind=ftype3.NF3DIR, mode=0o755)
LINK = FILE._replace(kind=ftype3.NF3LNK, mode=0o777)
FIFO = FILE._replace(kind=ftype3.NF3FIFO)


@contextmanager
def error(number: int) -> Iterator[None]:
    """The block raises this error, or none if it is 0."""
    if number == 0:
        yield
        return
    with pytest.raises(OSError) as raised:  # noqa: PT011
        yield
    assert raised.value.errno == number


@pytest.mark.parametrize(
    ("who", "file", "new", "expected"),
    [
        (OWNER, FILE, NewAttributes(mode=0o600), 0),
        (OTHER, FILE, NewAttributes(mode=0o600), errno.EPERM),
        (OTHER, LINK, NewAttributes(mode=0o600), 0),
        (OWNER, FILE, NewAttributes(uid=1000), 0),
        (OWNER, FILE, NewAttributes(uid=1001), errno.EPERM),
        (OTHER, FILE, NewAttributes(uid=1001), errno.EPERM),
        (ROOT, FILE, NewAttributes(uid=1001, gid=5), 0),
        (OWNER, FILE, NewAttributes(gid=27), 0),
        (OWNER, FILE, NewAttributes(gid=100), 0),
        (OWNER, FILE, NewAttributes(gid=5), errno.EPERM),
        (OWNER, FILE._replace(gid=5), NewAttributes(gid=5), 0),
        (OTHER, FILE, NewAttributes(gid=27), errno.EPERM),
        (OTHER, FILE, NewAttributes(size=0), errno.EACCES),
        (OTHER, FILE._replace(mode=0o646), NewAttributes(size=0), 0),
        (OWNER, FILE._replace(mode=0), NewAttributes(size=0), 0),
        (ROOT, DIRECTORY, NewAttributes(size=0), errno.EISDIR),
        (ROOT, LINK, NewAttributes(size=0), errno.EINVAL),
        (ROOT, FIFO, NewAttributes(size=0), errno.EINVAL),
        (OWNER, FILE, NewAttributes(mtime=5), 0),
        (OTHER, FILE._replace(mode=0o666), NewAttributes(mtime=5), errno.EPERM),
        (OTHER, FILE._replace(mode=0o666), NewAttributes(atime=NOW, mtime=NOW), 0),
        (OTHER, FILE._replace(mode=0o666), NewAttributes(mtime=NOW), 0),
        (OTHER, FILE, NewAttributes(atime=NOW, mtime=NOW), errno.EACCES),
        (OTHER, FILE, NewAttributes(), 0),
    ],
)
def test_change_needs_what_posix_says(
    who: Identity, file: Attributes, new: NewAttributes, expected: int
) -> None:
    with error(expected):
        require_change(who, file, new)


@pytest.mark.parametrize(
    ("who", "mode", "new", "expected"),
    [
        (OWNER, 0o644, NewAttributes(mode=0o170600), 0o600),
        (OWNER, 0o644, NewAttributes(mode=0o6755), 0o6755),
        (OTHER, 0o644, NewAttributes(mode=0o6755), 0o4755),
        (ROOT, 0o6755, NewAttributes(uid=5), 0o755),
        (ROOT, 0o2644, NewAttributes(uid=5), 0o2644),
        (ROOT, 0o6755, NewAttributes(uid=5, mode=0o4711), 0o4711),
        (OWNER, 0o6755, NewAttributes(size=3), 0o755),
        (OTHER, 0o2664, NewAttributes(size=3), 0o664),
        (ROOT, 0o6755, NewAttributes(size=3), 0o6755),
        (OWNER, 0o6755, NewAttributes(mtime=3), 0o6755),
    ],
)
def test_change_leaves_no_unearned_privilege(
    who: Identity, mode: int, new: NewAttributes, expected: int
) -> None:
    found = changed(who, FILE._replace(mode=mode), new, now=9)

    assert oct(found.mode) == oct(expected)


def test_owner_change_leaves_modes_of_directories() -> None:
    found = changed(ROOT, DIRECTORY._replace(mode=0o2755), NewAttributes(gid=5), now=9)

    assert (found.mode, found.gid) == (0o2755, 5)


def test_symlink_keeps_its_mode() -> None:
    assert changed(OWNER, LINK, NewAttributes(mode=0), now=9).mode == 0o777


def test_times_are_those_asked_for() -> None:
    found = changed(OWNER, FILE, NewAttributes(atime=5, mtime=NOW), now=9)

    assert (found.atime, found.mtime, found.ctime) == (5, 9, 9)
    assert changed(OWNER, FILE, NewAttributes(), now=9) == FILE


def test_new_size_sets_the_times() -> None:
    found = changed(OWNER, FILE, NewAttributes(size=7), now=9)

    assert (found.size, found.mtime, found.ctime) == (7, 9, 9)
    assert after_write(OWNER, FILE, now=9, size=7) == found


@pytest.mark.parametrize(("atime", "expected"), [(1, 9), (0, 9), (2, 2)])
def test_access_time_is_set_after_changes_only(atime: int, expected: int) -> None:
    assert after_read(FILE._replace(atime=atime), now=9).atime == expected


@pytest.mark.parametrize(
    ("who", "kind", "expected"),
    [
        (OWNER, ftype3.NF3REG, (0o600, 1, 1000, 100)),
        (OTHER, ftype3.NF3FIFO, (0o600, 1, 1001, 101)),
        (OWNER, ftype3.NF3DIR, (0o700, 2, 1000, 100)),
        (OWNER, ftype3.NF3LNK, (0o777, 1, 1000, 100)),
    ],
)
def test_new_file_is_private(
    who: Identity, kind: ftype3, expected: tuple[int, int, int, int]
) -> None:
    above = DIRECTORY._replace(mode=0o777)

    made = new_file(who, above, kind, NewAttributes(), now=9, fileid=4)

    assert (made.mode, made.nlink, made.uid, made.gid) == expected
    assert (made.kind, made.fileid, made.atime, made.mtime, made.ctime) == (kind, 4, 9, 9, 9)


@pytest.mark.parametrize(
    ("kind", "mode", "expected"),
    [(ftype3.NF3DIR, 0o4755, 0o2755), (ftype3.NF3REG, 0o6755, 0o4755), (ftype3.NF3REG, 0, 0)],
)
def test_setgid_directory_gives_its_group(kind: ftype3, mode: int, expected: int) -> None:
    above = DIRECTORY._replace(mode=0o2777, gid=5)

    made = new_file(OWNER, above, kind, NewAttributes(mode=mode), now=9, fileid=4)

    assert (made.gid, oct(made.mode)) == (5, oct(expected))


@pytest.mark.parametrize(
    ("who", "mode", "kind", "new", "expected"),
    [
        (OTHER, 0o755, ftype3.NF3REG, NewAttributes(), errno.EACCES),
        (OTHER, 0o776, ftype3.NF3REG, NewAttributes(), errno.EACCES),
        (OTHER, 0o777, ftype3.NF3REG, NewAttributes(uid=1000), 0),
        (OTHER, 0o777, ftype3.NF3CHR, NewAttributes(), errno.EPERM),
        (OTHER, 0o777, ftype3.NF3BLK, NewAttributes(), errno.EPERM),
        (ROOT, 0, ftype3.NF3BLK, NewAttributes(), 0),
        (ROOT, 0, ftype3.NF3DIR, NewAttributes(size=1), errno.EISDIR),
    ],
)
def test_new_file_needs_permission(
    who: Identity, mode: int, kind: ftype3, new: NewAttributes, expected: int
) -> None:
    with error(expected):
        new_file(who, DIRECTORY._replace(mode=mode), kind, new, now=9, fileid=4)


def test_new_file_ignores_owners_not_allowed() -> None:
    new = NewAttributes(uid=1000, gid=5, mode=0o640)

    made = new_file(OTHER, DIRECTORY._replace(mode=0o777), ftype3.NF3REG, new, now=9, fileid=4)

    assert (made.uid, made.gid, made.mode) == (1001, 101, 0o640)


def test_only_devices_have_numbers() -> None:
    made = [
        new_file(ROOT, DIRECTORY, kind, NewAttributes(), now=9, fileid=4, device=(1, 2)).device
        for kind in (ftype3.NF3CHR, ftype3.NF3FIFO)
    ]

    assert made == [(1, 2), (0, 0)]


@pytest.mark.parametrize(
    ("who", "directory_mode", "file", "as_directory", "expected"),
    [
        (OTHER, 0o755, FILE, False, errno.EACCES),
        (OTHER, 0o1777, FILE, False, errno.EPERM),
        (OTHER, 0o1777, FILE, True, errno.EPERM),
        (OTHER, 0o777, FILE, True, errno.ENOTDIR),
        (OTHER, 0o777, DIRECTORY, False, errno.EISDIR),
        (OTHER, 0o777, DIRECTORY, True, 0),
        (OTHER, 0o1777, FILE._replace(uid=1001), False, 0),
        (OWNER, 0o1777, FILE._replace(uid=1001), False, 0),
        (ROOT, 0o1000, FILE, False, 0),
    ],
)
def test_removal_is_checked_in_order(
    who: Identity, directory_mode: int, file: Attributes, as_directory: bool, expected: int
) -> None:
    directory = DIRECTORY._replace(mode=directory_mode)

    with error(expected):
        require_removable(who, directory, file, as_directory=as_directory)


@pytest.mark.parametrize(
    ("who", "file", "expected"),
    [
        (OWNER, FIFO, 0),
        (ROOT, FIFO, 0),
        (OTHER, FIFO._replace(mode=0o666), errno.EPERM),
        (OTHER, FILE, errno.EPERM),
        (OTHER, FILE._replace(mode=0o646), 0),
        (OTHER, FILE._replace(mode=0o4646), errno.EPERM),
        (OTHER, FILE._replace(mode=0o2656), errno.EPERM),
        (OTHER, FILE._replace(mode=0o2646), 0),
    ],
)
def test_protected_links_are_to_safe_files(who: Identity, file: Attributes, expected: int) -> None:
    with error(expected):
        require_linkable(who, file)


@pytest.mark.parametrize(
    ("check", "file", "wanted", "expected"),
    [
        (require, FILE, MAY_READ, 0),
        (require, FILE, MAY_READ | MAY_WRITE, errno.EACCES),
        (require_data, FILE, MAY_READ, 0),
        (require_data, FILE, MAY_WRITE, errno.EACCES),
        (require_data, FIFO, MAY_READ, errno.EINVAL),
        (require_data, DIRECTORY, MAY_READ, errno.EISDIR),
        (require_directory, DIRECTORY, MAY_EXECUTE, 0),
        (require_directory, DIRECTORY, MAY_WRITE, errno.EACCES),
        (require_directory, FILE, MAY_READ, errno.ENOTDIR),
    ],
)
def test_wrong_kind_is_told_before_permission(
    check: Callable[[Identity, Attributes, int], None], file: Attributes, wanted: int, expected: int
) -> None:
    with error(expected):
        check(OTHER, file, wanted)
