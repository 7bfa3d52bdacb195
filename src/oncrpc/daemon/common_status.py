"""The common part of the status, read from a running daemon.

Nothing is changed by reading. Counters cover the time of this image of the program, rates at most
the last minute.
"""

from __future__ import annotations

import os
import socket
import struct
import time
from collections import Counter
from typing import TYPE_CHECKING, Any

from oncrpc.access.call_lines import Refusal
from oncrpc.addr import join_uaddr
from oncrpc.aio.udp import UdpEndpoint
from oncrpc.daemon.activation import path_of
from oncrpc.daemon.control.outcomes import Observed, ProcedureId
from oncrpc.daemon.control.status import (
    CallsReport,
    CommonStatus,
    Drops,
    ProcedureCalls,
    RulesRead,
    ServedSocket,
)
from oncrpc.host.processes import started_at
from oncrpc.version import __version__

if TYPE_CHECKING:
    from oncrpc.daemon.runtime import Runtime

SO_MEMINFO, MEMINFO, DROPS = 55, struct.Struct("@9I"), 8


def common_status(daemon: Runtime[Any]) -> CommonStatus:
    """The common part of the status."""
    pools = daemon.server.pools.values()
    connections = Counter(each.listener.netid for pool in pools for each in pool.connections)
    return CommonStatus(
        version=__version__,
        pid=os.getpid(),
        uptime=_uptime(daemon),
        sockets=_sockets(daemon),
        connections=dict(connections),
        calls=_calls(daemon),
        refusals={kind.name.lower(): daemon.call_log.counts[kind] for kind in Refusal},
        drops=_drops(daemon),
        policy=RulesRead(daemon.settings.path, len(daemon.config.rule), daemon.settings.missing),
        reloads=dict(daemon.reloads),
        reload_fault=daemon.reload_fault,
    )


def _uptime(daemon: Runtime[Any]) -> float:
    """Seconds of the process, over all its images; of this image if the kernel does not tell."""
    ticks = started_at(os.getpid())
    if ticks is None:
        return time.monotonic() - daemon.began
    return time.clock_gettime(time.CLOCK_BOOTTIME) - ticks / os.sysconf("SC_CLK_TCK")


def _sockets(daemon: Runtime[Any]) -> list[ServedSocket]:
    return [
        ServedSocket(
            netid,
            path_of(sock) if netid == "local" else join_uaddr(*sock.getsockname()[:2]),
            daemon.listeners.of(sock).role,
        )
        for sock, netid in daemon.listeners.every()
    ]


def _calls(daemon: Runtime[Any]) -> CallsReport:
    window, lately = daemon.rates.lately()
    counts = daemon.rates.count()
    per_second = 1.0 / window if window > 0 else 0.0
    dispatcher = daemon.server.dispatcher
    took = dispatcher.outcomes.seconds_of if isinstance(dispatcher, Observed) else None
    name = daemon.app.vocabulary.name
    return CallsReport(
        total=sum(map(sum, counts)),
        rate=sum(map(sum, lately)) * per_second,
        since=daemon.rates.clock() - daemon.rates.began,
        window=window,
        procedures=[
            ProcedureCalls(
                version.vers,
                name(procedure),
                row[number],
                grown[number] * per_second,
                program=version.prog,
                seconds=None if took is None else took[ProcedureId.of(procedure)],
            )
            for version, row, grown in zip(daemon.app.versions, counts, lately, strict=True)
            for number, procedure in sorted(version.procedures.items())
        ],
    )


def _drops(daemon: Runtime[Any]) -> Drops:
    found = [e for e in daemon.server.listeners if isinstance(e, UdpEndpoint)]
    return Drops(
        rate=sum(each.dropped for each in found),
        busy=sum(each.busy for each in found),
        malformed=sum(each.malformed for each in found),
        overlong=sum(each.overlong for each in found),
        kernel=sum(dropped_by_kernel(each.sock) for each in found),
    )


def dropped_by_kernel(sock: socket.socket) -> int:
    """Datagrams that the kernel dropped since the socket was opened; 0 if it does not tell."""
    try:
        told = sock.getsockopt(socket.SOL_SOCKET, SO_MEMINFO, MEMINFO.size)
        drops: int = MEMINFO.unpack(told)[DROPS]
    except (OSError, struct.error):
        return 0
    return drops
