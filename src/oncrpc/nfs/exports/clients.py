"""Clients in exports(5): what a pattern means, and which addresses and names it matches."""

from __future__ import annotations

import re
from enum import IntEnum
from ipaddress import IPv6Address, ip_address
from typing import NamedTuple

from oncrpc.nfs.exports.places import BadExport, shown
from oncrpc.nfs.exports.wildcards import WildcardPattern

LONGEST_NAME = 253
HOST_NAME = re.compile(r"[A-Za-z0-9_]([A-Za-z0-9_-]*)(\.[A-Za-z0-9_-]+)*\.?")
NUMBERS = re.compile(r"(0[xX][0-9a-fA-F]+|[0-9]+)(\.(0[xX][0-9a-fA-F]+|[0-9]+))*\.?")
ADDRESS_WILDCARD = re.compile(r"[0-9.*?\[\]^-]+")
BITS = {4: 32, 6: 128}
GSS = ("gss/krb5", "gss/krb5i", "gss/krb5p")


class PatternClass(IntEnum):
    """The classes of clients, in the order in which they are searched."""

    HOST = 0
    NETWORK = 1
    WILDCARD = 2
    NETGROUP = 3
    ANONYMOUS = 4
    GSS = 5

    @property
    def words(self) -> str:
        """The class in words."""
        return "any host" if self is PatternClass.ANONYMOUS else self.name.lower()


class HostAddress(NamedTuple):
    """An address as a number; an IPv4-mapped IPv6 address is the IPv4 address."""

    version: int
    number: int

    def __str__(self) -> str:
        return str(ip_address(self.number.to_bytes(BITS[self.version] // 8, "big")))


def address_of(text: str) -> HostAddress | None:
    """The address in a text, without its scope; None if it is not an address."""
    try:
        found = ip_address(text.partition("%")[0])
    except ValueError:
        return None
    if isinstance(found, IPv6Address) and found.ipv4_mapped is not None:
        found = found.ipv4_mapped
    return HostAddress(found.version, int(found))


class ClientPattern:
    """A client of exports(5). ``text`` is the pattern as it was written, ``*`` for none.

    Two patterns with the same ``key`` are the same client. ``name`` is a name that has to be
    looked up, ``group`` the netgroup. A pattern that is not ``valid`` could be any client.
    """

    valid = True

    def __init__(
        self,
        text: str,
        kind: PatternClass,
        *,
        address: HostAddress | None = None,
        mask: int = 0,
        name: str = "",
        group: str = "",
        wildcard: WildcardPattern | None = None,
    ) -> None:
        self.text, self.kind, self.name, self.group = text, kind, name, group
        self.address, self._mask, self.wildcard = address, mask, wildcard

    @property
    def key(self) -> str:
        """The client in the form in which clients are compared."""
        return (
            str(self.address)
            if self.kind is PatternClass.HOST and self.address
            else self.text.lower()
        )

    @property
    def needs_names(self) -> bool:
        """Whether a name service has to be asked."""
        return bool(self.name or self.group or self.wildcard)

    def covers(self, address: HostAddress) -> bool:
        """Whether the address, or the network, has an address."""
        ours = self.address
        return (
            ours is not None
            and ours.version == address.version
            and not (ours.number ^ address.number) & self._mask
        )


def client_of(text: str) -> ClientPattern:
    """The client that a pattern stands for.

    Raises:
        BadExport: the pattern is not valid.
    """
    if not text.isascii() or not text.isprintable() or re.search(r"[ (),]", text):
        advice = "write CLIENT(OPTION,OPTION...), with names in ASCII"
        raise BadExport(f"{shown(text)} is not a client", advice)
    if text in ("", "*"):
        return ClientPattern("*", PatternClass.ANONYMOUS)
    if text.startswith("gss/"):
        return _gss(text)
    if text.startswith("@"):
        return _netgroup(text)
    special = re.search(r"[*?\[/]", re.sub(r"\\.", "xx", text))
    if special is None:
        return _host(text)
    return _network(text) if special[0] == "/" else _wildcard(text)


def unreadable_client(text: str) -> ClientPattern:
    """A pattern that is not valid, of the class that it seems to be of."""
    classes = {"/": PatternClass.NETWORK, "@": PatternClass.NETGROUP, "": PatternClass.HOST}
    form = "@" if text.startswith("@") else (re.findall(r"[*?\[/]", text) or [""])[0]
    found = ClientPattern(text, classes.get(form, PatternClass.WILDCARD))
    found.valid = False
    return found


def _gss(text: str) -> ClientPattern:
    if text not in GSS:
        raise BadExport(f"unknown client {shown(text)}", f"it may be {', '.join(GSS)}")
    return ClientPattern(text, PatternClass.GSS)


def _netgroup(text: str) -> ClientPattern:
    group = text[1:]
    if not group:
        raise BadExport(f"{shown(text)} is not a netgroup", "write @NAME")
    return ClientPattern(text, PatternClass.NETGROUP, group=group)


def _host(text: str) -> ClientPattern:
    address = address_of(text)
    if address is not None:
        mask = (1 << BITS[address.version]) - 1
        return ClientPattern(text, PatternClass.HOST, address=address, mask=mask)
    if NUMBERS.fullmatch(text) or ":" in text:
        raise BadExport(
            f"{shown(text)} is not an address", "write the whole address, or ADDRESS/LENGTH"
        )
    if len(text) > LONGEST_NAME or not HOST_NAME.fullmatch(text):
        raise BadExport(
            f"{shown(text)} is not the name of a host",
            "write a name, an address, a network, @NETGROUP or *",
        )
    return ClientPattern(text, PatternClass.HOST, name=text)


def _wildcard(text: str) -> ClientPattern:
    if ":" in text:
        raise BadExport(
            f"{shown(text)} is not an address",
            "write IPv6 addresses without brackets and wildcards",
        )
    return ClientPattern(text, PatternClass.WILDCARD, wildcard=WildcardPattern(text))


def _network(text: str) -> ClientPattern:
    before, _, after = text.partition("/")
    base = address_of(before) if "%" not in before else None
    if base is None:
        raise BadExport(
            f"{shown(before)} is not an address", "write ADDRESS/LENGTH or ADDRESS/MASK"
        )
    version = ip_address(before).version
    bits = BITS[version]
    if re.fullmatch(r"[0-9]{1,3}", after) and int(after) <= bits:
        mask = (1 << bits) - (1 << (bits - int(after)))
    else:
        found = address_of(after) if after.isascii() and after else None
        if found is None or ip_address(after).version != version:
            raise BadExport(
                f"{shown(after)} is not a length or a mask",
                f"a length is 0 to {bits}",
                at=len(before) + 1,
            )
        mask = int(ip_address(after))
    if base.version != version:  # a network of IPv4-mapped addresses
        if mask >> 32 != (1 << 96) - 1:
            raise BadExport(
                f"{shown(text)} has other addresses than those of IPv4",
                "a length of 96 to 128 is needed",
            )
        mask &= (1 << 32) - 1
    return ClientPattern(text, PatternClass.NETWORK, address=base, mask=mask)


def looks_like_addresses(pattern: ClientPattern) -> bool:
    """Whether a wildcard is meant for addresses, which wildcards are never compared with."""
    return pattern.kind is PatternClass.WILDCARD and bool(ADDRESS_WILDCARD.fullmatch(pattern.text))
