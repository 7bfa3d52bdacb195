"""Credentials: made by the client, judged by the server (RFC 5531 §8, §10, appendix A)."""

from __future__ import annotations

from collections.abc import Sequence

from oncrpc.errors import XdrError
from oncrpc.rpc.prot import (
    MAX_GIDS,
    MAX_MACHINE_NAME,
    auth_flavor,
    auth_stat,
    authsys_parms,
    opaque_auth,
)
from oncrpc.xdr import codec

AUTH_NONE = opaque_auth(auth_flavor.AUTH_NONE, b"")
"""No credential; also the verifier that goes with AUTH_SYS."""

Credential = authsys_parms | None
"""Who the caller says it is: None for AUTH_NONE. Nothing in AUTH_SYS is proven."""

_REFUSED = {
    auth_flavor.AUTH_DH: auth_stat.AUTH_FAILED,
    auth_flavor.RPCSEC_GSS: auth_stat.AUTH_FAILED,
}
"""What the flavors that we know and do not serve are answered; others are AUTH_REJECTEDCRED."""


def auth_sys(
    machine: bytes, uid: int, gid: int, gids: Sequence[int] = (), *, stamp: int = 0
) -> opaque_auth:
    """An AUTH_SYS credential; the name is cut to 255 bytes and the groups to 16."""
    parms = authsys_parms(stamp, machine[:MAX_MACHINE_NAME], uid, gid, list(gids)[:MAX_GIDS])
    return opaque_auth(auth_flavor.AUTH_SYS, codec(authsys_parms).encode(parms))


def judge(cred: opaque_auth) -> Credential | auth_stat:
    """Whom the credential names, or why it is refused."""
    if cred.flavor == auth_flavor.AUTH_NONE:
        return None
    if cred.flavor == auth_flavor.AUTH_SYS:
        return _judge_sys(cred.body)
    if cred.flavor == auth_flavor.RPCSEC_GSS and not cred.body:
        return auth_stat.AUTH_BADCRED
    return _REFUSED.get(cred.flavor, auth_stat.AUTH_REJECTEDCRED)


def _judge_sys(body: bytes) -> Credential | auth_stat:
    """The parameters may be followed by more bytes, as C servers allow."""
    try:
        return codec(authsys_parms).decode_from(body)[0]
    except XdrError:
        return auth_stat.AUTH_BADCRED


def response_verifier(cred: opaque_auth, verf: opaque_auth) -> opaque_auth:
    """The verifier of the reply: AUTH_NONE, save that AUTH_SYS gets its own back, as in C."""
    return verf if cred.flavor == auth_flavor.AUTH_SYS and verf.body else AUTH_NONE
