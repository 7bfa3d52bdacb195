"""Names of hosts and netgroups, looked up in threads while clients try again."""

from __future__ import annotations

import ctypes
import socket
import threading
import time
from collections.abc import Callable
from typing import Protocol

from oncrpc.nfs.background import BackgroundAnswers, NotNow, next_answer
from oncrpc.nfs.exports.clients import HostAddress, address_of

MAX_NAMES = 16
"""Names of one host that are compared with wildcards and netgroups."""


class NameService(Protocol):
    """The questions to name services. All methods may block."""

    def forward(self, name: str) -> frozenset[HostAddress]:
        """The addresses of a name.

        Raises:
            NotNow: it cannot be asked.
        """

    def reverse(self, address: HostAddress) -> tuple[str, ...]:
        """The names of an address, the canonical one first. They are not checked.

        Raises:
            NotNow: it cannot be asked.
        """

    def in_netgroup(self, group: str, host: str) -> bool:
        """Whether a netgroup has a host, given by a name or by its address as text."""


class HostLookups:
    """Names and addresses for patterns. None means that a look-up is running; ask again later.

    Names of the configuration and addresses of callers have threads and caches of their own, so
    that a flood of callers does not hinder the names.
    """

    def __init__(
        self,
        service: NameService | None = None,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.clock = clock
        self._service = service or SystemNames()
        self._forward = BackgroundAnswers[str, frozenset[HostAddress]](
            self._service.forward, without=frozenset(), clock=clock
        )
        self._reverse = BackgroundAnswers[HostAddress, tuple[str, ...]](
            self._names, without=(), clock=clock
        )
        self._groups = BackgroundAnswers[tuple[str, HostAddress], bool](
            self._member, without=False, clock=clock, running=1
        )

    def has_address(self, name: str, address: HostAddress) -> bool | None:
        """Whether a name of the configuration has an address."""
        found = self._forward.get(name.lower())
        return None if found is None else address in found

    def has_any_address(self, name: str) -> bool | None:
        """Whether a name of the configuration has an address at all."""
        found = self._forward.get(name.lower())
        return None if found is None else bool(found)

    def names_of(self, address: HostAddress) -> tuple[str, ...] | None:
        """The names of an address that resolve to it, without those that read as an address."""
        return self._reverse.get(address)

    def in_netgroup(self, group: str, address: HostAddress) -> bool | None:
        """Whether a netgroup has a host, by one of its names or by its address."""
        return self._groups.get((group, address))

    async def wait(self) -> None:
        """Wait until a thread has an answer."""
        await next_answer(self._forward, self._reverse, self._groups)

    def _names(self, address: HostAddress) -> tuple[str, ...]:
        """In a thread: the names that resolve back."""
        names = dict.fromkeys(name.rstrip(".") for name in self._service.reverse(address))
        return tuple(name for name in [*names][:MAX_NAMES] if self._resolves(name, address))

    def _resolves(self, name: str, address: HostAddress) -> bool:
        # A name that reads as an address could imitate another host.
        return address_of(name) is None and address in self._service.forward(name)

    def _member(self, question: tuple[str, HostAddress]) -> bool:
        """In a thread: whether a netgroup has a host.

        A netgroup may have the name without its domain. The short name counts if it resolves to
        the address as well: else the owner of any domain could take the name of any host.
        """
        group, address = question
        names = self._names(address)
        short = dict.fromkeys(name.partition(".")[0] for name in names if "." in name)
        if any(self._service.in_netgroup(group, each) for each in (*names, str(address))):
            return True
        return any(
            self._service.in_netgroup(group, each) and self._resolves(each, address)
            for each in short
        )


class SystemNames:
    """The name services of this host (nsswitch.conf).

    ``library`` is the C library; without innetgr(3) in it, netgroups have nobody.
    """

    def __init__(self, library: object | None = None) -> None:
        found = getattr(library or ctypes.CDLL(None), "innetgr", None)
        self._innetgr: Callable[..., int] | None = found
        if found is not None:
            found.argtypes = [ctypes.c_char_p] * 4

    def forward(self, name: str) -> frozenset[HostAddress]:
        """The addresses of a name, by getaddrinfo."""
        try:
            found = socket.getaddrinfo(name.encode(), 0, type=socket.SOCK_STREAM)
        except socket.gaierror as error:
            if error.errno in (socket.EAI_AGAIN, socket.EAI_SYSTEM, socket.EAI_MEMORY):
                raise NotNow from None
            return frozenset()
        except (OSError, UnicodeError):
            return frozenset()
        addresses = (address_of(str(entry[4][0])) for entry in found)
        return frozenset(address for address in addresses if address is not None)

    def reverse(self, address: HostAddress) -> tuple[str, ...]:
        """The names of an address, with those that /etc/hosts has as aliases."""
        try:
            name, aliases, _ = socket.gethostbyaddr(str(address))
        except socket.herror as error:
            if error.errno == TRY_AGAIN:
                raise NotNow from None
            return ()
        except (OSError, UnicodeError):
            return ()
        return (name, *aliases)

    def in_netgroup(self, group: str, host: str) -> bool:
        """Whether a netgroup has a host."""
        if self._innetgr is None:
            return False
        with _ONE_NETGROUP:
            return bool(self._innetgr(group.encode(), host.encode(), None, None))


TRY_AGAIN = 2
"""Of <netdb.h>."""

_ONE_NETGROUP = threading.Lock()
"""innetgr(3) is not safe in two threads at once."""
