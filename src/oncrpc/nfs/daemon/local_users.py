"""Which users of this host may call the server.

A server without privileges does the work of all callers as its own user. Over the network only the
clients of the export limit who may call. On the host itself each user could call, and read and
change the files of that user. So calls from an address of this host are accepted only from root and
from the user of the server. The kernel reports the user at the other end of each TCP connection.
Calls over UDP are refused: another user may take the port of a datagram that is on its way.

Clients that mount with the kernel of this host connect as root.
"""

from __future__ import annotations

from collections.abc import Collection

from oncrpc.errors import AuthError
from oncrpc.nfs.daemon.local_callers import LocalCallers
from oncrpc.nfs.daemon.vocabulary import EXPORTING, PROGRAMS
from oncrpc.rpc import Call, Caller
from oncrpc.rpc.prot import auth_stat

NULL = 0
GUARDED = frozenset(PROGRAMS[name] for name in EXPORTING)
"""The programs that work as the server's user."""


def is_guarded(call: Call) -> bool:
    """Whether a call is about exports. NULL is not."""
    procedure = call.procedure
    return procedure.number != NULL and procedure.version.prog in GUARDED


class LocalUsers:
    """Refuses the calls of other users of this host. ``refused`` counts the calls."""

    def __init__(self, allowed: Collection[int], callers: LocalCallers) -> None:
        self.allowed, self.refused = frozenset(allowed), 0
        self._callers = callers

    def check(self, call: Call) -> None:
        """Refuse a call about the exports that comes from another user of this host.

        Raises:
            AuthError: AUTH_TOOWEAK.
        """
        if is_guarded(call) and not self.accepts(call.caller):
            self.refused += 1
            raise AuthError(auth_stat.AUTH_TOOWEAK)

    def accepts(self, caller: Caller) -> bool:
        """Whether it is a caller of another host, or an accepted user of this one."""
        peer = self._callers.peer(caller)
        return not peer.here or peer.uid in self.allowed
