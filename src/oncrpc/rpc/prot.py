"""The RPC message protocol, version 2 (RFC 5531 §9, appendix A)."""

from __future__ import annotations

import enum
from typing import Annotated

from oncrpc import xdr
from oncrpc.xdr import UInt

RPC_VERSION = 2
MAX_AUTH_BYTES = 400
MAX_MACHINE_NAME = 255
MAX_GIDS = 16


class auth_flavor(xdr.Registry):
    """Authentication flavors (§8.2); IANA adds more."""

    AUTH_NONE = 0
    AUTH_SYS = 1
    AUTH_SHORT = 2
    AUTH_DH = 3
    RPCSEC_GSS = 6
    AUTH_TLS = 7


class msg_type(enum.IntEnum):
    """The two messages."""

    CALL = 0
    REPLY = 1


class reply_stat(enum.IntEnum):
    """The two kinds of reply."""

    MSG_ACCEPTED = 0
    MSG_DENIED = 1


class accept_stat(enum.IntEnum):
    """What became of a call that was accepted."""

    SUCCESS = 0
    PROG_UNAVAIL = 1
    PROG_MISMATCH = 2
    PROC_UNAVAIL = 3
    GARBAGE_ARGS = 4
    SYSTEM_ERR = 5


class reject_stat(enum.IntEnum):
    """Why a call was rejected."""

    RPC_MISMATCH = 0
    AUTH_ERROR = 1


class auth_stat(xdr.Registry):
    """Why authentication failed; IANA adds more."""

    AUTH_OK = 0
    AUTH_BADCRED = 1
    AUTH_REJECTEDCRED = 2
    AUTH_BADVERF = 3
    AUTH_REJECTEDVERF = 4
    AUTH_TOOWEAK = 5
    AUTH_INVALIDRESP = 6
    AUTH_FAILED = 7
    AUTH_KERB_GENERIC = 8
    AUTH_TIMEEXPIRE = 9
    AUTH_TKT_FILE = 10
    AUTH_DECODE = 11
    AUTH_NET_ADDR = 12
    RPCSEC_GSS_CREDPROBLEM = 13
    RPCSEC_GSS_CTXPROBLEM = 14


@xdr.struct
class opaque_auth:
    """A credential or a verifier (§8.2)."""

    flavor: auth_flavor
    body: Annotated[bytes, xdr.opaque(MAX_AUTH_BYTES)]


@xdr.struct
class call_body:
    """A call (§9); the arguments follow it."""

    rpcvers: UInt
    prog: UInt
    vers: UInt
    proc: UInt
    cred: opaque_auth
    verf: opaque_auth


@xdr.struct
class mismatch_info:
    """The lowest and highest version that the peer supports."""

    low: UInt
    high: UInt


@xdr.union(
    {accept_stat.SUCCESS: None, accept_stat.PROG_MISMATCH: mismatch_info},
    default=None,
)
class accepted_reply_data:
    """The outcome; after SUCCESS the results follow."""

    stat: accept_stat
    body: mismatch_info | None


@xdr.struct
class accepted_reply:
    """The reply to a call that was accepted."""

    verf: opaque_auth
    reply_data: accepted_reply_data


@xdr.union(
    {reject_stat.RPC_MISMATCH: mismatch_info, reject_stat.AUTH_ERROR: auth_stat},
)
class rejected_reply:
    """The reply to a call that was rejected."""

    stat: reject_stat
    body: mismatch_info | auth_stat


@xdr.union(
    {reply_stat.MSG_ACCEPTED: accepted_reply, reply_stat.MSG_DENIED: rejected_reply},
)
class reply_body:
    """A reply (§9)."""

    stat: reply_stat
    body: accepted_reply | rejected_reply


@xdr.union({msg_type.CALL: call_body, msg_type.REPLY: reply_body})
class rpc_msg_body:
    """A call or a reply."""

    mtype: msg_type
    body: call_body | reply_body


@xdr.struct
class rpc_msg:
    """An RPC message; a reply carries the xid of its call."""

    xid: UInt
    body: rpc_msg_body


@xdr.struct
class authsys_parms:
    """The body of an AUTH_SYS credential (appendix A)."""

    stamp: UInt
    machinename: Annotated[bytes, xdr.string(MAX_MACHINE_NAME)]
    uid: UInt
    gid: UInt
    gids: Annotated[list[UInt], xdr.array(MAX_GIDS)]
