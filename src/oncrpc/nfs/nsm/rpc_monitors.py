"""The hosts that programs of this host watch by SM_MON, such as the kernel's lock manager.

A host is given by its address, or by a name. Names are looked up in the background.
"""

from __future__ import annotations

import socket
import time
from collections.abc import Callable

from oncrpc.nfs.background import BackgroundAnswers, NotNow
from oncrpc.nfs.nsm.entries import MonitorKey, RpcMonitor
from oncrpc.nfs.nsm.kept import KeptList
from oncrpc.nfs.nsm.learned import LearnedNames, LookUpName
from oncrpc.nfs.nsm.matching import address_in, is_same_name
from oncrpc.nfs.nsm.states import is_newer


class RpcMonitors:
    """Watches hosts for programs.

    Every monitor is in ``kept.monitors``, and in ``_by_host`` under its address, or in ``_named``
    under its short name.
    """

    def __init__(
        self,
        kept: KeptList,
        *,
        look_up: LookUpName | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.kept = kept
        self._by_host: dict[str, dict[MonitorKey, None]] = {}
        self._named: dict[bytes, dict[MonitorKey, None]] = {}
        self._learned = LearnedNames(look_up or addresses_of)
        self._addresses = BackgroundAnswers[bytes, frozenset[str]](
            look_up or addresses_of, without=frozenset(), clock=clock
        )

    def load(self) -> None:
        """Take over those that are kept."""
        for key in self.kept.monitors:
            self._index(key)

    def start(self) -> None:
        """Begin to look up the names."""
        self._learned.start()

    def _index(self, key: MonitorKey) -> None:
        place = self._place(key)
        place[key] = None
        if not address_in(key.mon_name):
            self._learned.learn(key.mon_name)

    def _place(self, key: MonitorKey) -> dict[MonitorKey, None]:
        host = address_in(key.mon_name)
        if host:
            return self._by_host.setdefault(host, {})
        return self._named.setdefault(_short(key.mon_name), {})

    def add(self, monitor: RpcMonitor) -> None:
        """Watch a host; the same again replaces its private data."""
        known = self.kept.monitors.get(monitor.key)
        if known is not None:
            monitor = monitor._replace(state=known.state, told=known.told)
        if monitor != known:
            self.kept.put(monitor)
        self._index(monitor.key)

    def remove(self, key: MonitorKey) -> RpcMonitor | None:
        """Stop watching a host. Returns None if it was not watched for that program."""
        known = self.kept.monitors.get(key)
        if known is not None:
            self.kept.remove(known)
            place = self._place(key)
            place.pop(key, None)
            if not any(each.mon_name == key.mon_name for each in place):
                self._learned.forget(key.mon_name)
            if not place:
                host = address_in(key.mon_name)
                self._by_host.pop(host) if host else self._named.pop(_short(key.mon_name))
        return known

    def remove_all(self, my_name: bytes, prog: int, vers: int, proc: int) -> None:
        """Stop watching hosts for a program."""
        wanted = (my_name.lower(), prog, vers, proc)
        for monitor in [*self.kept.monitors.values()]:
            if monitor.key[1:] == wanted:
                self.remove(monitor.key)

    def find(self, host: str, mon_name: bytes) -> tuple[list[RpcMonitor], bool]:
        """The monitors that match a notice from this address with this name.

        Also returns whether these are all: False if the address of a name is being looked up.
        """
        keys = dict(self._by_host.get(host, ()))
        for name in self._learned.at(host):
            keys |= dict.fromkeys(each for each in self._named[_short(name)] if each[0] == name)
        complete = True
        for key in self._named.get(_short(mon_name.lower()), ()):
            if key not in keys and is_same_name(key.mon_name, mon_name):
                addresses = self._addresses.get(key.mon_name)
                complete = complete and addresses is not None
                if addresses is not None and host in addresses:
                    keys[key] = None
        return [self.kept.monitors[key] for key in keys], complete

    def restart(self, monitor: RpcMonitor, state: int) -> RpcMonitor | None:
        """A host has restarted. Returns the monitor as changed; None if the state is not newer."""
        if not is_newer(state, monitor.state):
            return None
        changed = monitor._replace(state=state)
        self.kept.put(changed)
        return changed


def _short(name: bytes) -> bytes:
    return name.partition(b".")[0]


def addresses_of(name: bytes) -> frozenset[str]:
    """The addresses of a name. This may block.

    Raises:
        NotNow: they cannot be looked up.
    """
    try:
        found = socket.getaddrinfo(name, 0, type=socket.SOCK_DGRAM)
    except socket.gaierror as error:
        if error.errno in (socket.EAI_AGAIN, socket.EAI_SYSTEM, socket.EAI_MEMORY):
            raise NotNow from None
        return frozenset()
    except (OSError, UnicodeError):
        return frozenset()
    return frozenset(address_in(str(entry[4][0]).encode()) for entry in found)
