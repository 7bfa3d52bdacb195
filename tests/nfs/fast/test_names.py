"""NULL, GETATTR, ACCESS and LOOKUP at once."""

from __future__ import annotations

import os
import struct

import pytest

from oncrpc.nfs.acls import Acls
from oncrpc.nfs.answers import settled
from oncrpc.nfs.fast.uses import LIFETIME
from oncrpc.programs.nfs3 import NFS_V3, ACCESS3args, GETATTR3args, LOOKUP3args, nfs_fh3
from oncrpc.rpc.auth import Auth
from support.access_list_rules import acl, user
from support.exported import ROOT
from support.two_paths import ANN, BOB, NOBODY, TwoPaths

ALL = 0x3F


def same(both: TwoPaths, message: bytes) -> bytes:
    """The reply at once, which is there, and that of the generic path."""
    expected, found = both.generic(message), both.quick(message)
    assert found == expected
    assert both.quick(message) == expected
    return expected


def getattr_of(both: TwoPaths, file: nfs_fh3) -> bytes:
    return both.message(NFS_V3.NFSPROC3_GETATTR, GETATTR3args(file))


def lookup_of(both: TwoPaths, directory: nfs_fh3, name: bytes, cred: Auth = ANN) -> bytes:
    where = both.exported.at(name, directory)
    return both.message(NFS_V3.NFSPROC3_LOOKUP, LOOKUP3args(where), cred=cred)


@pytest.mark.parametrize("cred", [ANN, NOBODY], ids=["sys", "none"])
def test_null_is_answered_at_once(both: TwoPaths, cred: object) -> None:
    same(both, both.message(NFS_V3.NFSPROC3_NULL, cred=cred))  # type: ignore[arg-type]  # both are


@pytest.mark.parametrize("name", ["", "file", "link", "pipe", "closed/inner"])
def test_getattr_is_answered_at_once(both: TwoPaths, name: str) -> None:
    same(both, getattr_of(both, both.handle(name)))


@pytest.mark.parametrize("name", ["", "file", "secret", "program", "closed"])
def test_access_is_answered_at_once(both: TwoPaths, name: str) -> None:
    file = both.handle(name)

    for cred in (ANN, BOB):
        same(both, both.message(NFS_V3.NFSPROC3_ACCESS, ACCESS3args(file, ALL), cred=cred))


def test_lookup_is_answered_at_once(both: TwoPaths) -> None:
    same(both, lookup_of(both, both.handle(), b"file"))
    same(both, lookup_of(both, both.handle("open"), b"inner"))


def test_changed_mode_changes_access_at_once(both: TwoPaths) -> None:
    message = both.message(NFS_V3.NFSPROC3_ACCESS, ACCESS3args(both.handle("file"), ALL), cred=BOB)
    before = same(both, message)

    (both.path / "file").chmod(0o600)

    assert same(both, message) != before


def test_changed_list_changes_access_at_once(both: TwoPaths) -> None:
    file = both.handle("file")
    message = both.message(NFS_V3.NFSPROC3_ACCESS, ACCESS3args(file, ALL), cred=BOB)
    before, mode = same(both, message), (both.path / "file").stat().st_mode
    (_, id_) = both.exported.shares.handles.open(file.data)

    async def shut_out() -> None:
        refused = acl(user(2000, 0), owner=6, group=6, mask=6, other=4)
        await settled(both.files.set_acl(ROOT, id_, Acls(refused)))

    both.run(shut_out())

    assert (both.path / "file").stat().st_mode == mode
    expected = both.generic(message)
    assert expected != before
    assert both.quick(message) in (None, expected)
    both.now += LIFETIME + 0.1
    assert same(both, message) == expected


def test_closed_directory_is_no_longer_searched(both: TwoPaths) -> None:
    message = lookup_of(both, both.handle("open"), b"inner", cred=BOB)
    same(both, message)

    (both.path / "open").chmod(0o700)

    assert both.quick(message) is None


def test_removed_file_is_left_to_the_generic_path(both: TwoPaths) -> None:
    message = getattr_of(both, both.handle("small"))
    same(both, message)

    (both.path / "small").unlink()

    assert both.quick(message) is None
    assert struct.unpack_from(">I", both.generic(message), 24) == (70,)  # NFS3ERR_STALE


def test_replaced_name_is_looked_up_again(both: TwoPaths) -> None:
    message = lookup_of(both, both.handle(), b"small")
    before = same(both, message)

    (both.path / "other").write_bytes(b"other")
    os.replace(both.path / "other", both.path / "small")

    assert both.quick(message) is None
    assert same(both, message) != before


def test_missing_name_is_left_to_the_generic_path(both: TwoPaths) -> None:
    assert both.quick(lookup_of(both, both.handle(), b"missing")) is None


def test_bad_signature_is_left_to_the_generic_path(both: TwoPaths) -> None:
    handle = both.handle("file").data
    forged = nfs_fh3(handle[:-1] + bytes([handle[-1] ^ 1]))

    assert both.quick(getattr_of(both, forged)) is None


def test_file_of_a_closed_export_is_refused(both: TwoPaths) -> None:
    message = getattr_of(both, both.handle("file"))
    same(both, message)

    both.exported.shares.replace([])

    assert both.quick(message) is None


def test_refused_host_is_noticed_after_a_second(both: TwoPaths) -> None:
    message = getattr_of(both, both.handle("file"))
    same(both, message)

    both.exported.rules.options = None
    both.now += 1.1

    assert both.quick(message) is None
