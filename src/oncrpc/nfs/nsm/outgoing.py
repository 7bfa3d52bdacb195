"""Outgoing calls: notices to hosts that this one has restarted, and callbacks to programs.

The attempts end after a while. The notice is kept, and is sent when the host locks again, or at the
next start. A notice that is not answered releases no locks: the host may only be unreachable.
"""

from __future__ import annotations

import logging
from collections.abc import Hashable

from oncrpc.access.line_limit import LineLimit
from oncrpc.nfs.nsm.calls import MonitorCalls
from oncrpc.nfs.nsm.entries import MonitorKey, RestartNotice
from oncrpc.nfs.nsm.kept import KeptList
from oncrpc.nfs.nsm.matching import printable
from oncrpc.nfs.nsm.retries import Retries

log = logging.getLogger("oncrpc.nfs")

MAX_NOTIFYING = 64
"""Hosts that get a notice at the same time."""

MAX_CALLING_BACK = 4
"""Programs of this host that are called back at the same time."""


class MonitorCounts:
    """What the monitor has done so far."""

    __slots__ = ("called_back", "heard", "refused", "sent", "unanswered")

    def __init__(self) -> None:
        self.heard = self.refused = 0
        """Notices of other hosts that were believed, and that were not."""

        self.sent = self.unanswered = 0
        """Notices to other hosts that were answered, and that were given up."""

        self.called_back = 0
        """Callbacks that were answered."""


class OutgoingCalls:
    """Sends the notices and callbacks that the list of watched hosts says are due.

    A notice is in ``kept.notices`` until it is answered. ``_unreachable`` has one of each host that
    was given up, by its address.
    """

    def __init__(self, kept: KeptList, calls: MonitorCalls) -> None:
        self.kept, self.counts = kept, MonitorCounts()
        self._calls = calls
        self._notices = Retries[Hashable](
            self._notify, most=MAX_NOTIFYING, given_up=self._give_up_notice
        )
        self._callbacks = Retries[MonitorKey](
            self._call_back, most=MAX_CALLING_BACK, given_up=self._give_up_callback
        )
        self._unreachable: dict[str, RestartNotice] = {}
        self._lines = LineLimit()

    def __len__(self) -> int:
        """The number of hosts to which a notice is being sent."""
        return len(self._notices)

    def start(self) -> None:
        """Begin with what is kept."""
        if self.kept.notices:
            log.info("hosts to notify of the restart: %d", len(self.kept.notices))
        for key in [*self.kept.notices]:
            self._notices.add(key)
        for monitor in self.kept.monitors.values():
            if monitor.told != monitor.state:
                self._callbacks.add(monitor.key)

    def notify(self, notice: RestartNotice) -> None:
        """Begin to send a notice, which is kept already."""
        self._notices.add(notice.key)

    def call_back(self, key: MonitorKey) -> None:
        """Begin to notify a program that the host that it watches has restarted."""
        self._callbacks.add(key)

    def can_reach(self, host: str) -> None:
        """A host has called: try its notice again if it did not answer before."""
        notice = self._unreachable.pop(host, None)
        if notice is not None and notice.key in self.kept.notices:
            self._notices.add(notice.key)

    async def close(self) -> None:
        """Stop; what is not answered is kept."""
        await self._notices.close()
        await self._callbacks.close()

    async def _notify(self, key: Hashable, attempt: int) -> None:
        notice, number = self.kept.notices.get(key), self.kept.state
        if notice is not None and number is not None:
            await self._calls.notify(notice, number.state, attempt)
            self.kept.remove(notice)
            self.counts.sent += 1

    def _give_up_notice(self, key: Hashable) -> None:
        notice = self.kept.notices.get(key)
        if notice is None:
            return
        self.counts.unanswered += 1
        self._unreachable[notice.host] = notice
        left_out = self._lines.left_out("notice")
        if left_out is not None:
            log.warning(
                "no answer to the notice of the restart from %s; trying again when it locks%s",
                notice.host,
                left_out,
            )

    async def _call_back(self, key: MonitorKey, attempt: int) -> None:  # noqa: ARG002
        monitor = self.kept.monitors.get(key)
        if monitor is None:
            return
        await self._calls.call_back(monitor)
        self.counts.called_back += 1
        current = self.kept.monitors.get(key)
        if current is not None:
            self.kept.put(current._replace(told=monitor.state))

    def _give_up_callback(self, key: MonitorKey) -> None:
        monitor = self.kept.monitors.get(key)
        if monitor is not None:
            place = f"program {monitor.prog} version {monitor.vers}"
            who = printable(monitor.mon_name)
            log.warning("%s of this host was not notified that %s has restarted", place, who)
