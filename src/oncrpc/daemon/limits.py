"""The limits of a daemon's connections, by the descriptors that the process may open."""

from __future__ import annotations

import resource

from oncrpc.aio.limits import Limits

MAX_UNANSWERED = 8 << 20
"""Bytes of incomplete calls and calls in progress, over all clients of one kind of socket."""

SOURCES = 4
"""One source may have this fraction of the connections, 1/4: clients may share an address."""

SPARE = 64
"""Descriptors that are not for connections."""

DESCRIPTORS = 8192
"""Descriptors to ask for."""


def limits(record: int, *, reserved: int = 0) -> tuple[Limits, Limits]:
    """The limits of network connections and of local ones, with calls of ``record`` bytes.

    ``reserved``: descriptors for other uses, such as pidfds. Local connections may be idle for
    ever: the kernel keeps one open for as long as it serves NFS.
    """
    most = connections(reserved)
    network = Limits(
        record=record,
        unanswered_by_all=MAX_UNANSWERED,
        connections=most,
        per_source=max(1, most // SOURCES),
    )
    return network, network._replace(idle_time=None)


def connections(reserved: int = 0) -> int:
    """The limit for each of the two kinds: network connections leave room for local ones."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    spare = min(SPARE + reserved, soft // 2)
    usual = Limits().connections
    room = usual if soft == resource.RLIM_INFINITY else (soft - spare) // 2
    return max(1, min(room, usual))


def raise_descriptors(wanted: int = DESCRIPTORS) -> None:
    """Raise the soft limit, so that there is room for every connection."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
