"""The option ``peer-uid``: local callers are the users that the kernel reports.

A credential of AUTH_SYS proves nothing. For a TCP connection from this host, the kernel reports the
user of the socket at the other end. A call about the exports is refused if its credential names
another user, or if the user of the caller is not known, as with UDP. The groups are those that the
user has on this host, not those of the credential.

Calls over a socket of root may name any user: root can become any user, and the mounts of the
kernel call for all users over sockets of root. Calls without a user (AUTH_NONE) are anonymous, and
are not checked.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

from oncrpc.caching import Bounded
from oncrpc.errors import AuthError
from oncrpc.nfs.daemon.local_callers import CallerUser, LocalCallers
from oncrpc.nfs.daemon.local_users import is_guarded
from oncrpc.rpc import Call, Caller
from oncrpc.rpc.prot import auth_stat, authsys_parms

log = logging.getLogger("oncrpc.nfs")

ROOT = 0
AGAIN = 60.0
"""Seconds until a refusal of the same user is logged again."""

MAX_REFUSED_USERS = 256
"""Local users whose refusals are remembered, so that each is logged once in a while."""


class PeerUids:
    """Refuses the calls of local users that name another user.

    ``_logged`` has the time of each user's last line in the log, for ``MAX_REFUSED_USERS`` users.
    """

    def __init__(
        self, callers: LocalCallers, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._callers, self._clock = callers, clock
        self._logged = Bounded[int | None, float](MAX_REFUSED_USERS)

    def check(self, call: Call) -> None:
        """Refuse a call about the exports that names another user.

        Raises:
            AuthError: AUTH_TOOWEAK.
        """
        credential = call.credential
        if not isinstance(credential, authsys_parms) or not is_guarded(call):
            return
        peer = self._callers.peer(call.caller)
        if _is_free(peer) or peer.uid == credential.uid:
            return
        self._log(peer, call.caller, credential.uid)
        raise AuthError(auth_stat.AUTH_TOOWEAK)

    def is_free(self, caller: Caller) -> bool:
        """Whether a caller may name any user: one of another host, or root of this one."""
        return _is_free(self._callers.peer(caller))

    def _log(self, peer: CallerUser, caller: Caller, uid: int) -> None:
        now = self._clock()
        if now - self._logged.get(peer.uid, now - AGAIN) < AGAIN:
            return
        self._logged.keep(peer.uid, now)
        reason = "its user is not known" if peer.uid is None else f"it is of user {peer.uid}"
        log.warning("peer-uid: refused user %d of %s: %s", uid, caller, reason)


def _is_free(peer: CallerUser) -> bool:
    return not peer.here or peer.uid == ROOT
