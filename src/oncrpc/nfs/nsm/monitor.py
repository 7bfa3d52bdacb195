"""The status monitor: hosts that are watched, notices from them, and notices to them.

It watches the clients of our own lock manager (``own_peers``), and hosts for other programs of this
host (``rpc_monitors``). Both are on disk (``kept``), with the state number of this host.

The number grows at a new boot, and when a process of this boot ended without handing over while it
watched clients: their locks are lost. In the second case only these clients get a notice, since
the kernel still has its locks, and the kernel keeps the number with which the boot began.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Collection, Iterable, Sequence
from typing import NamedTuple

from oncrpc.access.line_limit import LineLimit
from oncrpc.daemon.state.directory import Directory, boot_id
from oncrpc.nfs.locks.peers import Peer, Restarted
from oncrpc.nfs.locks.terms import LockClient
from oncrpc.nfs.nsm.calls import MonitorCalls, NetworkCalls
from oncrpc.nfs.nsm.entries import RestartNotice, RpcMonitor, StateNumber
from oncrpc.nfs.nsm.former import FormerMonitor, read_former
from oncrpc.nfs.nsm.kept import KeptList
from oncrpc.nfs.nsm.learned import LookUpName
from oncrpc.nfs.nsm.matching import address_in, printable
from oncrpc.nfs.nsm.outgoing import OutgoingCalls
from oncrpc.nfs.nsm.own_peers import OwnPeers, ignore_restart
from oncrpc.nfs.nsm.rpc_monitors import RpcMonitors
from oncrpc.nfs.nsm.states import first_state, is_newer, next_state

log = logging.getLogger("oncrpc.nfs")

MAX_WATCHED = 65536
"""Hosts that the status monitor watches, and notices that it still has to send, together."""

KERNEL_STATE = "/proc/sys/fs/nfs/nsm_local_state"
"""Where the kernel's lock manager reads the state number of this host."""

MAX_NOTICE_AGE = 30 * 86400
"""Seconds after which the notice to a host that never answered is dropped at a start."""


class MonitorReport(NamedTuple):
    """The status of the monitor: its state number, and how many hosts it deals with."""

    state: int
    clients: int
    """Clients of our own lock manager that are watched."""

    monitors: int
    """Hosts that are watched for other programs."""

    notifying: int
    """Hosts to which a notice of the restart is being sent."""

    unreachable: int
    """Hosts that did not answer; the notice is sent when they lock again, or at the next start."""


