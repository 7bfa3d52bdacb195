"""``oncrpc.cli.rpcsnoop.file_filter``: messages about files with some names."""

from __future__ import annotations

import pytest

from oncrpc.cli.rpcsnoop.file_filter import FileFilter
from oncrpc.programs.mount import MOUNT_V3
from oncrpc.programs.nfs3 import NFS_V3
from oncrpc.snoop.words.programs import KnownPrograms
from support.wire_messages import seen_bytes
from support.words import words

PROGRAMS = KnownPrograms()
UMNT = seen_bytes(MOUNT_V3.MOUNTPROC3_UMNT, words(10, b"/srv/notes\0\0"))


@pytest.mark.parametrize(
    ("pattern", "shown"),
    [
        ("notes", True),
        ("n*", True),
        ("/srv/notes", True),
        ("/srv/*", True),
        ("srv", False),
        ("Notes", False),
        ("note", False),
    ],
)
def test_name_is_the_last_part_of_a_path(pattern: str, shown: bool) -> None:
    assert FileFilter([pattern])(UMNT, PROGRAMS) is shown


def test_message_without_a_file_is_not_shown() -> None:
    call = seen_bytes(NFS_V3.NFSPROC3_NULL, b"")

    assert not FileFilter(["*"])(call, PROGRAMS)


def test_name_may_not_be_empty() -> None:
    with pytest.raises(ValueError, match="missing name"):
        FileFilter([""])
