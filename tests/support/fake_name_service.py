"""Name services that are dictionaries, and can be slow or out of order."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence

from oncrpc.nfs.background import NotNow
from oncrpc.nfs.exports.clients import HostAddress, address_of


def host(text: str) -> HostAddress:
    """The address in a text."""
    found = address_of(text)
    assert found is not None
    return found


class FakeNames:
    """Answers from dictionaries. Clear ``may`` to let callers wait, set ``fails`` to refuse."""

    def __init__(
        self,
        addresses: Mapping[str, Sequence[str]] | None = None,
        names: Mapping[str, Sequence[str]] | None = None,
        netgroups: Mapping[str, Sequence[str]] | None = None,
    ) -> None:
        self.addresses, self.names = dict(addresses or {}), dict(names or {})
        self.netgroups = dict(netgroups or {})
        self.fails = False
        self.asked = list[str]()
        self.may = threading.Event()
        self.may.set()

    def _ask(self, question: str) -> None:
        self.asked.append(question)
        self.may.wait()
        if self.fails:
            raise NotNow

    def forward(self, name: str) -> frozenset[HostAddress]:
        """The addresses of a name."""
        self._ask(name)
        return frozenset(map(host, self.addresses.get(name.lower(), ())))

    def reverse(self, address: HostAddress) -> tuple[str, ...]:
        """The names of an address."""
        self._ask(str(address))
        return tuple(self.names.get(str(address), ()))

    def in_netgroup(self, group: str, host: str) -> bool:
        """Whether a netgroup has a host."""
        self._ask(f"@{group} {host}")
        return host in self.netgroups.get(group, ())
