"""``nfs umount``: what it refuses without unmounting anything."""

from __future__ import annotations

from pathlib import Path

from support.nfs_commands import run_nfs


def test_other_directory_is_refused(tmp_path: Path) -> None:
    ended = run_nfs("umount", str(tmp_path), "/")

    assert ended.status == 1
    assert ended.err.splitlines() == [
        f"nfs umount: {tmp_path}: not mounted by 'nfs mount'; see 'findmnt -t fuse.nfs'",
        "nfs umount: /: not mounted by 'nfs mount'; see 'findmnt -t fuse.nfs'",
    ]


def test_options_of_a_connection_are_unknown() -> None:
    ended = run_nfs("umount", "--uid=0", "/")

    assert ended.status == 2
    assert "unrecognized option '--uid=0'" in ended.err
