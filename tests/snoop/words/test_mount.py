"""Lines of MOUNT."""

from __future__ import annotations

import pytest

from oncrpc.programs import mount
from oncrpc.programs.mount import MOUNT_V3, MOUNTVERS, MOUNTVERS_POSIX, mountres3, mountstat3
from support.wire_messages import call_line, reply_line

MNT = MOUNT_V3.MOUNTPROC3_MNT


@pytest.mark.parametrize(
    ("status", "words"),
    [
        (mountstat3.MNT3ERR_PERM, "Not owner"),
        (mountstat3.MNT3ERR_NOENT, "No such file or directory"),
        (mountstat3.MNT3ERR_IO, "I/O error"),
        (mountstat3.MNT3ERR_ACCES, "Permission denied"),
        (mountstat3.MNT3ERR_NOTDIR, "Not a directory"),
        (mountstat3.MNT3ERR_INVAL, "Invalid argument"),
        (mountstat3.MNT3ERR_NAMETOOLONG, "File name too long"),
        (mountstat3.MNT3ERR_NOTSUPP, "Operation not supported"),
        (mountstat3.MNT3ERR_SERVERFAULT, "Server error"),
    ],
)
def test_statuses_of_version_3_are_in_words(status: mountstat3, words: str) -> None:
    assert reply_line(MNT, mountres3(status, None)) == f"MOUNT3 R Mount {words}"


def test_flavors_have_names() -> None:
    found = mount.mountres3_ok(b"\0\0\x12\x34", [1, 390003, 390005, 77])

    line = reply_line(MNT, mountres3(mountstat3.MNT3_OK, found))

    assert line == "MOUNT3 R Mount OK FH=1234 Auth=unix,krb5,krb5p,77"


def test_version_1_has_handles_of_32_bytes() -> None:
    answer = mount.fhstatus(0, b"\x12\x34\0\0" + b"\0" * 28)

    assert reply_line(MOUNTVERS.MOUNTPROC_MNT, answer) == "MOUNT1 R Mount OK FH=1234"
    refused = reply_line(MOUNTVERS.MOUNTPROC_MNT, mount.fhstatus(13, None))
    assert refused == "MOUNT1 R Mount Permission denied"


def test_unmount_is_answered_by_a_word() -> None:
    assert call_line(MOUNT_V3.MOUNTPROC3_UMNT, b"/export") == "MOUNT3 C Unmount /export"
    assert reply_line(MOUNT_V3.MOUNTPROC3_UMNT, None) == "MOUNT3 R Unmount reply"


def test_exports_are_counted() -> None:
    group = mount.groupnode(b"lab")
    exports = [mount.exportnode(b"/a", [group, group]), mount.exportnode(b"/b", [])]

    line = reply_line(MOUNT_V3.MOUNTPROC3_EXPORT, exports)

    assert line == "MOUNT3 R Get export list 2 entries"


def test_mounts_are_counted() -> None:
    mounts = [mount.mountbody(b"client", b"/a")]

    assert reply_line(MOUNT_V3.MOUNTPROC3_DUMP, mounts) == "MOUNT3 R Get mount list 1 entries"


def test_pathconf_of_version_2_shows_the_path() -> None:
    assert call_line(MOUNTVERS_POSIX.MOUNTPROC_PATHCONF, b"/a") == "MOUNT2 C PATHCONF /a"
    limits = mount.ppathcnf(32000, 255, 255, 255, 4096, 4096, 0, 0, [0, 0])
    line = reply_line(MOUNTVERS_POSIX.MOUNTPROC_PATHCONF, limits)
    assert line == "MOUNT2 R PATHCONF max links=32000 max name=255"