class StatusMonitor:
    """A ``PeerMonitor``, and what the program ``status`` does.

    Call ``load`` once, before the lock manager uses it; ``start`` when calls are answered; at the
    end ``settle`` and ``leave`` for a restart in place, or else ``stop``. ``former`` is the
    directory of an rpc.statd that served before, and ``kernel_state`` the file in which the kernel
    gets the state number; both may be empty.
    """

    def __init__(
        self,
        directory: Directory | None = None,
        *,
        boot: bytes | None = None,
        calls: MonitorCalls | None = None,
        clock: Callable[[], float] = time.time,
        look_up: LookUpName | None = None,
        former: str = "",
        kernel_state: str = "",
        most: int = MAX_WATCHED,
    ) -> None:
        self.kept = KeptList(directory)
        self.peers = OwnPeers(self.kept, has_room=self.has_room)
        self.monitors = RpcMonitors(self.kept, look_up=look_up)
        self.outgoing = OutgoingCalls(self.kept, calls or NetworkCalls())
        self.counts = self.outgoing.counts
        self.most, self.former, self.kernel_state = most, former, kernel_state
        self._boot, self._clock = boot, clock
        self._lost: tuple[LockClient, ...] = ()
        self._lines = LineLimit()

    # --- what the lock manager uses: PeerMonitor ---

    @property
    def state(self) -> int:
        """The state number of this host."""
        return self.number.state

    @property
    def restarted(self) -> Restarted:
        """Called when a client has restarted; the lock manager sets it."""
        return self.peers.restarted

    @restarted.setter
    def restarted(self, restarted: Restarted) -> None:
        self.peers.restarted = restarted

    async def watch(self, peer: Peer, state: int) -> bool:
        """Watch a client; it is on disk when this returns. False if it cannot be watched.

        A client that gives a newer state than it had has restarted: its former locks are gone.
        """
        self.outgoing.can_reach(peer.client.host)
        return await self.peers.watch(peer, state)

    def unwatch(self, client: LockClient) -> None:
        """Stop watching a client."""
        self.peers.unwatch(client)

    def lost(self) -> Collection[LockClient]:
        """The clients that the former process watched, if it ended without handing over.

        They are watched until ``unwatch``: call it for those that have claimed nothing in time.
        """
        return self._lost

    def lose(self) -> None:
        """Begin a new state, and plan the notices: the locks of the earlier image are lost."""
        self._begin(self.number.boot)
        self.kept.flush()

    # --- life ---

    @property
    def number(self) -> StateNumber:
        """The state number, with that of the boot."""
        found = self.kept.state
        assert found is not None, "load comes first"
        return found

    def has_room(self) -> bool:
        """Whether one more host can be watched."""
        return len(self.kept) < self.most

    def load(self, left: bytes | None = None) -> None:
        """Read the file, and begin a new state if locks were lost.

        ``left`` is what ``leave`` of an earlier image of this process returned.
        """
        if left is None or not self.kept.resume(left):
            self.kept.load()
        if left is None or self.kept.state is None:
            boot = boot_id() if self._boot is None else self._boot
            if self.kept.state is None and self.former:
                self._take_over(read_former(self.former), boot)
            self._begin(boot)
        self.kept.flush()
        self.peers.load()
        self.monitors.load()
        self._tell_kernel()

    def _begin(self, boot: bytes) -> None:
        """Begin a new state if locks were lost, and plan the notices."""
        number, now = self.kept.state, int(self._clock())
        for notice in [*self.kept.notices.values()]:
            if notice.since < now - MAX_NOTICE_AGE:
                self.kept.remove(notice)
        self._lost = tuple(peer.client for peer in self.kept.peers.values())
        if number is None:
            first = first_state(now)
            self.kept.put(StateNumber(first, first, boot))
        elif number.boot != boot:
            new = next_state(number.state)
            self.kept.put(StateNumber(new, new, boot))
            self._retire_monitors()
        elif self._lost:
            self.kept.put(number._replace(state=next_state(number.state)))
        for peer in self.kept.peers.values():
            self.kept.put(RestartNotice(peer.client.host, peer.own_host, b"", now))

    def _take_over(self, former: FormerMonitor, boot: bytes) -> None:
        """Go on with what rpc.statd did. If it did not serve in this boot, that is a new one."""
        if former.state is not None:
            state = former.state | 1
            self.kept.put(StateNumber(state, state, boot if former.this_boot else b""))
        for monitor in former.watched:
            self.kept.put(monitor)
        for notice in self._notices(former.notices):
            self.kept.put(notice)
        if former.watched or former.notices:
            numbers = len(former.watched), len(former.notices)
            log.info("from %s: %d watched hosts, %d notices", self.former, *numbers)

    def _retire_monitors(self) -> list[RestartNotice]:
        """Stop watching all hosts, and plan a notice to each. Returns the notices."""
        monitors = [*self.kept.monitors.values()]
        notices = self._notices(monitors)
        for monitor in monitors:
            self.monitors.remove(monitor.key)
        for notice in notices:
            self.kept.put(notice)
        return notices

    def _notices(self, monitors: Iterable[RpcMonitor]) -> list[RestartNotice]:
        """Notices to the hosts that programs watched."""
        now = int(self._clock())
        hosts = (
            (address_in(m.mon_name) or m.mon_name.decode("ascii"), m.my_name) for m in monitors
        )
        return [RestartNotice(host, "", my_name, now) for host, my_name in hosts]

    def _tell_kernel(self) -> None:
        if not self.kernel_state:
            return
        try:
            with open(self.kernel_state, "w", encoding="ascii") as file:
                file.write(str(self.number.at_boot))
        except OSError as error:
            log.debug("the kernel is not told the state number: %s", error)

    def start(self) -> None:
        """Begin to send notices. Without a lock manager the former clients are not watched."""
        if self.restarted is ignore_restart:
            for client in self._lost:
                self.unwatch(client)
        self.monitors.start()
        self.outgoing.start()

    def leave(self) -> bytes:
        """The state for the next image of this process, as JSON."""
        return self.kept.leave()

    def settle(self) -> None:
        """Write all pending changes."""
        self.kept.flush()

    async def stop(self) -> None:
        """Stop sending, and close the file."""
        await self.outgoing.close()
        self.peers.forget_all_idle()
        await self.kept.close()

    def faults(self) -> Iterable[str]:
        """Reasons why hosts are not watched as they should be."""
        return (self.kept.fault,) if self.kept.fault else ()

    def report(self) -> MonitorReport:
        """The status; ``counts`` has more."""
        kept, sending = self.kept, len(self.outgoing)
        unreachable = len(kept.notices) - sending
        return MonitorReport(self.state, len(kept.peers), len(kept.monitors), sending, unreachable)

    # --- what the program uses ---

    async def monitor(self, monitor: RpcMonitor) -> bool:
        """SM_MON: watch a host for a program of this host. False if that is not possible."""
        known = self.kept.monitors.get(monitor.key)
        if known is None and not self.has_room():
            return False
        self.monitors.add(monitor)
        try:
            await self.kept.synced()
        except OSError:
            if known is None:
                self.monitors.remove(monitor.key)
            return False
        return True

    def simulate_crash(self) -> None:
        """SM_SIMU_CRASH: begin a new state, and notify all hosts that are watched for programs.

        The clients of our own lock manager get no notice: it has not lost their locks.
        """
        new = next_state(self.state)
        self.kept.put(StateNumber(new, new, self.number.boot))
        for notice in self._retire_monitors():
            self.outgoing.notify(notice)
        self._tell_kernel()

    def notified(self, host: str, mon_name: bytes, state: int, *, loopback: bool = False) -> bool:
        """SM_NOTIFY: a host has restarted, if the notice is valid.

        If this host mounts its own exports, it also notifies itself. If only this process has
        restarted, that concerns the programs that watch this host, and releases no locks here.

        Returns False if an address has to be looked up first: the host sends the notice again.
        """
        is_own = loopback and state == self.state != self.number.at_boot
        peer = None if is_own else self.peers.find(host, mon_name)
        monitors, complete = self.monitors.find(host, mon_name)
        known = [each.state for each in (peer, *monitors) if each is not None]
        if peer is not None and is_newer(state, peer.state):
            self.peers.restart(peer, state)
        for monitor in monitors:
            if self.monitors.restart(monitor, state):
                self.outgoing.call_back(monitor.key)
        if any(is_newer(state, former) for former in known):
            self.counts.heard += 1
        elif complete and state not in known and not is_own:
            self._refuse(host, mon_name, _why_not(state, known))
        return complete

    def _refuse(self, host: str, mon_name: bytes, reason: str) -> None:
        self.counts.refused += 1
        left_out = self._lines.left_out(host)
        if left_out is not None:
            shown = printable(mon_name)
            log.warning("refused SM_NOTIFY from %s for %s: %s%s", host, shown, reason, left_out)


def _why_not(state: int, known: Sequence[int]) -> str:
    if not known:
        return "no such host is watched at this address"
    return f"state {state} is not newer than {known[0]}"
