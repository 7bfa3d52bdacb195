"""``oncrpc.nfs.status``: errors of file systems as ``nfsstat3`` and as ``stat``."""

from __future__ import annotations

import errno
import logging
import os

import pytest

from oncrpc.nfs.status import NfsError, status_of, status_of_v2
from oncrpc.programs.nfs2 import stat
from oncrpc.programs.nfs3 import nfsstat3

NEVER_RAISED = {"REMOTE"}
"""Errors of a client that follows several servers: a file system has none."""

SYSTEM_ERRORS = {s.name.removeprefix("NFS3ERR_") for s in nfsstat3 if 0 < s.value < 100}


@pytest.mark.parametrize("name", sorted(SYSTEM_ERRORS - NEVER_RAISED))
def test_system_error_has_the_status_of_its_name(name: str) -> None:
    number = getattr(errno, f"E{name}")

    assert status_of(OSError(number, os.strerror(number))).name == f"NFS3ERR_{name}"


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (FileNotFoundError(), nfsstat3.NFS3ERR_NOENT),
        (FileExistsError("taken"), nfsstat3.NFS3ERR_EXIST),
        (PermissionError(), nfsstat3.NFS3ERR_ACCES),
        (NotADirectoryError(), nfsstat3.NFS3ERR_NOTDIR),
        (IsADirectoryError(), nfsstat3.NFS3ERR_ISDIR),
        (TimeoutError(), nfsstat3.NFS3ERR_JUKEBOX),
        (NfsError(nfsstat3.NFS3ERR_BAD_COOKIE), nfsstat3.NFS3ERR_BAD_COOKIE),
    ],
)
def test_error_without_errno_is_known_by_class(error: OSError, expected: nfsstat3) -> None:
    assert status_of(error) is expected


def test_unknown_error_is_io_and_logged(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING, "oncrpc.nfs"):
        assert status_of(OSError(errno.EUCLEAN, "needs cleaning")) is nfsstat3.NFS3ERR_IO

    assert "needs cleaning" in caplog.text


@pytest.mark.parametrize("status", nfsstat3)
def test_version_2_has_an_outcome_for_each_status(status: nfsstat3) -> None:
    found = status_of_v2(status)

    same = status.name.replace("NFS3", "NFS", 1)
    assert found.name == same if same in stat.__members__ else found is not stat.NFS_OK


def test_stale_handles_of_version_2_are_stale() -> None:
    assert status_of_v2(nfsstat3.NFS3ERR_BADHANDLE) is stat.NFSERR_STALE
