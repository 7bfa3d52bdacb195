"""What the monitor accepts: names and addresses of hosts, and procedures to call back."""

from __future__ import annotations

import re
from collections.abc import Sequence
from ipaddress import ip_address

from oncrpc.programs.nlm import NLM_PROG

CALLBACKS = frozenset({16, 24})
"""The procedures of lock managers that take a ``status``: that of Linux, and its former one."""

_HOST = re.compile(rb"[0-9A-Za-z:_-][0-9A-Za-z.:%_-]{0,254}")


def is_host(name: bytes) -> bool:
    """Whether a host can have this name or address. No ``/``: other monitors use it as a path."""
    return _HOST.fullmatch(name) is not None


def can_be_called(prog: int, proc: int) -> bool:
    """Whether a program of this host can be told by this procedure that a host has restarted."""
    return prog == NLM_PROG and proc in CALLBACKS


def address_in(name: bytes) -> str:
    """The address that a name is, IPv4 without the form of IPv6; empty if it is a name."""
    try:
        found = ip_address(name.decode("ascii"))
    except ValueError:
        return ""
    return str(getattr(found, "ipv4_mapped", None) or found)


def is_same_name(name: bytes, other: bytes) -> bool:
    """Whether two names may be those of one host: upper or lower case, with or without a domain."""
    first, second = name.lower(), other.lower()
    short, _, domain = first.partition(b".")
    other_short, _, other_domain = second.partition(b".")
    return first == second or (short == other_short and not (domain and other_domain))


def position_of(name: bytes, names: Sequence[bytes]) -> int | None:
    """Which of the hosts at one address a notice is about, by the name in it.

    A name that is the same goes before one that differs in its domain. None if the notice could be
    about several, or is about none. If there is only one, it is that one.
    """
    if len(names) == 1:
        return 0
    lower = name.lower()
    exact = [n for n, each in enumerate(names) if each.lower() == lower]
    alike = exact or [n for n, each in enumerate(names) if is_same_name(each, name)]
    return alike[0] if len(alike) == 1 else None


def printable(name: bytes) -> str:
    """A name for the log: one line, at most 255 characters of it."""
    return ascii(name[:255].decode("latin-1"))[1:-1]
