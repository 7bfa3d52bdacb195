"""What a daemon is doing, at one moment: the one source of whatever shows that.

``snapshot`` only reads. Counters are since this image of the program began, rates over the last
minute at most.
"""

from __future__ import annotations

import asyncio
import os
import socket
import struct
import time
from collections import Counter
from itertools import islice
from typing import TYPE_CHECKING

from oncrpc.access.call_lines import Refusal
from oncrpc.addr import join_uaddr
from oncrpc.aio.udp import UdpEndpoint
from oncrpc.daemon.activation import path_of
from oncrpc.daemon.config.values import POLICY_FILE
from oncrpc.host.processes import started_at
from oncrpc.numbers import program_name
from oncrpc.portmap.getstat import FIRST_VERSION
from oncrpc.portmap.liveness.verdict import Verdict
from oncrpc.portmap.status import (
    Calls,
    Changes,
    Checks,
    Drops,
    Endpoint,
    Forwarding,
    Procedure,
    Registered,
    Rules,
    Socket,
    State,
    Status,
)
from oncrpc.portmap.vocabulary import VOCABULARY
from oncrpc.programs.portmap import PMAP_VERS
from oncrpc.programs.rpcb import RPCBVERS, RPCBVERS4, rpcb
from oncrpc.version import __version__

if TYPE_CHECKING:
    from oncrpc.portmap.daemon import Daemon

MAX_LISTED = 4096
"""Registrations that ``portmap status`` lists; the others are counted."""

SO_MEMINFO, MEMINFO, DROPS = 55, struct.Struct("@9I"), 8
VERSIONS = (PMAP_VERS, RPCBVERS, RPCBVERS4)
ENDPOINTS: dict[Verdict, Endpoint] = {Verdict.BOUND: "alive", Verdict.GONE: "gone"}


def snapshot(daemon: Daemon, *, listed: int = MAX_LISTED) -> Status:
    """What the daemon is doing now, with the first ``listed`` registrations.

    Of their endpoints it says what was last seen (``Liveness.look``).
    """
    connections = Counter(
        c.listener.netid for p in daemon.server.pools.values() for c in p.connections
    )
    return Status(
        version=__version__,
        pid=os.getpid(),
        uptime=_uptime(daemon),
        sockets=_sockets(daemon),
        connections=dict(connections),
        calls=_calls(daemon),
        refusals={kind.name.lower(): daemon.call_log.counts[kind] for kind in Refusal},
        drops=_drops(daemon),
        forwarding=_forwarding(daemon),
        liveness=_checks(daemon),
        policy=Rules(daemon.config.policy or POLICY_FILE, len(daemon.policy.rule)),
        state=_state(daemon),
        warm_start=None if daemon.warm is None else daemon.config.warm_start,
        registered=len(daemon.registry),
        registrations=[_registered(daemon, e) for e in islice(daemon.registry, listed)],
        changes=_changes(daemon),
        reloads=dict(daemon.reloads),
    )


def _uptime(daemon: Daemon) -> float:
    """That of the process, which may have had other images before; else that of this one."""
    ticks = started_at(os.getpid())
    if ticks is None:
        return time.monotonic() - daemon.rates.began
    return time.clock_gettime(time.CLOCK_BOOTTIME) - ticks / os.sysconf("SC_CLK_TCK")


def _sockets(daemon: Daemon) -> list[Socket]:
    found = []
    for sock, netid in daemon.listeners.sockets:
        local = netid == "local"
        found.append(Socket(netid, path_of(sock) if local else join_uaddr(*sock.getsockname()[:2])))
    return found


def _calls(daemon: Daemon) -> Calls:
    window, lately = daemon.rates.lately()
    counts = daemon.rates.count()
    per_second = 1.0 / window if window > 0 else 0.0
    procedures = [
        Procedure(
            version.vers,
            VOCABULARY.name(procedure),
            counts[version.vers - FIRST_VERSION][number],
            lately[version.vers - FIRST_VERSION][number] * per_second,
        )
        for version in VERSIONS
        for number, procedure in sorted(version.procedures.items())
    ]
    return Calls(
        total=sum(map(sum, counts)),
        rate=sum(map(sum, lately)) * per_second,
        since=daemon.rates.clock() - daemon.rates.began,
        window=window,
        procedures=procedures,
    )


def _drops(daemon: Daemon) -> Drops:
    found = [e for e in daemon.server.listeners if isinstance(e, UdpEndpoint)]
    return Drops(
        rate=sum(each.dropped for each in found),
        busy=sum(each.busy for each in found),
        malformed=sum(each.malformed for each in found),
        overlong=sum(each.overlong for each in found) + daemon.mapper.overlong,
        kernel=sum(dropped_by_kernel(each.sock) for each in found),
    )


def dropped_by_kernel(sock: socket.socket) -> int:
    """Datagrams that the kernel has not given us: junk, or there was no room; 0 if it does not say.

    It counts for as long as the socket is open.
    """
    try:
        told = sock.getsockopt(socket.SOL_SOCKET, SO_MEMINFO, MEMINFO.size)
        drops: int = MEMINFO.unpack(told)[DROPS]
    except (OSError, struct.error):
        return 0
    return drops


def _forwarding(daemon: Daemon) -> Forwarding:
    forwarder = daemon.forwarder
    return Forwarding(forwarder is not None, 0 if forwarder is None else len(forwarder))


def _checks(daemon: Daemon) -> Checks:
    liveness = daemon.liveness
    at, now = liveness.checked_at, asyncio.get_running_loop().time()
    return Checks(
        interval=liveness.interval,
        watched=len(liveness.watch) if liveness.watching else None,
        last=None if at is None else now - at,
        dropped=liveness.dropped,
        checks=liveness.checks,
    )


def _state(daemon: Daemon) -> State | None:
    store = daemon.store
    if store is None:
        return None
    return State(store.path, store.journal_size, store.appends, store.failures)


def _changes(daemon: Daemon) -> list[Changes]:
    counted = daemon.mapper.statistics.changes()
    return [Changes(version, *each) for version, each in enumerate(counted, FIRST_VERSION)]


def _registered(daemon: Daemon, entry: rpcb) -> Registered:
    alive = entry in daemon.own
    verdict = Verdict.BOUND if alive else daemon.liveness.seen(entry)
    return Registered(
        program=entry.r_prog,
        name=program_name(entry.r_prog),
        version=entry.r_vers,
        netid=entry.r_netid.decode("ascii", "replace"),
        address=entry.r_addr.decode("ascii", "replace"),
        owner=entry.r_owner.decode("ascii", "replace"),
        age=daemon.ages.age(entry),
        endpoint=ENDPOINTS.get(verdict, "unknown"),
    )
