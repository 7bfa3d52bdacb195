"""Credentials: made by the client, judged by the server (RFC 5531 §8, §10, appendix A).

A further flavor is two classes: a ``Flavor`` that makes the client's credentials and checks the
server's verifiers, and a ``Judge`` that returns the identity in a credential.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Sequence
from contextlib import suppress

from oncrpc.errors import XdrError
from oncrpc.rpc.prot import (
    MAX_GIDS,
    MAX_MACHINE_NAME,
    auth_flavor,
    auth_stat,
    authsys_parms,
    call_body,
    opaque_auth,
)
from oncrpc.xdr import codec

AUTH_NONE = opaque_auth(auth_flavor.AUTH_NONE, b"")
"""No credential; also the verifier that goes with AUTH_SYS."""

MAX_SHORTHANDS = 1024
"""Shorthands that a server remembers; the one unused for longest is dropped."""

SHORTHAND_SIZE = 16
_REFUSED = {
    auth_flavor.AUTH_DH: auth_stat.AUTH_FAILED,
    auth_flavor.RPCSEC_GSS: auth_stat.AUTH_FAILED,
}
"""Refusals of flavors that are known but not served; others get AUTH_REJECTEDCRED."""


class Principal:
    """Base class of the identities of further flavors."""


Credential = authsys_parms | Principal | None
"""The identity that the caller claims; None for AUTH_NONE. AUTH_SYS proves nothing."""

Judgement = tuple[Credential, opaque_auth] | auth_stat
"""The identity in a credential and the verifier of the reply, or why it is refused."""


def auth_sys(
    machine: bytes, uid: int, gid: int, gids: Sequence[int] = (), *, stamp: int = 0
) -> opaque_auth:
    """An AUTH_SYS credential; the name is cut to 255 bytes and the groups to 16.

    ``oncrpc.auth_sys()`` is that of this process.
    """
    parms = authsys_parms(stamp, machine[:MAX_MACHINE_NAME], uid, gid, list(gids)[:MAX_GIDS])
    return opaque_auth(auth_flavor.AUTH_SYS, codec(authsys_parms).encode(parms))


class Flavor:
    """The client's side: makes the credential of each call, checks the verifier of each reply.

    This one sends one credential and takes any verifier; further flavors override what they need.
    """

    def __init__(self, cred: opaque_auth) -> None:
        self.cred = cred

    def credential(self) -> opaque_auth:
        """The credential of the next call."""
        return self.cred

    def verifier(self, header: bytes) -> opaque_auth:  # noqa: ARG002  # for further flavors
        """The verifier of a call whose bytes up to the end of its credential are ``header``."""
        return AUTH_NONE

    def accepted(self, cred: opaque_auth, verf: opaque_auth) -> None:
        """Called when a call with this credential was accepted, with this verifier.

        Raises:
            AuthError: the verifier is not the server's (AUTH_INVALIDRESP).
        """

    def rejected(self, cred: opaque_auth, stat: auth_stat) -> bool:  # noqa: ARG002
        """Called when the credential was refused. Returns whether to call again with a new one."""
        return False


class SysFlavor(Flavor):
    """AUTH_SYS, replaced by the shorthand that the server has issued (appendix A).

    A shorthand is valid at one server: do not share this object between several servers.
    """

    def __init__(self, cred: opaque_auth) -> None:
        super().__init__(cred)
        self.shorthand: opaque_auth | None = None

    def credential(self) -> opaque_auth:
        """The shorthand if there is one."""
        return self.shorthand or self.cred

    def accepted(self, cred: opaque_auth, verf: opaque_auth) -> None:  # noqa: ARG002
        """Take the shorthand that came with the reply."""
        if verf.flavor == auth_flavor.AUTH_SHORT:
            self.shorthand = _issued(verf)

    def rejected(self, cred: opaque_auth, stat: auth_stat) -> bool:
        """Fall back to AUTH_SYS: "the server may flush the shorthand at any time"."""
        if cred.flavor != auth_flavor.AUTH_SHORT or stat != auth_stat.AUTH_REJECTEDCRED:
            return False
        if self.shorthand == cred:
            self.shorthand = None
        return True


def _issued(verf: opaque_auth) -> opaque_auth:
    """The credential that a verifier issues: C servers encode it as an ``opaque_auth``."""
    with suppress(XdrError):
        cred = codec(opaque_auth).decode(verf.body)
        if cred.flavor == auth_flavor.AUTH_SHORT:
            return cred
    return opaque_auth(auth_flavor.AUTH_SHORT, verf.body)


Auth = opaque_auth | Flavor
"""A value for ``auth=``: a credential (``auth_sys()``), or a ``Flavor`` that makes them."""


def flavor_of(auth: Auth) -> Flavor:
    """The ``Flavor`` of an ``auth=`` argument.

    Raises:
        TypeError: it is neither a credential nor a flavor.
    """
    if isinstance(auth, Flavor):
        return auth
    if not isinstance(auth, opaque_auth):
        raise TypeError(f"auth is a credential or a Flavor, not {auth!r}: try oncrpc.auth_sys()")
    return SysFlavor(auth) if auth.flavor == auth_flavor.AUTH_SYS else Flavor(auth)


class Judge:
    """The server's side: checks credentials. This one does what the C servers do."""

    def judge(self, call: call_body, message: bytes) -> Judgement:  # noqa: ARG002
        """The identity in the credential, or why it is refused; ``message`` is the whole call."""
        named = judge(call.cred)
        if isinstance(named, auth_stat):
            return named
        return named, response_verifier(call.cred, call.verf)


