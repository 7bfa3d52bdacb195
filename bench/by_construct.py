"""The cases of bench/xdr.py in the declarations of ``construct``."""

from __future__ import annotations

from typing import Any

from construct import (
    Aligned,
    Bytes,
    GreedyBytes,
    If,
    Int32sb,
    Int32ub,
    Int64ub,
    Prefixed,
    RepeatUntil,
    Struct,
    Switch,
    this,
)


def chain(element: Any, *, name: str) -> Any:
    """A linked list: each element has an optional next one."""
    link = Struct("follows" / Int32ub, name / If(this.follows, element))
    return RepeatUntil(lambda item, _items, _context: not item["follows"], link)


OPAQUE = Aligned(4, Prefixed(Int32ub, GreedyBytes))
RPCB = Struct(
    "r_prog" / Int32ub, "r_vers" / Int32ub, "r_netid" / OPAQUE, "r_addr" / OPAQUE,
    "r_owner" / OPAQUE,
)  # fmt: skip
TIME = Struct("seconds" / Int32ub, "nseconds" / Int32ub)
FATTR = Struct(
    "type" / Int32sb, "mode" / Int32ub, "nlink" / Int32ub, "uid" / Int32ub, "gid" / Int32ub,
    "size" / Int64ub, "used" / Int64ub,
    "rdev" / Struct("specdata1" / Int32ub, "specdata2" / Int32ub),
    "fsid" / Int64ub, "fileid" / Int64ub, "atime" / TIME, "mtime" / TIME, "ctime" / TIME,
)  # fmt: skip
POST_OP_ATTR = Struct("attributes_follow" / Int32ub, "body" / If(this.attributes_follow, FATTR))
POST_OP_FH = Struct(
    "handle_follows" / Int32ub, "body" / If(this.handle_follows, Struct("data" / OPAQUE))
)
ENTRY = Struct(
    "fileid" / Int64ub, "name" / OPAQUE, "cookie" / Int64ub, "name_attributes" / POST_OP_ATTR,
    "name_handle" / POST_OP_FH,
)  # fmt: skip
READDIRPLUS_OK = Struct(
    "dir_attributes" / POST_OP_ATTR, "cookieverf" / Bytes(8),
    "reply" / Struct("entries" / chain(ENTRY, name="entry"), "eof" / Int32ub),
)  # fmt: skip

CONSTRUCTS: dict[str, Any] = {
    "rpcblist of 40": chain(Struct("rpcb_map" / RPCB), name="item"),
    "fattr3": FATTR,
    "READDIRPLUS reply of 100": Struct(
        "status" / Int32sb,
        "body" / Switch(
            this.status, {0: READDIRPLUS_OK}, default=Struct("dir_attributes" / POST_OP_ATTR)
        ),
    ),
    "opaque of 64 KiB": OPAQUE,
}  # fmt: skip
