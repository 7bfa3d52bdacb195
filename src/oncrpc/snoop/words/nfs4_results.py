"""The words for the results of operations of NFS 4; the status comes before them."""

from __future__ import annotations

from collections.abc import Mapping

from oncrpc.programs import nfs4
from oncrpc.programs.nfs4 import nfs_cb_opnum4, nfs_opnum4, nfsstat4
from oncrpc.snoop.words.nfs4_arguments import Say
from oncrpc.snoop.words.nfs4_values import (
    DELEGATIONS,
    FLAVORS,
    LOCKS,
    MAX_WORDS,
    STABLE,
    access,
    bitmap,
    client,
    handle,
    name,
    owner,
    region,
    session,
    state,
    word_of,
)


def _open(body: nfs4.OPEN4resok) -> str:
    flags = f" Flags={body.rflags:x}" if body.rflags else ""
    return f"{state(body.stateid)}{flags} {_delegation(body.delegation)}"


def _delegation(delegation: nfs4.open_delegation4) -> str:
    kind = f"DT={word_of(DELEGATIONS, delegation.delegation_type)}"
    match delegation.body:
        case nfs4.open_read_delegation4(stateid=stateid):
            return f"{kind} {state(stateid, 'DST')}"
        case nfs4.open_write_delegation4(stateid=stateid, space_limit=limit):
            return f"{kind} {state(stateid, 'DST')} {_limit(limit)}"
    return kind


def _limit(limit: nfs4.nfs_space_limit4) -> str:
    """How much a client may write without asking."""
    if isinstance(limit.body, int):
        return f"LB=SZ({limit.body})"
    return f"LB=BL({limit.body.num_blocks}*{limit.body.bytes_per_block})"


def _set_client(body: nfs4.SETCLIENTID4resok) -> str:
    return f"{client(body.clientid)} CFV={body.setclientid_confirm.hex().upper()}"


def _in_use(body: nfs4.netaddr4) -> str:
    return f"ID={name(body.na_r_netid)} Addr={name(body.na_r_addr)}"


def _denied(body: nfs4.LOCK4denied) -> str:
    range_ = region(body.offset, body.length)
    return f"{word_of(LOCKS, body.locktype)} {range_} {owner('LO', body.owner)}"


def _lock(body: nfs4.LOCK4resok) -> str:
    return state(body.lock_stateid, "LST")


def _read(body: nfs4.READ4resok) -> str:
    return f"({len(body.data)} bytes){' EOF' if body.eof else ''}"


def _readdir(body: nfs4.READDIR4resok) -> str:
    count = len(body.reply.entries)
    return f"{count} entries ({'No more' if body.reply.eof else 'More'})"


def _flavors(body: list[nfs4.secinfo4]) -> str:
    return " ".join(FLAVORS.get(each.flavor, str(each.flavor)) for each in body[:MAX_WORDS])


def _read_plus(body: nfs4.read_plus_res4) -> str:
    count = len(body.rpr_contents)
    return f"({count} segments){' EOF' if body.rpr_eof else ''}"


def _seek(body: nfs4.seek_res4) -> str:
    return f"at {body.sr_offset}{' EOF' if body.sr_eof else ''}"


RESULTS: Mapping[int, Say] = {
    nfs_opnum4.OP_ACCESS: lambda body: f"Supp={access(body.supported)} Allow={access(body.access)}",
    nfs_opnum4.OP_CLOSE: lambda body: state(body, "OST"),
    nfs_opnum4.OP_GETFH: lambda body: handle(body.object),
    nfs_opnum4.OP_LOCK: _lock,
    nfs_opnum4.OP_LOCKU: lambda body: state(body, "LST"),
    nfs_opnum4.OP_OPEN: _open,
    nfs_opnum4.OP_OPEN_CONFIRM: lambda body: state(body.open_stateid, "OST"),
    nfs_opnum4.OP_OPEN_DOWNGRADE: lambda body: state(body.open_stateid, "OST"),
    nfs_opnum4.OP_READ: _read,
    nfs_opnum4.OP_READDIR: _readdir,
    nfs_opnum4.OP_READLINK: lambda body: name(body.link),
    nfs_opnum4.OP_SECINFO: _flavors,
    nfs_opnum4.OP_SECINFO_NO_NAME: _flavors,
    nfs_opnum4.OP_SETCLIENTID: _set_client,
    nfs_opnum4.OP_COMMIT: lambda body: f"Verf={body.writeverf.hex().upper()}",
    nfs_opnum4.OP_WRITE: lambda body: f"{body.count} ({word_of(STABLE, body.committed)})",
    nfs_opnum4.OP_EXCHANGE_ID: lambda body: (
        f"{client(body.eir_clientid)} SQ={body.eir_sequenceid} Flags={body.eir_flags:x}"
    ),
    nfs_opnum4.OP_CREATE_SESSION: lambda body: (
        f"{session(body.csr_sessionid)} SQ={body.csr_sequence}"
    ),
    nfs_opnum4.OP_SEQUENCE: lambda body: (
        f"{session(body.sr_sessionid)} SQ={body.sr_sequenceid} Slot={body.sr_slotid}"
    ),
    nfs_opnum4.OP_READ_PLUS: _read_plus,
    nfs_opnum4.OP_SEEK: _seek,
    nfs_opnum4.OP_COPY: lambda body: f"({body.cr_response.wr_count} bytes)",
    nfs_opnum4.OP_GETXATTR: lambda body: f"({len(body)} bytes)",
}
"""Of operations that were carried out."""

REFUSALS: Mapping[tuple[int, int], Say] = {
    (nfs_opnum4.OP_LOCK, nfsstat4.NFS4ERR_DENIED): _denied,
    (nfs_opnum4.OP_LOCKT, nfsstat4.NFS4ERR_DENIED): _denied,
    (nfs_opnum4.OP_SETCLIENTID, nfsstat4.NFS4ERR_CLID_INUSE): _in_use,
}
"""Of operations with another status that say more than it."""

CALLBACK_RESULTS: Mapping[int, Say] = {
    nfs_cb_opnum4.OP_CB_SEQUENCE: lambda body: (
        f"{session(body.csr_sessionid)} SQ={body.csr_sequenceid} Slot={body.csr_slotid}"
    ),
}


def said_of_result(operation: int, result: object, *, callback: bool = False) -> str:
    """The status of a result, and what it brings."""
    fields: tuple[str, ...] = result.__xdr_fields__  # type: ignore[attr-defined]  # a declared type
    status = getattr(result, fields[0])
    words = str(status)
    if operation == nfs_opnum4.OP_SETATTR and not callback:
        return f"{words} {bitmap(getattr(result, fields[1]))}".rstrip()
    body = getattr(result, fields[1], None) if len(fields) > 1 else None
    if body is None:
        return words
    if status == nfsstat4.NFS4_OK:
        say = (CALLBACK_RESULTS if callback else RESULTS).get(operation)
    else:
        say = None if callback else REFUSALS.get((operation, status))
    return f"{words} {say(body)}".rstrip() if say else words
