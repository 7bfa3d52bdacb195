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
from collections.abc import Callable, Collection
from typing import NamedTuple

from oncrpc.access.line_limit import LineLimit
from oncrpc.daemon.state.directory import Directory, boot_id
from oncrpc.nfs.locks.peers import Peer, Restarted
from oncrpc.nfs.locks.terms import LockClient
from oncrpc.nfs.nsm.entries import RestartNotice, RpcMonitor, StateNumber
from oncrpc.nfs.nsm.kept import KeptList
from oncrpc.nfs.nsm.own_peers import OwnPeers, ignore_restart
from oncrpc.nfs.nsm.rpc_monitors import LookUpName, RpcMonitors
from oncrpc.nfs.nsm.states import first_state, is_newer, next_state

log = logging.getLogger("oncrpc.nfs")

MAX_WATCHED = 65536
"""Watched hosts and notices together."""

KERNEL_STATE = "/proc/sys/fs/nfs/nsm_local_state"
"""Where the kernel's lock manager reads the state number of this host."""


class MonitorCounts(NamedTuple):
    """What the monitor has done so far."""

    heard: int
    """Notices that were believed."""

    refused: int
    """Notices that were not."""


class MonitorReport(NamedTuple):
    """The status of the monitor."""

    state: int
    clients: int
    """Clients of our own lock manager that are watched."""

    monitors: int
    """Hosts that are watched for other programs."""

    notices: int
    """Hosts that must still hear that this host has restarted."""

    counts: MonitorCounts


class StatusMonitor:
    """A ``PeerMonitor``, and what the program ``status`` does.

    Call ``load`` once, before the lock manager uses it; ``start`` when calls are answered; at the
    end ``settle`` and ``leave`` for a restart in place, or else ``stop``. ``kernel_state`` is the
    file in which the kernel gets the state number, empty for none.
    """

    def __init__(
        self,
        directory: Directory | None = None,
        *,
        boot: bytes | None = None,
        clock: Callable[[], float] = time.time,
        look_up: LookUpName | None = None,
        kernel_state: str = "",
        most: int = MAX_WATCHED,
    ) -> None:
        self.kept = KeptList(directory)
        self.peers = OwnPeers(self.kept, has_room=self.has_room)
        self.monitors = RpcMonitors(self.kept, look_up=look_up)
        self.most, self.kernel_state = most, kernel_state
        self._boot, self._clock = boot, clock
        self._lost: tuple[LockClient, ...] = ()
        self._heard = self._refused = 0
        self._refusals = LineLimit()

    # --- what the lock manager uses: PeerMonitor ---

    @property
    def state(self) -> int:
        """The state number of this host."""
        return self.number.state

    @property
    def restarted(self) -> Restarted:
        """What is called when a client has restarted; the lock manager sets it."""
        return self.peers.restarted

    @restarted.setter
    def restarted(self, restarted: Restarted) -> None:
        self.peers.restarted = restarted

    async def watch(self, peer: Peer, state: int) -> bool:
        """Watch a client; it is on disk when this returns. False if it cannot be watched.

        A client that gives a newer state than it had has restarted: its former locks are gone.
        """
        return await self.peers.watch(peer, state)

    def unwatch(self, client: LockClient) -> None:
        """Watch a client no more."""
        self.peers.unwatch(client)

    def lost(self) -> Collection[LockClient]:
        """The clients that the former process watched, if it ended without handing over.

        They are watched until ``unwatch``: call it for those that have claimed nothing in time.
        """
        return self._lost

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
        if left:
            self.kept.resume(left)
        else:
            self.kept.load()
        if left is None or self.kept.state is None:
            self._begin(boot_id() if self._boot is None else self._boot)
        self.kept.flush()
        self.peers.load()
        self.monitors.load()
        self._tell_kernel()

    def _begin(self, boot: bytes) -> None:
        """Begin a new state if locks were lost, and plan the notices."""
        number = self.kept.state
        self._lost = tuple(peer.client for peer in self.kept.peers.values())
        if number is None:
            first = first_state(self._clock())
            self.kept.put(StateNumber(first, first, boot))
        elif number.boot != boot:
            new = next_state(number.state)
            self.kept.put(StateNumber(new, new, boot))
            self._retire_monitors()
        elif self._lost:
            self.kept.put(number._replace(state=next_state(number.state)))
        now = int(self._clock())
        for peer in self.kept.peers.values():
            self.kept.put(RestartNotice(peer.client.host, peer.own_host, b"", now))

    def _retire_monitors(self) -> None:
        """Watch no host any more, and plan a notice to each."""
        now = int(self._clock())
        for monitor in [*self.kept.monitors.values()]:
            self.monitors.remove(monitor.key)
            host = monitor.mon_name.decode("ascii")
            self.kept.put(RestartNotice(host, "", monitor.my_name, now))

    def _tell_kernel(self) -> None:
        if not self.kernel_state:
            return
        try:
            with open(self.kernel_state, "w", encoding="ascii") as file:
                file.write(str(self.number.at_boot))
        except OSError as error:
            log.debug("the kernel is not told the state number: %s", error)

    def start(self) -> None:
        """Begin to send notices. Without a lock manager, nobody claims the locks that were lost."""
        if self.restarted is ignore_restart:
            for client in self._lost:
                self.unwatch(client)

    def leave(self) -> bytes:
        """The state for the next image of this process."""
        return self.kept.leave()

    def settle(self) -> None:
        """Write all pending changes."""
        self.kept.flush()

    async def stop(self) -> None:
        """Stop sending, and close the file."""
        self.peers.forget_all_idle()
        await self.kept.close()

    def report(self) -> MonitorReport:
        """The status."""
        kept = self.kept
        counts = MonitorCounts(self._heard, self._refused)
        return MonitorReport(
            self.state, len(kept.peers), len(kept.monitors), len(kept.notices), counts
        )

    # --- what the program uses ---

    async def monitor(self, monitor: RpcMonitor) -> bool:
        """SM_MON: watch a host for a program of this host. False if that is not possible."""
        if monitor.key not in self.kept.monitors and not self.has_room():
            return False
        self.monitors.add(monitor)
        try:
            await self.kept.synced()
        except OSError:
            self.monitors.remove(monitor.key)
            return False
        return True

    def simulate_crash(self) -> None:
        """SM_SIMU_CRASH: begin a new state, and notify all hosts that are watched for programs.

        The clients of our own lock manager get no notice: it has not lost their locks.
        """
        new = next_state(self.state)
        self.kept.put(StateNumber(new, new, self.number.boot))
        self._retire_monitors()
        self._tell_kernel()

    def notified(self, host: str, mon_name: bytes, state: int) -> bool:
        """SM_NOTIFY: a host says that it has restarted.

        Returns False if it is not known yet whether to believe it: it has to be said again.
        """
        peer = self.peers.find(host, mon_name)
        monitors, complete = self.monitors.find(host, mon_name)
        believed = peer is not None or bool(monitors)
        if peer is not None and is_newer(state, peer.state):
            self.peers.restart(peer, state)
        for monitor in monitors:
            self.monitors.restart(monitor, state)
        if believed:
            self._heard += 1
        elif complete:
            self._refused += 1
        return complete
