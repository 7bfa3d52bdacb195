"""The words for the arguments of operations of NFS 4."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from oncrpc.programs import nfs4
from oncrpc.programs.nfs4 import nfs_cb_opnum4, nfs_opnum4
from oncrpc.snoop.words.nfs4_values import (
    CLAIMS,
    DELEGATIONS,
    HOW,
    KINDS,
    LOCKS,
    STABLE,
    access,
    at,
    bitmap,
    client,
    handle,
    name,
    owner,
    region,
    session,
    share,
    state,
    word_of,
)

Say = Callable[[Any], str]


def _open(args: nfs4.OPEN4args) -> str:
    words = [
        claimed_name(args.claim),
        _created(args.openhow),
        f"SQ={args.seqid}",
        _claimed(args.claim),
        share("AC", args.share_access),
        share("DN", args.share_deny),
        owner("OO", args.owner),
    ]
    return " ".join(filter(None, words))


def claimed_name(claim: nfs4.open_claim4) -> str:
    """The name that OPEN opens, empty if it is the current file."""
    match claim.body:
        case bytes(file):
            return name(file)
        case nfs4.open_claim_delegate_cur4(file=file):
            return name(file)
    return ""


def _created(how: nfs4.openflag4) -> str:
    return f"OT=CR({word_of(HOW, how.body.mode)})" if how.body is not None else "OT=NC"


def _claimed(claim: nfs4.open_claim4) -> str:
    """The kind of claim, and the delegation that it is by."""
    kind = f"CT={word_of(CLAIMS, claim.claim)}"
    match claim.body:
        case nfs4.open_delegation_type4():
            return f"{kind} DT={word_of(DELEGATIONS, claim.body)}"
        case nfs4.open_claim_delegate_cur4(delegate_stateid=stateid) | (nfs4.stateid4() as stateid):
            return f"{kind} {state(stateid, 'DST')}"
    return kind


def _create(args: nfs4.CREATE4args) -> str:
    link = args.objtype.body
    target = f" to {name(link)}" if isinstance(link, bytes) else ""
    return f"{name(args.objname)} {word_of(KINDS, args.objtype.type)}{target}"


def _lock(args: nfs4.LOCK4args) -> str:
    reclaim = " reclaim" if args.reclaim else ""
    range_ = region(args.offset, args.length)
    return f"{word_of(LOCKS, args.locktype)}{reclaim} {range_} {_locker(args.locker.body)}"


def _locker(locker: nfs4.open_to_lock_owner4 | nfs4.exist_lock_owner4) -> str:
    if isinstance(locker, nfs4.exist_lock_owner4):
        return f"LSQ={locker.lock_seqid} {state(locker.lock_stateid, 'LST')}"
    opened = f"OSQ={locker.open_seqid} {state(locker.open_stateid, 'OST')}"
    return f"{opened} LSQ={locker.lock_seqid} {owner('LO', locker.lock_owner)}"


def _lock_test(args: nfs4.LOCKT4args) -> str:
    return f"{word_of(LOCKS, args.locktype)} {region(args.offset, args.length)}"


def _unlock(args: nfs4.LOCKU4args) -> str:
    return f"{region(args.offset, args.length)} LSQ={args.seqid} {state(args.lock_stateid, 'LST')}"


def _downgrade(args: nfs4.OPEN_DOWNGRADE4args) -> str:
    kept = f"{share('AC', args.share_access)} {share('DN', args.share_deny)}"
    return f"SQ={args.seqid} {state(args.open_stateid, 'OST')} {kept}"


def _readdir(args: nfs4.READDIR4args) -> str:
    verifier = args.cookieverf.hex().upper()
    return f"Cookie={args.cookie} ({verifier}) for {args.dircount}/{args.maxcount}"


def _set_client(args: nfs4.SETCLIENTID4args) -> str:
    place = args.callback.cb_location
    address = f"ID={name(place.na_r_netid)} Addr={name(place.na_r_addr)}"
    return f"Prog={args.callback.cb_program} {address} CBID={args.callback_ident}"


def _sequence(args: nfs4.SEQUENCE4args) -> str:
    return f"{session(args.sa_sessionid)} SQ={args.sa_sequenceid} Slot={args.sa_slotid}"


def _create_session(args: nfs4.CREATE_SESSION4args) -> str:
    return f"{client(args.csa_clientid)} SQ={args.csa_sequence} Prog={args.csa_cb_program}"


def _layout_get(args: nfs4.LAYOUTGET4args) -> str:
    range_ = at(args.loga_offset, args.loga_length)
    return f"{args.loga_layout_type} {args.loga_iomode} {range_} {state(args.loga_stateid)}"


def _copy(args: nfs4.COPY4args) -> str:
    return _between(args.ca_src_offset, args.ca_dst_offset, args.ca_count)


def _clone(args: nfs4.CLONE4args) -> str:
    return _between(args.cl_src_offset, args.cl_dst_offset, args.cl_count)


def _between(source: int, target: int, count: int) -> str:
    return f"from {source} to {target} for {count}"


ARGUMENTS: Mapping[int, Say] = {
    nfs_opnum4.OP_ACCESS: lambda args: access(args.access),
    nfs_opnum4.OP_CLOSE: lambda args: f"SQ={args.seqid} {state(args.open_stateid, 'OST')}",
    nfs_opnum4.OP_COMMIT: lambda args: at(args.offset, args.count),
    nfs_opnum4.OP_CREATE: _create,
    nfs_opnum4.OP_DELEGPURGE: lambda args: client(args.clientid),
    nfs_opnum4.OP_DELEGRETURN: lambda args: state(args.deleg_stateid, "DST"),
    nfs_opnum4.OP_GETATTR: lambda args: bitmap(args.attr_request),
    nfs_opnum4.OP_LINK: lambda args: name(args.newname),
    nfs_opnum4.OP_LOCK: _lock,
    nfs_opnum4.OP_LOCKT: _lock_test,
    nfs_opnum4.OP_LOCKU: _unlock,
    nfs_opnum4.OP_LOOKUP: lambda args: name(args.objname),
    nfs_opnum4.OP_OPEN: _open,
    nfs_opnum4.OP_OPENATTR: lambda args: f"CD={'T' if args.createdir else 'F'}",
    nfs_opnum4.OP_OPEN_CONFIRM: lambda args: f"SQ={args.seqid} {state(args.open_stateid, 'OST')}",
    nfs_opnum4.OP_OPEN_DOWNGRADE: _downgrade,
    nfs_opnum4.OP_PUTFH: lambda args: handle(args.object),
    nfs_opnum4.OP_READ: lambda args: f"{state(args.stateid)} {at(args.offset, args.count)}",
    nfs_opnum4.OP_READDIR: _readdir,
    nfs_opnum4.OP_REMOVE: lambda args: name(args.target),
    nfs_opnum4.OP_RENAME: lambda args: f"{name(args.oldname)} to {name(args.newname)}",
    nfs_opnum4.OP_RENEW: lambda args: client(args.clientid),
    nfs_opnum4.OP_SECINFO: lambda args: name(args.name),
    nfs_opnum4.OP_SETATTR: lambda args: state(args.stateid),
    nfs_opnum4.OP_SETCLIENTID: _set_client,
    nfs_opnum4.OP_SETCLIENTID_CONFIRM: lambda args: (
        f"{client(args.clientid)} CFV={args.setclientid_confirm.hex().upper()}"
    ),
    nfs_opnum4.OP_WRITE: lambda args: (
        f"{state(args.stateid)} {at(args.offset, len(args.data))} ({word_of(STABLE, args.stable)})"
    ),
    nfs_opnum4.OP_RELEASE_LOCKOWNER: lambda args: owner("LO", args.lock_owner),
    nfs_opnum4.OP_BIND_CONN_TO_SESSION: lambda args: session(args.bctsa_sessid),
    nfs_opnum4.OP_EXCHANGE_ID: lambda args: f"Flags={args.eia_flags:x}",
    nfs_opnum4.OP_CREATE_SESSION: _create_session,
    nfs_opnum4.OP_DESTROY_SESSION: lambda args: session(args.dsa_sessionid),
    nfs_opnum4.OP_FREE_STATEID: lambda args: state(args.fsa_stateid),
    nfs_opnum4.OP_LAYOUTGET: _layout_get,
    nfs_opnum4.OP_SEQUENCE: _sequence,
    nfs_opnum4.OP_DESTROY_CLIENTID: lambda args: client(args.dca_clientid),
    nfs_opnum4.OP_ALLOCATE: lambda args: at(args.aa_offset, args.aa_length),
    nfs_opnum4.OP_DEALLOCATE: lambda args: at(args.da_offset, args.da_length),
    nfs_opnum4.OP_COPY: _copy,
    nfs_opnum4.OP_CLONE: _clone,
    nfs_opnum4.OP_READ_PLUS: lambda args: (
        f"{state(args.rpa_stateid)} {at(args.rpa_offset, args.rpa_count)}"
    ),
    nfs_opnum4.OP_SEEK: lambda args: (
        f"{str(args.sa_what).removeprefix('NFS4_CONTENT_').lower()} from {args.sa_offset}"
    ),
    nfs_opnum4.OP_GETXATTR: lambda args: name(args.gxa_name),
    nfs_opnum4.OP_SETXATTR: lambda args: name(args.sxa_key),
    nfs_opnum4.OP_REMOVEXATTR: lambda args: name(args.rxa_name),
}
"""Operations that are not here have no words behind their names."""

CALLBACK_ARGUMENTS: Mapping[int, Say] = {
    nfs_cb_opnum4.OP_CB_GETATTR: lambda args: f"{handle(args.fh)} {bitmap(args.attr_request)}",
    nfs_cb_opnum4.OP_CB_RECALL: lambda args: (
        f"{handle(args.fh)} {state(args.stateid)} TR={'T' if args.truncate else 'F'}"
    ),
    nfs_cb_opnum4.OP_CB_SEQUENCE: lambda args: (
        f"{session(args.csa_sessionid)} SQ={args.csa_sequenceid} Slot={args.csa_slotid}"
    ),
    nfs_cb_opnum4.OP_CB_NOTIFY_LOCK: lambda args: (
        f"{handle(args.cnla_fh)} {owner('LO', args.cnla_lock_owner)}"
    ),
}
