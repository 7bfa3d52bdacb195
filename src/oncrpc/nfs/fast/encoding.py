"""Replies of version 3 as fused structures: record mark, header, status and results in one.

Each has the bytes of the declared types (RFC 1813 §3.3). A number that has no room in its field
raises ``struct.error``; then the generic path answers, which cuts it.
"""

from __future__ import annotations

import os
from struct import Struct
from typing import Any

from oncrpc.nfs.backends.local.attributes_of import KINDS, ST_BLOCK
from oncrpc.nfs.server.attributes import MODE, SECOND
from oncrpc.programs.nfs3 import ftype3
from oncrpc.rpc.dispatch import SUCCEEDED
from oncrpc.rpc.record import LAST_FRAGMENT

ATTRIBUTES = "IIIIIQQIIQQIIIIII"
"""``fattr3``."""

_WCC = "IQIIII"
"""``pre_op_attr`` with attributes."""

OK = SUCCEEDED + bytes(4)
"""A reply after the xid, up to NFS3_OK."""

_HEAD = f">I4s{len(OK)}s"
TRUE = b"\0\0\0\1"
POST_OP = Struct(">I" + ATTRIBUTES)
PRE_OP = Struct(">" + _WCC)
NULL = Struct(f">I4s{len(SUCCEEDED)}s")
GETATTR = Struct(_HEAD + ATTRIBUTES)
ACCESS = Struct(_HEAD + "I" + ATTRIBUTES + "I")
READ = Struct(_HEAD + "I" + ATTRIBUTES + "III")
WRITE = Struct(_HEAD + _WCC + "I" + ATTRIBUTES + "II8s")
COMMIT = Struct(_HEAD + _WCC + "I" + ATTRIBUTES + "8s")
LOOKUP_HEAD = Struct(_HEAD)
WCC_DATA = Struct(">" + _WCC + "I" + ATTRIBUTES)
NEW_FILE = Struct(">I" + ATTRIBUTES + _WCC + "I" + ATTRIBUTES)
"""``post_op_attr`` and ``wcc_data``."""


NULL_MARK, GETATTR_MARK, ACCESS_MARK, WRITE_MARK, COMMIT_MARK = (
    LAST_FRAGMENT | each.size - 4 for each in (NULL, GETATTR, ACCESS, WRITE, COMMIT)
)
READ_SIZE = READ.size - 4
"""Bytes of a reply to READ without its data."""

KIND_NUMBERS = {mode: int(kind) for mode, kind in KINDS.items()}
DIRECTORY, REGULAR = int(ftype3.NF3DIR), int(ftype3.NF3REG)


def fields_of(found: os.stat_result, fsid: int) -> tuple[int, ...]:
    """The numbers of ``fattr3``."""
    numbers: Any = found  # the times among them are integers, but declared as float
    mode, ino, _, nlink, uid, gid, size, atime, mtime, ctime = numbers
    device = found.st_rdev
    return (
        KIND_NUMBERS[mode & 0o170000], mode & MODE, nlink, uid, gid,
        size, found.st_blocks * ST_BLOCK,
        *((os.major(device), os.minor(device)) if device else (0, 0)),
        fsid, ino, atime, found.st_atime_ns % SECOND, mtime, found.st_mtime_ns % SECOND,
        ctime, found.st_ctime_ns % SECOND,
    )  # fmt: skip


def wcc_of(found: os.stat_result) -> tuple[int, ...]:
    """The numbers of ``pre_op_attr``."""
    mtime, ctime = found.st_mtime_ns, found.st_ctime_ns
    return (
        1, found.st_size, mtime // SECOND, mtime % SECOND, ctime // SECOND, ctime % SECOND,
    )  # fmt: skip


def without_before(reply: bytes, *, behind: int = 0) -> bytes:
    """Remove the attributes before a change from a reply, which has no record mark.

    ``post_op_attr`` and ``behind`` bytes follow them.
    """
    end = len(reply) - behind - POST_OP.size
    return reply[: end - PRE_OP.size] + bytes(4) + reply[end:]
