"""Reading the values of rules: networks, transports, procedures and programs.

Each function raises a ``ValueError`` that says what to write instead.
"""

from __future__ import annotations

from ipaddress import ip_interface, ip_network

from oncrpc.access.rules import (
    LOCAL,
    LOOPBACK,
    IPNetwork,
    Netid,
    Network,
    ProgramNumber,
    RuleOrigin,
)
from oncrpc.addr import transports
from oncrpc.numbers import program_number


def network_of(value: object) -> Network:
    """A network: an address, or ``ADDRESS/BITS``."""
    return Network(_ip_network(value, "write ADDRESS/BITS"))


def origin_of(value: object) -> RuleOrigin:
    """Where calls come from: a network, ``local`` or ``loopback``."""
    if value in (LOCAL, LOOPBACK):
        return RuleOrigin(str(value))
    network = _ip_network(value, "write ADDRESS/BITS, local or loopback")
    return RuleOrigin(str(network), network)


def _ip_network(value: object, remedy: str) -> IPNetwork:
    """A network with a number of bits: neither a netmask with dots nor a zone is accepted."""
    text = value if isinstance(value, str) else ""
    _, slash, bits = text.partition("/")
    try:
        if "%" in text or (slash and not (bits.isascii() and bits.isdigit())):
            raise ValueError
        within = ip_interface(text).network
    except ValueError:
        raise ValueError(f"{value!r} is not a network; {remedy}") from None
    try:
        return ip_network(text)
    except ValueError:
        raise ValueError(f"{value!r} has bits beyond its length; write {within}") from None


def netid_of(value: object) -> Netid:
    """The name of a transport of this host.

    Raises:
        ValueError: this host has no transport of that name.
    """
    served = [netid for netid, entry in transports().items() if entry.has_port]
    known = [*served, LOCAL]
    if value not in known:
        raise ValueError(
            f"{value!r} is not a transport of this host; write one of {', '.join(known)}"
        )
    return Netid(str(value))


def program_of(value: object) -> ProgramNumber:
    """A program by number or name.

    Raises:
        ValueError: the value is not one.
    """
    number = program_number(value) if isinstance(value, str) else value
    if not isinstance(number, int) or isinstance(number, bool) or not 0 <= number <= 0xFFFFFFFF:
        raise ValueError(f"{value!r} is not a program; write its number, or its name in /etc/rpc")
    return ProgramNumber(number)


HOOKS = {
    Network: network_of,
    RuleOrigin: origin_of,
    Netid: netid_of,
    ProgramNumber: program_of,
}
"""How each kind is made from a value of the file; ``Vocabulary`` has it for procedures."""
