"""Looking up the addresses of hosts, with an error text that says what to try instead."""

from __future__ import annotations

import errno
import socket
from collections.abc import Callable
from typing import Any

from oncrpc.addr import Transport, family_of, is_numeric, local_address
from oncrpc.errors import HostUnknown, TransportError
from oncrpc.net.targets import FAMILIES, SIBLINGS, check_port, place_text, type_of

IP_VERSIONS = {"inet": "IPv4", "inet6": "IPv6"}
LONGEST_WAIT = 1e6
"""Seconds: sockets and threads do not accept an infinite timeout, so waits are cut to this."""

_NO_SUCH_ADDRESS = (socket.EAI_ADDRFAMILY, getattr(socket, "EAI_NODATA", -5))
"""The name exists, but has addresses of other families only."""


def look_up(entry: Transport, host: str, port: int) -> Any:
    """The socket address of a host's port on the transport; blocks while a name is resolved.

    Raises:
        HostUnknown: the name has no address of the transport's family. AddressError: invalid port.
    """
    if entry.family == "loopback":
        return local_address(host)
    check_port(port)
    try:
        found = socket.getaddrinfo(host, port, FAMILIES.get(entry.family, 0), type_of(entry))
    except (socket.gaierror, ValueError) as error:  # ValueError: too long, or contains a NUL
        number = error.errno if isinstance(error, OSError) else None
        reason = _why_unknown(entry, host, number)
        unknown = HostUnknown(number or socket.EAI_NONAME, reason)
        unknown.place = f"port {port} over {entry.netid}"
        raise unknown from None
    return found[0][4]


def is_name(entry: Transport, host: str) -> bool:
    """Whether the host has to be resolved, which may take long."""
    return entry.family != "loopback" and not is_numeric(host)


class LookUp:
    """A look-up that runs in its own thread, because getaddrinfo(3) cannot be cancelled.

    The thread is a daemon thread: the interpreter does not wait for it when it exits. ``tell`` is
    called in that thread when the look-up has ended.
    """

    def __init__(
        self, entry: Transport, host: str, port: int, *, tell: Callable[[], object] | None = None
    ) -> None:
        from threading import Thread

        self.entry, self.host, self.port, self.tell = entry, host, port, tell
        self._address: Any = None
        self._error: Exception | None = None
        self._thread = Thread(target=self._run, name=f"look up {host}", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        try:
            self._address = look_up(self.entry, self.host, self.port)
        except (OSError, ValueError) as error:
            self._error = error
        if self.tell is not None:
            self.tell()

    def wait(self, timeout: float) -> Any:
        """The socket address; blocks for at most ``timeout`` seconds. Raises as ``result``."""
        self._thread.join(min(max(timeout, 0.0), LONGEST_WAIT))
        return self.result()

    def result(self) -> Any:
        """The socket address.

        Raises:
            HostUnknown: the name has none. AddressError: invalid port.
            OSError: the resolver failed.
            TransportError: the look-up has not ended yet (ETIMEDOUT).
        """
        if self._error is not None:
            raise self._error
        if self._address is None:
            late = TransportError(errno.ETIMEDOUT, "no name server answered in time")
            late.place = f"looking up {place_text(self.entry, self.host, self.port)}"
            raise late
        return self._address


def _why_unknown(entry: Transport, host: str, number: int | None) -> str:
    address, _, scope = host.partition("%")
    sibling, version = SIBLINGS.get(entry.netid), IP_VERSIONS.get(entry.family)
    if is_numeric(host) and family_of(address) == entry.family:
        return f"{address}: this host has no interface {scope!r}"
    if sibling and is_numeric(host):
        return f"{host!r} is not an {version} address; try {sibling}"
    if sibling and number in _NO_SUCH_ADDRESS:
        return f"{host!r} has no {version} address; try {sibling}"
    if number == socket.EAI_AGAIN:
        return f"{host!r} cannot be looked up now: no name server answers"
    return f"unknown host {host!r}"
