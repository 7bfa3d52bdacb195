"""The mounts of ``nfs mount`` in the table of the kernel.

No file of a mount is used here: a mount whose program is dead would block.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import NamedTuple

TABLE = "/proc/self/mountinfo"
SUBTYPE = "nfs"
KIND = f"fuse.{SUBTYPE}"


class ListedMount(NamedTuple):
    """A mount: its directory and its source."""

    directory: str
    source: str


def mounts(table: str = TABLE) -> list[ListedMount]:
    """The mounts of ``nfs mount``, in the order in which they were made (proc(5))."""
    found = list[ListedMount]()
    for line in Path(table).read_bytes().splitlines():
        before, _, after = line.partition(b" - ")
        fields, rest = before.split(), after.split()
        if len(fields) > 4 and len(rest) > 1 and rest[0] == KIND.encode():
            found.append(ListedMount(_unescaped(fields[4]), _unescaped(rest[1])))
    return found


def mount_at(directory: str, table: str = TABLE) -> ListedMount | None:
    """The newest mount at an absolute path; None if it is not one of ``nfs mount``."""
    at = [mount for mount in mounts(table) if mount.directory == directory]
    return at[-1] if at else None


def absolute(directory: str) -> str:
    """The absolute path as the table has it; the last name is not looked up."""
    above, name = os.path.split(os.path.abspath(directory))
    return os.path.join(os.path.realpath(above), name)


def _unescaped(field: bytes) -> str:
    r"""A field of the table, which has spaces and the like as ``\040``."""
    return os.fsdecode(re.sub(rb"\\([0-7]{3})", lambda code: bytes([int(code[1], 8)]), field))
