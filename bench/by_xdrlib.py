"""The cases of bench/xdr.py by hand, over xdrlib's Packer and Unpacker."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from oncrpc.programs.nfs3 import (
    READDIRPLUS3res,
    READDIRPLUS3resfail,
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
from oncrpc.programs.rpcb import rp__list, rpcb


def pack_rpcblist(packer: Any, items: list[rp__list]) -> None:
    for item in items:
        packer.pack_bool(True)
        entry = item.rpcb_map
        packer.pack_uint(entry.r_prog)
        packer.pack_uint(entry.r_vers)
        packer.pack_string(entry.r_netid)
        packer.pack_string(entry.r_addr)
        packer.pack_string(entry.r_owner)
    packer.pack_bool(False)


def unpack_rpcblist(unpacker: Any) -> list[rp__list]:
    items = []
    while unpacker.unpack_bool():
        items.append(rp__list(rpcb(
            unpacker.unpack_uint(), unpacker.unpack_uint(), unpacker.unpack_string(),
            unpacker.unpack_string(), unpacker.unpack_string(),
        )))  # fmt: skip
    return items


def pack_nfstime3(packer: Any, time: nfstime3) -> None:
    packer.pack_uint(time.seconds)
    packer.pack_uint(time.nseconds)


def unpack_nfstime3(unpacker: Any) -> nfstime3:
    return nfstime3(unpacker.unpack_uint(), unpacker.unpack_uint())


def pack_fattr3(packer: Any, value: fattr3) -> None:
    packer.pack_enum(value.type)
    packer.pack_uint(value.mode)
    packer.pack_uint(value.nlink)
    packer.pack_uint(value.uid)
    packer.pack_uint(value.gid)
    packer.pack_uhyper(value.size)
    packer.pack_uhyper(value.used)
    packer.pack_uint(value.rdev.specdata1)
    packer.pack_uint(value.rdev.specdata2)
    packer.pack_uhyper(value.fsid)
    packer.pack_uhyper(value.fileid)
    pack_nfstime3(packer, value.atime)
    pack_nfstime3(packer, value.mtime)
    pack_nfstime3(packer, value.ctime)


def unpack_fattr3(unpacker: Any) -> fattr3:
    return fattr3(
        ftype3(unpacker.unpack_enum()), unpacker.unpack_uint(), unpacker.unpack_uint(),
        unpacker.unpack_uint(), unpacker.unpack_uint(), unpacker.unpack_uhyper(),
        unpacker.unpack_uhyper(), specdata3(unpacker.unpack_uint(), unpacker.unpack_uint()),
        unpacker.unpack_uhyper(), unpacker.unpack_uhyper(), unpack_nfstime3(unpacker),
        unpack_nfstime3(unpacker), unpack_nfstime3(unpacker),
    )  # fmt: skip


def pack_post_op_attr(packer: Any, value: post_op_attr) -> None:
    packer.pack_bool(value.attributes_follow)
    if value.body is not None:
        pack_fattr3(packer, value.body)


def unpack_post_op_attr(unpacker: Any) -> post_op_attr:
    if unpacker.unpack_bool():
        return post_op_attr(True, unpack_fattr3(unpacker))
    return post_op_attr(False, None)


def pack_post_op_fh3(packer: Any, value: post_op_fh3) -> None:
    packer.pack_bool(value.handle_follows)
    if value.body is not None:
        packer.pack_opaque(value.body.data)


def unpack_post_op_fh3(unpacker: Any) -> post_op_fh3:
    if unpacker.unpack_bool():
        return post_op_fh3(True, nfs_fh3(unpacker.unpack_opaque()))
    return post_op_fh3(False, None)


def pack_readdirplus(packer: Any, value: READDIRPLUS3res) -> None:
    packer.pack_enum(value.status)
    pack_post_op_attr(packer, value.body.dir_attributes)
    if isinstance(value.body, READDIRPLUS3resfail):
        return
    packer.pack_fopaque(8, value.body.cookieverf)
    for entry in value.body.reply.entries:
        packer.pack_bool(True)
        packer.pack_uhyper(entry.fileid)
        packer.pack_string(entry.name)
        packer.pack_uhyper(entry.cookie)
        pack_post_op_attr(packer, entry.name_attributes)
        pack_post_op_fh3(packer, entry.name_handle)
    packer.pack_bool(False)
    packer.pack_bool(value.body.reply.eof)


def unpack_readdirplus(unpacker: Any) -> READDIRPLUS3res:
    status = nfsstat3(unpacker.unpack_enum())
    attributes = unpack_post_op_attr(unpacker)
    if status != nfsstat3.NFS3_OK:
        return READDIRPLUS3res(status, READDIRPLUS3resfail(attributes))
    verifier, entries = unpacker.unpack_fopaque(8), []
    while unpacker.unpack_bool():
        entries.append(entryplus3(
            unpacker.unpack_uhyper(), unpacker.unpack_string(), unpacker.unpack_uhyper(),
            unpack_post_op_attr(unpacker), unpack_post_op_fh3(unpacker),
        ))  # fmt: skip
    reply = dirlistplus3(entries, unpacker.unpack_bool())
    return READDIRPLUS3res(status, READDIRPLUS3resok(attributes, verifier, reply))


def pack_opaque(packer: Any, value: bytes) -> None:
    packer.pack_opaque(value)


def unpack_opaque(unpacker: Any) -> bytes:
    data: bytes = unpacker.unpack_opaque()
    return data


ENCODERS: dict[str, Callable[[Any, Any], None]] = {
    "rpcblist of 40": pack_rpcblist,
    "fattr3": pack_fattr3,
    "READDIRPLUS reply of 100": pack_readdirplus,
    "opaque of 64 KiB": pack_opaque,
}
DECODERS: dict[str, Callable[[Any], Any]] = {
    "rpcblist of 40": unpack_rpcblist,
    "fattr3": unpack_fattr3,
    "READDIRPLUS reply of 100": unpack_readdirplus,
    "opaque of 64 KiB": unpack_opaque,
}
