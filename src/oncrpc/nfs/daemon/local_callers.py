"""Asks the kernel which local user has a TCP connection to the server, once for each connection.

The user is the one that created the socket. It does not change when the process becomes another
user, or passes the socket to another process. A connection that its peer has closed has no user any
more, also if its last call has arrived.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from oncrpc.caching import Bounded
from oncrpc.host.connection_owner import Place, connection_owner
from oncrpc.rpc import Caller

MAX_CALLERS = 1024
"""Connections whose user is known."""

FindOwner = Callable[[Place, Place], int | None]


class CallerUser(NamedTuple):
    """The other end of a caller: whether it is on this host, and its user, if that is known."""

    here: bool
    uid: int | None = None


ELSEWHERE, UNKNOWN = CallerUser(here=False), CallerUser(here=True)


class LocalCallers:
    """Finds out which callers are on this host, and their users.

    ``is_own`` returns True for addresses of this host. ``_known`` is a cache: its key is the
    identity of the caller object of a connection, and an entry is valid only for the object that it
    holds. Its bound is ``MAX_CALLERS``. A user that is not known is asked for again.
    """

    def __init__(
        self, *, find: FindOwner = connection_owner, is_own: Callable[[str], bool]
    ) -> None:
        self._find, self._is_own = find, is_own
        self._known = Bounded[int, tuple[Caller, CallerUser]](MAX_CALLERS)

    def peer(self, caller: Caller) -> CallerUser:
        """The other end of a caller. That of a datagram from this host is not known."""
        known = self._known.get(id(caller))
        if known is not None and known[0] is caller:
            return known[1]
        found = self._found(caller)
        if found is not UNKNOWN and not caller.datagram:
            self._known.keep(id(caller), (caller, found))
        return found

    def _found(self, caller: Caller) -> CallerUser:
        here = caller.loopback or self._is_own(caller.host)
        uid = None
        if not caller.datagram and caller.source is not None and caller.local is not None:
            # Also asked about other addresses: link-local ones do not tell whose they are.
            uid = self._find(caller.source[:2], caller.local[:2])
        # After the end of a connection another socket may have its addresses and ports. So the
        # answer of the kernel counts only if the connection exists after the question.
        if uid is not None and caller.connected():
            return CallerUser(here=True, uid=uid)
        return UNKNOWN if here else ELSEWHERE