class Shorthands(Judge):
    """Issues an AUTH_SHORT for every AUTH_SYS and honours it (appendix A), which C servers do not.

    ``random`` returns a number of random bytes, as ``os.urandom`` does.

    Cache: credentials by shorthand, at most ``most`` of them, those used last; emptied by
    ``flush``. A client whose shorthand is gone falls back to AUTH_SYS.
    """

    def __init__(self, *, random: Callable[[int], bytes], most: int = MAX_SHORTHANDS) -> None:
        self.random, self.most = random, most
        self._named: OrderedDict[bytes, authsys_parms] = OrderedDict()
        self._issued: dict[bytes, bytes] = {}

    def __len__(self) -> int:
        return len(self._named)

    def judge(self, call: call_body, message: bytes) -> Judgement:
        """Accept a shorthand, issue one for AUTH_SYS, and judge the rest as ``Judge`` does."""
        if call.cred.flavor == auth_flavor.AUTH_SHORT:
            return self._honour(call.cred.body[-SHORTHAND_SIZE:])
        found = super().judge(call, message)
        if isinstance(found, tuple) and isinstance(found[0], authsys_parms):
            return found[0], _verifier(self._shorthand_of(found[0]))
        return found

    def flush(self) -> None:
        """Forget all shorthands; clients fall back to AUTH_SYS and get new ones."""
        self._named.clear()
        self._issued.clear()

    def _honour(self, shorthand: bytes) -> Judgement:
        named = self._named.get(shorthand)
        if named is None:
            return auth_stat.AUTH_REJECTEDCRED
        self._named.move_to_end(shorthand)
        return named, _verifier(shorthand)

    def _shorthand_of(self, parms: authsys_parms) -> bytes:
        key = codec(authsys_parms).encode(parms)
        shorthand = self._issued.get(key)
        if shorthand is None:
            shorthand = self._issued[key] = self.random(SHORTHAND_SIZE)
            self._named[shorthand] = parms
        self._named.move_to_end(shorthand)
        while len(self._named) > self.most:
            _, forgotten = self._named.popitem(last=False)
            del self._issued[codec(authsys_parms).encode(forgotten)]
        return shorthand


def _verifier(shorthand: bytes) -> opaque_auth:
    """C clients decode a credential from the verifier; others send all its bytes back."""
    cred = opaque_auth(auth_flavor.AUTH_SHORT, shorthand)
    return opaque_auth(auth_flavor.AUTH_SHORT, codec(opaque_auth).encode(cred))


def judge(cred: opaque_auth) -> authsys_parms | auth_stat | None:
    """The identity in a credential, or why it is refused."""
    if cred.flavor == auth_flavor.AUTH_NONE:
        return None
    if cred.flavor == auth_flavor.AUTH_SYS:
        return _judge_sys(cred.body)
    if cred.flavor == auth_flavor.RPCSEC_GSS and not cred.body:
        return auth_stat.AUTH_BADCRED
    return _REFUSED.get(cred.flavor, auth_stat.AUTH_REJECTEDCRED)


def _judge_sys(body: bytes) -> authsys_parms | auth_stat:
    """The parameters may be followed by more bytes, as C servers allow."""
    try:
        return codec(authsys_parms).decode_from(body)[0]
    except XdrError:
        return auth_stat.AUTH_BADCRED


def response_verifier(cred: opaque_auth, verf: opaque_auth) -> opaque_auth:
    """The verifier of the reply: AUTH_NONE, but AUTH_SYS gets its own back, as in C."""
    return verf if cred.flavor == auth_flavor.AUTH_SYS and verf.body else AUTH_NONE
