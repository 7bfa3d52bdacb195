"""Names of hosts in lines: from the hosts file, or by lookups in the background.

A line never waits for a lookup: it has the address until the lookup succeeds.
"""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from ipaddress import ip_address
from pathlib import Path
from queue import Empty, SimpleQueue
from threading import BoundedSemaphore, Thread

from oncrpc.snoop.words.text import clean

MAX_NAMES = 4096
"""Addresses whose names are remembered; further ones are not looked up."""

MAX_LOOKUPS = 4
"""Lookups at a time."""

MAX_HOSTS_FILE = 1 << 20
"""Bytes of the hosts file that are read."""

MAX_NAME = 64
"""Characters of a name that are shown."""

HOSTS = Path("/etc/hosts")
THREAD = "host names"
Resolve = Callable[[str], str | None]
"""Returns the name of an address, None if it has none."""


def resolved(address: str) -> str | None:
    """The name of an address from the name service of this host."""
    try:
        ip_address(address)  # getnameinfo would look up the address of any other text
        name, _ = socket.getnameinfo((address, 0), socket.NI_NAMEREQD)
    except (ValueError, OSError):
        return None
    return _shown(name.encode("utf-8", "surrogateescape"))


class HostNames:
    """Names by address. Cache: at most ``MAX_NAMES``, each looked up once, never dropped.

    Lookup threads add the names that they find to the cache.
    """

    def __init__(self, *, hosts: Path = HOSTS, resolve: Resolve = resolved) -> None:
        self._names = dict(_names_of(hosts))
        self._resolve = resolve
        self._asked: SimpleQueue[str] = SimpleQueue()
        self._room = BoundedSemaphore(MAX_LOOKUPS)

    def __call__(self, address: str) -> str:
        """The name of an address if it is known now, else the address."""
        name = self._names.get(address)
        if name is not None:
            return name
        if len(self._names) < MAX_NAMES:
            self._names[address] = address
            self._asked.put(address)
            if self._room.acquire(blocking=False):
                Thread(target=self._look_up, name=THREAD, daemon=True).start()
        return address

    def _look_up(self) -> None:
        """Look up waiting addresses; one that arrives too late waits for the next thread."""
        try:
            while True:
                address = self._asked.get_nowait()
                name = self._resolve(address)
                if name:
                    self._names[address] = name
        except Empty:
            pass
        finally:
            self._room.release()


def _names_of(hosts: Path) -> Iterator[tuple[str, str]]:
    """The first name of each address of a hosts file (hosts(5))."""
    try:
        with hosts.open("rb") as file:
            lines = file.read(MAX_HOSTS_FILE).splitlines()
    except OSError:
        return
    seen = set[str]()
    for line in lines:
        address, *names = line.partition(b"#")[0].split() or [b""]
        try:
            shown = str(ip_address(address.decode("ascii")))
        except ValueError:
            continue
        if names and shown not in seen and len(seen) < MAX_NAMES:
            seen.add(shown)
            yield shown, _shown(names[0])


def _shown(name: bytes) -> str:
    return clean(name[:MAX_NAME])
