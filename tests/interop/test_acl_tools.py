"""NFSACL over a local directory, and what ``setfacl`` and ``getfacl`` of the server's host say."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from oncrpc.nfs.backends.local.local import LocalFileSystem
from oncrpc.programs.nfs2 import stat
from oncrpc.programs.nfs3 import nfsstat3
from oncrpc.programs.nfsacl import (
    NFS_ACL_V2,
    NFS_ACL_V3,
    GETACL2args,
    GETACL3args,
    SETACL3args,
    aclent,
    secattr,
)
from support.exported import ROOT
from support.exported_acls import ExportedAcls
from support.local_files import PLACES, directory_on
from support.namespace import need

pytestmark = pytest.mark.interop

NAMES = {1: "user", 2: "user", 4: "group", 8: "group", 16: "mask", 32: "other"}
WITH_ID = (2, 8)
DEFAULT = 0x1000
ALL = 0xF


class AclSite:
    """A directory with a file and a directory, exported by NFSACL."""

    def __init__(self, path: Path) -> None:
        need("getfacl", "setfacl")
        self.path = path
        (path / "file").write_text("x")
        (path / "folder").mkdir()
        self.files = LocalFileSystem(str(path), sync=False)
        self.exported = ExportedAcls(self.files)

    def setfacl(self, *options: str, name: str) -> None:
        subprocess.run(["setfacl", *options, str(self.path / name)], check=True)

    def getfacl(self, name: str) -> set[str]:
        """The entries of both lists, without what the mask takes away."""
        command = ["getfacl", "--omit-header", "--numeric", "--no-effective", str(self.path / name)]
        shown = subprocess.run(command, check=True, capture_output=True, text=True).stdout
        return {line for line in shown.splitlines() if line}

    def handle(self, name: str) -> bytes:
        return self.files.lookup(ROOT, self.files.root, name.encode())

    def lists(self, name: str) -> secattr:
        """GETACL of version 3; that of version 2 is the same."""
        file = self.handle(name)
        found = self.exported.call(
            NFS_ACL_V3.ACLPROC3_GETACL, GETACL3args(self.exported.acl_handle(file), ALL)
        )
        assert found.status == nfsstat3.NFS3_OK
        second = self.exported.call(
            NFS_ACL_V2.ACLPROC2_GETACL, GETACL2args(self.exported.handle2(file), ALL)
        )
        assert second.status == stat.NFS_OK
        assert second.body.acl == found.body.acl
        lists: secattr = found.body.acl
        return lists

    def set_lists(self, name: str, lists: secattr) -> None:
        """SETACL of version 3."""
        handle = self.exported.acl_handle(self.handle(name))
        found = self.exported.call(NFS_ACL_V3.ACLPROC3_SETACL, SETACL3args(handle, lists))
        assert found.status == nfsstat3.NFS3_OK


@pytest.fixture(params=PLACES)
def site(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[AclSite]:
    with directory_on(request.param, tmp_path) as path:
        made = AclSite(path)
        yield made
        made.files.close()


def shown(lists: secattr) -> set[str]:
    """The entries as ``getfacl`` shows them: a list without a need for a mask has none."""
    return _shown(lists.acl, "") | _shown(lists.dfacl, "default:")


def _shown(entries: list[aclent], prefix: str) -> set[str]:
    found = set()
    for entry in entries:
        tag = entry.type & ~DEFAULT
        assert bool(entry.type & DEFAULT) == bool(prefix)
        if tag == 16 and len(entries) == 4:
            continue
        number = str(entry.id) if tag in WITH_ID else ""
        letters = "".join(
            letter if entry.perm & bit else "-"
            for letter, bit in zip("rwx", (4, 2, 1), strict=True)
        )
        found.add(f"{prefix}{NAMES[tag]}:{number}:{letters}")
    return found


OPTIONS = (
    ("file", ()),
    ("file", ("-m", "u:1000:rw")),
    ("file", ("-m", "u:1000:rw,u:2000:-,g:7:rwx,m::r")),
    ("file", ("-m", "g:4294967294:x")),
    ("folder", ("-m", "u:1000:rwx")),
    ("folder", ("-d", "-m", "u:1000:rwx,g:7:rx,o::-")),
    ("folder", ("-m", "u:5:r,d:u::rwx,d:g::r,d:o::-")),
)


@pytest.mark.parametrize(("name", "options"), OPTIONS)
def test_getacl_returns_what_setfacl_set(
    site: AclSite, name: str, options: tuple[str, ...]
) -> None:
    if options:
        site.setfacl(*options, name=name)

    lists = site.lists(name)

    assert shown(lists) == site.getfacl(name)


@pytest.mark.parametrize(("name", "options"), OPTIONS)
def test_list_is_the_same_after_setacl(site: AclSite, name: str, options: tuple[str, ...]) -> None:
    if options:
        site.setfacl(*options, name=name)
    before, lists = site.getfacl(name), site.lists(name)
    mode = (site.path / name).stat().st_mode
    site.setfacl("-b", name=name)
    (site.path / name).chmod(0)

    site.set_lists(name, lists)

    assert site.getfacl(name) == before
    assert (site.path / name).stat().st_mode == mode


def test_empty_lists_remove_what_setfacl_set(site: AclSite) -> None:
    site.setfacl("-m", "u:1000:rwx,d:u:1000:rwx", name="folder")

    site.set_lists("folder", secattr(ALL, 0, [], 0, []))

    assert len(site.getfacl("folder")) == 3
