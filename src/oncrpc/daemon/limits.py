"""How many connections the daemon may have open, and what they may cost."""

from __future__ import annotations

import resource

from oncrpc.aio.limits import Limits

MAX_RECORD = 9000
"""Bytes of a call on a stream, as in the C daemon. Real calls have a few hundred."""

MAX_UNANSWERED = 8 << 20
"""Bytes of all calls that are incomplete or in progress, of all peers of a pool."""

LIMITS = Limits(record=MAX_RECORD, unanswered_by_all=MAX_UNANSWERED)
LOCAL_LIMITS = LIMITS._replace(idle_time=None)
SOURCES = 4
"""A source may have one in so many connections: many clients may share an address."""

SPARE = 64
"""Descriptors that are not for connections."""


def limits(watched: int = 0) -> tuple[Limits, Limits]:
    """Those of the connections from the network, and of the local ones.

    So many processes may be watched besides.
    """
    most = connections(watched)
    each = {"connections": most, "per_source": max(1, most // SOURCES)}
    return LIMITS._replace(**each), LOCAL_LIMITS._replace(**each)


def connections(watched: int = 0) -> int:
    """How many of each kind may be open: those from the network leave room for local ones."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    spare = min(SPARE + watched, soft // 2)
    room = LIMITS.connections if soft == resource.RLIM_INFINITY else (soft - spare) // 2
    return max(1, min(room, LIMITS.connections))
