"""The rules of one export: which entry decides about a host (exports(5), "Machine Name Formats").

A host gets the options of the first entry that matches, in the order of the classes: host, network,
wildcard, netgroup, any host; within a class in the order of the files. An entry with an error
refuses the hosts that it matches, so that a mistake never gives them the options of a later one.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from math import inf
from typing import NamedTuple

from oncrpc.caching import Bounded
from oncrpc.nfs.exports.clients import HostAddress, PatternClass, address_of
from oncrpc.nfs.exports.lookup import HostLookups
from oncrpc.nfs.exports.mount_groups import mount_groups
from oncrpc.nfs.exports.parse import ClientEntry
from oncrpc.nfs.options import ExportOptions
from oncrpc.nfs.status import NfsError
from oncrpc.programs.nfs3 import nfsstat3

MAX_HOSTS = 4096
"""Hosts of an export whose ruling is cached; the oldest is removed."""

NAMED_LIFETIME = 5.0
"""Seconds that a ruling by a name is cached; the names have a cache of their own."""


DEADLINE = 5.0
"""Seconds that a caller such as MNT waits for the name services."""


class HostRuling(NamedTuple):
    """The entry that decides about a host, None if no entry matches; valid before ``until``."""

    entry: ClientEntry | None
    until: float = inf


class ExportRules:
    """The rules of one export. They stay the same object when files are read again.

    ``_ruled`` is a cache. Its key is the address as text, its bound ``MAX_HOSTS``. ``replace``
    empties it, and a ruling that a name was needed for is valid for ``NAMED_LIFETIME`` seconds.
    """

    def __init__(self, lookups: HostLookups, entries: Sequence[ClientEntry] = ()) -> None:
        self._lookups = lookups
        self._ruled = Bounded[str, HostRuling](MAX_HOSTS)
        self.replace(entries)

    def replace(self, entries: Sequence[ClientEntry]) -> None:
        """Use other entries from now on. Without entries every host is refused."""
        self.entries = tuple(sorted(entries, key=_order))
        self._ruled.clear()

    def options_for(self, host: str) -> ExportOptions | None:
        """The options for a client's address; None if it may not use the export.

        Raises:
            NfsError: NFS3ERR_JUKEBOX: a name in the rules is being looked up.
        """
        entry = self.ruling(host).entry
        return None if entry is None else entry.options

    def groups(self) -> list[str] | None:
        """The hosts, networks and netgroups that EXPORT lists; None if nobody may mount it."""
        return mount_groups(self.entries)

    def ruling(self, host: str) -> HostRuling:
        """The entry that decides about a client's address.

        Raises:
            NfsError: NFS3ERR_JUKEBOX: a name in the rules is being looked up.
        """
        found = self._ruled.get(host)
        if found is None or (found.until < inf and found.until <= self._lookups.clock()):
            found = self._rule(host)
            self._ruled.keep(host, found)
        return found

    async def ready(self, host: str, *, deadline: float = DEADLINE) -> None:
        """Wait until ``ruling`` knows the names that it needs, or for ``deadline`` seconds."""
        with suppress(TimeoutError):
            async with asyncio.timeout(deadline):
                while True:
                    try:
                        self.ruling(host)
                    except NfsError:
                        await self._lookups.wait()
                    else:
                        return

    def prepare(self) -> None:
        """Start to look up the names of hosts in the rules."""
        nowhere = HostAddress(4, 0)
        for entry in self.entries:
            if entry.client.name:
                self._lookups.has_address(entry.client.name, nowhere)

    def _rule(self, host: str) -> HostRuling:
        address, until, pending = address_of(host), inf, None
        for entry in self.entries:
            kind = entry.client.kind
            if pending is not None and kind > pending:
                break
            matches = self.matches(entry, address)
            if entry.client.needs_names:
                until = self._lookups.clock() + NAMED_LIFETIME
            if matches is None:
                pending = kind  # go on with the class, to start its other look-ups
            elif matches and pending is None:
                return HostRuling(entry, until)
        if pending is not None:
            raise NfsError(nfsstat3.NFS3ERR_JUKEBOX, f"the names of {host} are being looked up")
        return HostRuling(None, until)

    def has_no_address(self, entry: ClientEntry) -> bool:
        """Whether an entry is for the name of a host, and the name was found to have no address."""
        name = entry.client.name
        return bool(name) and self._lookups.has_any_address(name) is False

    def matches(self, entry: ClientEntry, address: HostAddress | None) -> bool | None:
        """Whether an entry matches an address; None if a name is being looked up.

        A caller without an address, such as one in the same process, is any host.
        """
        client = entry.client
        if client.kind is PatternClass.GSS:
            return False
        if client.kind is PatternClass.ANONYMOUS or not client.valid:
            return True
        if address is None:
            return False
        if client.name:
            return self._lookups.has_address(client.name, address)
        if client.group:
            return self._lookups.in_netgroup(client.group, address)
        if client.wildcard is not None:
            names = self._lookups.names_of(address)
            return None if names is None else any(map(client.wildcard.matches, names))
        return client.covers(address)


def _order(entry: ClientEntry) -> tuple[PatternClass, bool]:
    """The order of classes; a pattern that could be any client is behind those of its class."""
    return entry.client.kind, not entry.client.valid
