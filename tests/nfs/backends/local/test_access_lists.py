"""``oncrpc.nfs.backends.local.access_lists``: the bytes of the attributes; the rules are in
``support.access_list_rules``."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from oncrpc.nfs.acls import Acls
from oncrpc.nfs.backends.local.access_lists import parse_entries, render_entries
from oncrpc.nfs.backends.local.chosen import chosen_objects
from oncrpc.nfs.backends.local.local import LocalFileSystem
from support.access_list_rules import acl, group, user
from support.errnos import fails_with
from support.exported import ROOT
from support.file_user import FileUser

NONE = b"\xff\xff\xff\xff"
LIST = acl(user(1000, 6), group(7, 4), group=5, mask=7, other=0)
BYTES = (
    b"\x02\x00\x00\x00"                # version
    b"\x01\x00\x07\x00" + NONE +       # USER_OBJ, permissions, no id
    b"\x02\x00\x06\x00\xe8\x03\x00\x00"
    b"\x04\x00\x05\x00" + NONE +
    b"\x08\x00\x04\x00\x07\x00\x00\x00"
    b"\x10\x00\x07\x00" + NONE +
    b"\x20\x00\x00\x00" + NONE
)  # fmt: skip


def test_list_has_the_bytes_of_the_kernel() -> None:
    assert render_entries(LIST) == BYTES
    assert parse_entries(BYTES) == LIST


@pytest.mark.parametrize(
    "value", [b"\2\0\0", b"\1\0\0\0", BYTES[:-1], BYTES[:4] + b"\3" + BYTES[5:]]
)
def test_attribute_of_another_form_is_an_error(value: bytes) -> None:
    with fails_with(errno.EIO):
        parse_entries(value)


def test_kernel_has_the_list_that_was_set(root: FileUser, place: Path) -> None:
    file = root.create(root.files.root, b"f")

    root.set_acl(file, Acls(LIST))

    assert os.getxattr(place / "f", "system.posix_acl_access") == BYTES


def test_file_system_without_lists_has_modes() -> None:
    objects = chosen_objects("/sys", None).objects  # sysfs has no lists
    files = LocalFileSystem("/sys", objects=objects, sync=False)
    try:
        assert files.get_acl(ROOT, files.root) == Acls()
        with fails_with(errno.EOPNOTSUPP):
            files.set_acl(ROOT, files.root, Acls(LIST))
    finally:
        files.close()


def test_second_list_that_fails_undoes_the_first(
    root: FileUser, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = root.mkdir(root.files.root, b"d")
    before = acl(user(1000, 1), mask=1)
    root.set_acl(folder, Acls(before))
    setxattr = os.setxattr

    def full(path: str, name: str, value: bytes) -> None:
        if name == "system.posix_acl_default":
            raise OSError(errno.ENOSPC, "no space")
        setxattr(path, name, value)

    monkeypatch.setattr(os, "setxattr", full)
    with fails_with(errno.ENOSPC):
        root.set_acl(folder, Acls(LIST, LIST))

    assert root.get_acl(folder) == Acls(before)
    assert (place / "d").stat().st_mode & 0o777 == 0o710
