"""Opening files below a directory."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from oncrpc.nfs.backends.local import beneath
from oncrpc.nfs.backends.local.beneath import LONGEST, open_beneath
from support.errnos import fails_with


@pytest.fixture
def root(tmp_path: Path) -> Iterator[int]:
    """A directory with ``d/f``, and links that lead out of it."""
    (tmp_path / "outside").write_text("secret")
    (tmp_path / "root" / "d").mkdir(parents=True)
    (tmp_path / "root" / "d" / "f").write_text("inside")
    (tmp_path / "root" / "link").symlink_to("d")
    (tmp_path / "root" / "out").symlink_to("..")
    descriptor = os.open(tmp_path / "root", os.O_PATH)
    yield descriptor
    os.close(descriptor)


@pytest.fixture(params=[True, False], ids=["openat2", "by-name"])
def use_openat2(request: pytest.FixtureRequest) -> bool:
    """Both ways to open."""
    return bool(request.param)


def inode(root: int, path: list[bytes], *, use_openat2: bool) -> int:
    descriptor = open_beneath(root, path, use_openat2=use_openat2)
    try:
        return os.fstat(descriptor).st_ino
    finally:
        os.close(descriptor)


def test_path_leads_to_its_file(root: int, use_openat2: bool) -> None:
    expected = os.stat("d/f", dir_fd=root).st_ino

    assert inode(root, [b"d", b"f"], use_openat2=use_openat2) == expected


def test_empty_path_is_the_root(root: int, use_openat2: bool) -> None:
    assert inode(root, [], use_openat2=use_openat2) == os.fstat(root).st_ino


def test_symbolic_link_is_opened_itself(root: int, use_openat2: bool) -> None:
    expected = os.stat("link", dir_fd=root, follow_symlinks=False).st_ino

    assert inode(root, [b"link"], use_openat2=use_openat2) == expected


@pytest.mark.parametrize(
    ("path", "code"),
    [
        ([b"link", b"f"], {errno.ELOOP, errno.ENOTDIR}),
        ([b"out", b"outside"], {errno.ELOOP, errno.ENOTDIR}),
        ([b"d", b"f", b"x"], {errno.ENOTDIR}),
        ([b"d", b"none"], {errno.ENOENT}),
        ([b"d", b"x" * 256], {errno.ENAMETOOLONG}),
    ],
)
def test_what_is_not_below_is_refused(
    root: int, path: list[bytes], code: set[int], use_openat2: bool
) -> None:
    before = os.listdir("/proc/self/fd")

    with pytest.raises(OSError, match=r".*") as refusal:
        open_beneath(root, path, use_openat2=use_openat2)

    assert refusal.value.errno in code
    assert set(os.listdir("/proc/self/fd")) <= set(before)


def test_parent_of_the_root_is_refused(root: int) -> None:
    with fails_with(errno.EXDEV):
        open_beneath(root, [b"..", b"outside"])


def test_path_may_be_longer_than_the_kernel_takes(root: int, use_openat2: bool) -> None:
    names = [b"n" * 200] * (2 * LONGEST // 200)
    here = os.dup(root)
    for name in names:
        os.mkdir(name, dir_fd=here)
        below = os.open(name, os.O_PATH, dir_fd=here)
        os.close(here)
        here = below
    expected = os.fstat(here).st_ino
    os.close(here)

    assert inode(root, names, use_openat2=use_openat2) == expected


@pytest.mark.parametrize("missing", [errno.ENOSYS, errno.EPERM])
def test_system_without_openat2_opens_by_name(
    root: int, missing: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(*_: object, **__: object) -> int:
        raise OSError(missing, os.strerror(missing))

    monkeypatch.setattr(beneath, "openat2", refused)

    expected = os.stat("d/f", dir_fd=root).st_ino
    assert inode(root, [b"d", b"f"], use_openat2=True) == expected
