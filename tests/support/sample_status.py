"""A sample status of a daemon, with a value in every field."""

from __future__ import annotations

from typing import Any

from msgspec.structs import replace

from oncrpc.daemon.control.status import (
    CallsReport,
    Drops,
    ProcedureCalls,
    RulesRead,
    ServedSocket,
)
from oncrpc.portmap.status import Checks, Forwarding, Registered, StateFiles, Status

NFS = Registered(100003, "nfs", 3, "tcp", "0.0.0.0.8.1", "superuser", 90000.0, "alive")
UNNAMED = Registered(400001, None, 1, "local", "/run/greet.sock", "1000", 61.0, "gone")
GETPORT = ProcedureCalls(2, "GETPORT", 1200, 4.25)
GETADDR = ProcedureCalls(4, "GETADDR", 34, 0.0)
NEVER = ProcedureCalls(4, "GETSTAT", 0, 0.0)


def some_status(**changes: Any) -> Status:
    """A status with a value in every field; ``changes`` replace some."""
    made = Status(
        version="0.1.0",
        pid=4242,
        uptime=273_600.0,
        sockets=[
            ServedSocket("local", "/run/rpcbind.sock"),
            ServedSocket("local", "@/run/rpcbind.sock"),
            ServedSocket("udp", "0.0.0.0.0.111"),
        ],
        connections={"tcp": 3},
        calls=CallsReport(1234, 4.25, 5400.0, 60.0, [GETADDR, GETPORT, NEVER]),
        refusals={"unauthorized": 12, "declined": 0, "indirect": 1},
        drops=Drops(rate=7, busy=0, malformed=0, overlong=2, kernel=0),
        forwarding=Forwarding(enabled=False, pending=0),
        liveness=Checks(interval=60.0, watched=None, last=12.5, dropped=2),
        policy=RulesRead("/etc/portmap.toml", 3),
        state=StateFiles("/run/portmap", 4200),
        warm_start=None,
        registered=2,
        registrations=[NFS, UNNAMED],
        changes=[],
    )
    return replace(made, **changes)
