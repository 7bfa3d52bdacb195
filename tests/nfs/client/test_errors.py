"""Refusals are OSErrors with an errno."""

from __future__ import annotations

import errno

import pytest

from oncrpc.nfs.client.errors import NfsStatusError, refusal, status_of_version2
from oncrpc.programs.nfs2 import stat
from oncrpc.programs.nfs3 import nfsstat3


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        (nfsstat3.NFS3ERR_NOENT, FileNotFoundError),
        (nfsstat3.NFS3ERR_EXIST, FileExistsError),
        (nfsstat3.NFS3ERR_ACCES, PermissionError),
        (nfsstat3.NFS3ERR_NOTDIR, NotADirectoryError),
        (nfsstat3.NFS3ERR_ISDIR, IsADirectoryError),
    ],
)
def test_refusal_has_the_class_of_its_errno(status: nfsstat3, expected: type[OSError]) -> None:
    error = refusal(status)

    assert isinstance(error, expected)
    assert isinstance(OSError(error.errno, ""), expected)


@pytest.mark.parametrize("status", [each for each in nfsstat3 if each])
def test_every_refusal_has_errno_and_status(status: nfsstat3) -> None:
    error = refusal(status, "a")

    assert error.errno in errno.errorcode
    assert error.status is status
    assert status.name in str(error)


@pytest.mark.parametrize("status", list(stat))
def test_every_status_of_version2_is_known(status: stat) -> None:
    assert status_of_version2(status) in nfsstat3
    assert NfsStatusError.__mro__[1] is OSError
