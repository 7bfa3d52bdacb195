"""Recognize an archive, which can be exported as a directory, by its first bytes."""

from __future__ import annotations

import os
import stat

ZIP = (b"PK\3\4", b"PK\5\6")
GZIP, BZIP2, XZ = b"\x1f\x8b", b"BZh", b"\xfd7zXZ\0"
"""The first bytes of zip archives and compressed files."""

TAR, TAR_AT = b"ustar", 257
"""A word in the header of a tar archive, and its offset."""

BEGIN = TAR_AT + len(TAR)


def is_archive(path: str | bytes) -> bool:
    """Whether this is a regular file that begins like an archive.

    Raises:
        OSError: it cannot be read.
    """
    if not stat.S_ISREG(os.stat(path).st_mode):
        return False
    with open(path, "rb") as file:
        begin = file.read(BEGIN)
    return begin.startswith((*ZIP, GZIP, BZIP2, XZ)) or begin[TAR_AT:] == TAR
