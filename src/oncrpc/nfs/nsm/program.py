"""The program ``status``: NSM version 1 (XNFS §11).

SM_MON, SM_UNMON, SM_UNMON_ALL and SM_SIMU_CRASH are for root's programs of this host: they have to
come over the loopback interface from a reserved port, or over a local socket. Otherwise anybody
could have this host call programs on it (CERT CA-1999-05). As with rpc.statd, only procedures of
the lock manager can be called back, and the state in replies is that of this host.
"""

from __future__ import annotations

import logging
from contextlib import suppress

from oncrpc.access.line_limit import LineLimit
from oncrpc.nfs.nsm.entries import RpcMonitor, monitor_key
from oncrpc.nfs.nsm.matching import can_be_called, is_host, printable
from oncrpc.nfs.nsm.monitor import StatusMonitor
from oncrpc.nfs.nsm.states import signed, unsigned
from oncrpc.programs.sm_inter import (
    SM_VERS,
    mon,
    mon_id,
    my_id,
    res,
    sm_name,
    sm_stat,
    sm_stat_res,
    stat_chge,
)
from oncrpc.rpc import Call
from oncrpc.rpc.eager import eager
from oncrpc.rpc.program import Answer, NoReply, idempotent

log = logging.getLogger("oncrpc.nfs")

RESERVED = 1024


class StatusProgram(SM_VERS.Service):
    """The procedures. All of them may run twice for one call."""

    def __init__(self, monitor: StatusMonitor) -> None:
        self.monitor = monitor
        self._refusals = LineLimit()

    @idempotent
    def SM_STAT(self, call: Call, arg: sm_name) -> sm_stat_res:
        """Whether SM_MON would be possible."""
        return self._result(is_host(arg.mon_name) and self.monitor.has_room())

    @idempotent
    def SM_MON(self, call: Call, arg: mon) -> Answer[sm_stat_res]:
        return eager(self._mon(call, arg))

    async def _mon(self, call: Call, arg: mon) -> sm_stat_res:
        who, what = arg.mon_id.mon_name, arg.mon_id.my_id
        reason = self._why_not(call) or _fault(arg.mon_id)
        if reason:
            self._refuse(call, f"SM_MON of {printable(who)}", reason)
            return self._result(False)
        numbers = what.my_prog, what.my_vers, what.my_proc
        return self._result(
            await self.monitor.monitor(RpcMonitor(who, what.my_name, *numbers, arg.priv))
        )

    @idempotent
    def SM_UNMON(self, call: Call, arg: mon_id) -> sm_stat:
        reason = self._why_not(call)
        if reason:
            self._refuse(call, f"SM_UNMON of {printable(arg.mon_name)}", reason)
        else:
            what = arg.my_id
            numbers = what.my_prog, what.my_vers, what.my_proc
            self.monitor.monitors.remove(monitor_key(arg.mon_name, what.my_name, *numbers))
        return self._state()

    @idempotent
    def SM_UNMON_ALL(self, call: Call, arg: my_id) -> sm_stat:
        reason = self._why_not(call)
        if reason:
            self._refuse(call, "SM_UNMON_ALL", reason)
        else:
            self.monitor.monitors.remove_all(arg.my_name, arg.my_prog, arg.my_vers, arg.my_proc)
        return self._state()

    @idempotent
    def SM_SIMU_CRASH(self, call: Call) -> Answer[None]:
        reason = self._why_not(call)
        if reason:
            self._refuse(call, "SM_SIMU_CRASH", reason)
            return None
        self.monitor.simulate_crash()
        return eager(self._kept())

    @idempotent
    def SM_NOTIFY(self, call: Call, arg: stat_chge) -> Answer[None]:
        """A host has restarted. The reply does not show whether the notice is valid."""
        caller, state = call.caller, unsigned(arg.state)
        if not self.monitor.notified(caller.host, arg.mon_name, state, loopback=caller.loopback):
            raise NoReply  # the sender tries again, and by then its name has been looked up
        return eager(self._kept())

    async def _kept(self) -> None:
        """Wait for the disk: the caller does not repeat what was answered."""
        with suppress(OSError):  # logged
            await self.monitor.kept.synced()

    def _result(self, succeeded: bool) -> sm_stat_res:
        state = signed(self.monitor.number.at_boot)
        return sm_stat_res(res.stat_succ if succeeded else res.stat_fail, state)

    def _state(self) -> sm_stat:
        return sm_stat(signed(self.monitor.number.at_boot))

    def _why_not(self, call: Call) -> str:
        """Why a caller may not use the procedures for programs of this host; empty if it may."""
        caller = call.caller
        if caller.source is None:
            return "" if caller.uid == 0 else "the caller is not root"
        if not caller.loopback:
            return "the caller is another host"
        return "" if caller.port < RESERVED else "the caller's port is not reserved"

    def _refuse(self, call: Call, what: str, reason: str) -> None:
        left_out = self._refusals.left_out(f"{call.caller.host} {reason}")
        if left_out is not None:
            log.warning("refused %s from %s: %s%s", what, call.caller, reason, left_out)


def _fault(wanted: mon_id) -> str:
    """Why a host cannot be watched for a program; empty if it can."""
    what = wanted.my_id
    if not is_host(wanted.mon_name):
        return "no host has this name"
    if not can_be_called(what.my_prog, what.my_proc):
        place = f"program {what.my_prog} version {what.my_vers} procedure {what.my_proc}"
        return f"{place} is not one of the lock manager for this"
    return ""
