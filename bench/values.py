"""What bench/xdr.py encodes and decodes: a declared type, its value, the same as plain Python.

The plain form is what ``construct`` builds from: dictionaries, by the names of the fields.
"""

from __future__ import annotations

import enum
from typing import Annotated, Any

from oncrpc import xdr
from oncrpc.programs.nfs3 import (
    READDIRPLUS3res,
    READDIRPLUS3resok,
    dirlistplus3,
    entryplus3,
    fattr3,
    ftype3,
    nfs_fh3,
    nfsstat3,
    nfstime3,
    post_op_attr,
    post_op_fh3,
    specdata3,
)
from oncrpc.programs.rpcb import rp__list, rpcb, rpcblist_ptr

Data = Annotated[bytes, xdr.opaque()]


def attributes(fileid: int) -> fattr3:
    """A regular file's."""
    time = nfstime3(1_700_000_000 + fileid, 123_456_789)
    return fattr3(
        ftype3.NF3REG, 0o644, 1, 1000, 1000, 4096 * fileid, 8192 * fileid, specdata3(0, 0),
        0x1122334455667788, fileid, time, time, time,
    )  # fmt: skip


def registration(number: int) -> rp__list:
    """One entry of the port mapper's list."""
    uaddr = f"192.0.2.{number}.8.{number}".encode()
    return rp__list(rpcb(100000 + number, 3, (b"tcp", b"udp6")[number & 1], uaddr, b"superuser"))


def entry(number: int) -> entryplus3:
    """One name of a directory, with attributes and handle."""
    return entryplus3(
        number, f"file{number:04}.txt".encode(), number + 1,
        post_op_attr(True, attributes(number)), post_op_fh3(True, nfs_fh3(bytes(28))),
    )  # fmt: skip


def plain(value: Any) -> Any:
    """A value without its classes."""
    if isinstance(value, list):
        return [plain(item) for item in value]
    if isinstance(value, enum.IntEnum):
        return int(value)
    names = getattr(value, "__xdr_fields__", None)
    return {name: plain(getattr(value, name)) for name in names} if names else value


def chain(items: list[Any], *, name: str) -> list[dict[str, Any]]:
    """A list as its optional entries, of which the last is none."""
    return [*({"follows": 1, name: item} for item in items), {"follows": 0, name: None}]


LIST = [registration(number) for number in range(40)]
FATTR = attributes(7)
READDIRPLUS = READDIRPLUS3res(
    nfsstat3.NFS3_OK,
    READDIRPLUS3resok(
        post_op_attr(True, attributes(1)),
        b"verifier",
        dirlistplus3([entry(number) for number in range(100)], True),
    ),
)
DATA = bytes(range(256)) * 256


def _readdirplus() -> Any:
    made = plain(READDIRPLUS)
    reply = made["body"]["reply"]
    reply["entries"] = chain(reply["entries"], name="entry")
    return made


VALUES: dict[str, tuple[Any, Any, Any]] = {
    "rpcblist of 40": (rpcblist_ptr, LIST, chain(plain(LIST), name="item")),
    "fattr3": (fattr3, FATTR, plain(FATTR)),
    "READDIRPLUS reply of 100": (READDIRPLUS3res, READDIRPLUS, _readdirplus()),
    "opaque of 64 KiB": (Data, DATA, DATA),
}
