"""Recognising a file that can be exported as a directory: an archive, by its first bytes."""

from __future__ import annotations

import os
import stat

ZIP = (b"PK\3\4", b"PK\5\6")
COMPRESSED = (b"\x1f\x8b", b"BZh", b"\xfd7zXZ\0")
"""How zip archives and compressed files begin."""

TAR, TAR_AT = b"ustar", 257
BEGIN = TAR_AT + len(TAR)


def is_archive(path: str | bytes) -> bool:
    """True if this is a regular file that begins as an archive does.

    Raises:
        OSError: it cannot be read.
    """
    if not stat.S_ISREG(os.stat(path).st_mode):
        return False
    with open(path, "rb") as file:
        begin = file.read(BEGIN)
    return begin.startswith((*ZIP, *COMPRESSED)) or begin[TAR_AT:] == TAR
