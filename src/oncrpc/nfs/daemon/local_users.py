"""Which users of this host may call the server.

A server without privileges works as its own user for everybody. Over the network the export's
clients are its only limit. On the host itself every user could call it, and read and change the
files of that user. So calls from an address of this host are accepted only from root and from the
user of the server, as the kernel tells of the other end of each TCP connection. UDP has no
connection, and another user may take the port of a datagram that is on its way: its calls are
refused.

Clients that mount with the kernel of this host connect as root.
"""

from __future__ import annotations

from collections.abc import Callable, Collection

from oncrpc.caching import Bounded
from oncrpc.errors import AuthError
from oncrpc.host.connection_owner import Place, connection_owner
from oncrpc.nfs.daemon.vocabulary import EXPORTING, PROGRAMS
from oncrpc.rpc import Call, Caller
from oncrpc.rpc.prot import auth_stat

NULL = 0
GUARDED = frozenset(PROGRAMS[name] for name in EXPORTING)
"""The programs that work as the server's user."""

MAX_CALLERS = 1024
"""Connections whose user is known."""

FindOwner = Callable[[Place, Place], int | None]


class LocalUsers:
    """Refuses the calls of other users of this host.

    ``is_own`` tells the addresses of this host. ``refused`` counts the calls. ``_known`` has the
    connections that were accepted: an entry counts only for the same connection, whose object it
    holds. Its bound is ``MAX_CALLERS``; the oldest entry is removed.
    """

    def __init__(
        self,
        allowed: Collection[int],
        *,
        find: FindOwner = connection_owner,
        is_own: Callable[[str], bool],
    ) -> None:
        self.allowed, self.refused = frozenset(allowed), 0
        self._find, self._is_own = find, is_own
        self._known = Bounded[int, Caller](MAX_CALLERS)

    def check(self, call: Call) -> None:
        """Refuse a call about the exports that comes from another user of this host.

        Raises:
            AuthError: AUTH_TOOWEAK.
        """
        procedure, caller = call.procedure, call.caller
        if procedure.number == NULL or procedure.version.prog not in GUARDED:
            return
        if self._known.get(id(caller)) is caller:
            return
        if not self._accepts(caller):
            self.refused += 1
            raise AuthError(auth_stat.AUTH_TOOWEAK)
        if not caller.datagram:
            self._known.keep(id(caller), caller)

    def _accepts(self, caller: Caller) -> bool:
        """Whether it is a caller of another host, or an accepted user of this one."""
        here = caller.loopback or self._is_own(caller.host)
        if caller.datagram or caller.source is None or caller.local is None:
            return not here
        # Also asked about other addresses: link-local ones do not tell whose they are.
        owner = self._find(caller.source[:2], caller.local[:2])
        return not here if owner is None else owner in self.allowed
