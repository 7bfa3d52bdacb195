"""Patterns of hosts_access(5), read once: which hosts and which words they match.

Patterns have the same meaning as in libwrap, odd corners included, so that a rule decides the same
for every daemon of the host. Probable mistakes are passed to ``warn``.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import partial
from ipaddress import IPv6Address

from msgspec import Struct

UNKNOWN = "unknown"
"""A missing address; the name of a host that has no name, or whose name came too late."""

PARANOID = "paranoid"
"""The name of a host if its name resolves to other addresses only."""

MAPPED = "::ffff:"
OCTET = r"0[xX][0-9a-fA-F]+|0[0-7]*|[1-9][0-9]*"
NUMBER = r"[ \t\n\v\f\r]*([+-]?)0*([0-9]{1,9})"
NUMERIC = frozenset("0123456789./")
EVERY_BIT, EVERY_BIT6 = 2**32 - 1, 2**128 - 1


class NameNeeded(Exception):
    """The rules cannot be judged without the host's name."""


class NamedHost(Struct, frozen=True):
    """An address and its name as patterns compare them; ``name`` is None if not looked up yet."""

    address: str = UNKNOWN
    name: str | None = None
    number: int | None = None
    number6: int | None = None
    scope: str = ""

    def asked_name(self) -> str:
        """The name.

        Raises:
            NameNeeded: it has not been looked up yet.
        """
        if self.name is None:
            raise NameNeeded
        return self.name


Matcher = Callable[[NamedHost], bool]
Warn = Callable[[str], None]
FileList = Callable[[str], Matcher]
"""The patterns of a file, by the path of the file."""


def host_at(address: str, name: str | None = None) -> NamedHost:
    """The host with this address; an IPv4-mapped IPv6 address is the IPv4 address."""
    address = address.lower() or UNKNOWN
    found, scope = ipv6_of(address)
    if found is not None and found >> 32 == 0xFFFF:
        address, found = ".".join(str(octet) for octet in (found & EVERY_BIT).to_bytes(4)), None
    name = None if name is None else name.lower()
    return NamedHost(address, name, ipv4_of(address), found, scope)


def ipv4_of(text: str) -> int | None:
    """The number of four octets, each decimal, octal (0) or hexadecimal (0x), as inet_addr(3)."""
    octets = text.split(".")
    if len(octets) != 4 or not all(map(re.compile(OCTET).fullmatch, octets)):
        return None
    numbers = [int(octet, _base(octet)) for octet in octets if len(octet) <= 32]
    if len(numbers) != 4 or max(numbers) > 255 or min(numbers) == 255:
        return None  # inet_addr(3) returns all ones for an invalid address
    return int.from_bytes(bytes(numbers))


def _base(octet: str) -> int:
    if octet[:2] in ("0x", "0X"):
        return 16
    return 8 if octet[0] == "0" else 10


def ipv6_of(text: str) -> tuple[int | None, str]:
    """The number of an IPv6 address, and the scope that may follow it."""
    if ":" not in text:
        return None, ""
    address, _, scope = text.partition("%")
    try:
        return int(IPv6Address(address)), scope
    except ValueError:
        return None, ""


def split_at(text: str, delimiter: str) -> tuple[str, str | None]:
    """Split at the first delimiter outside of brackets."""
    if "[" not in text and "]" not in text:
        before, found, after = text.partition(delimiter)
        return before, after if found else None
    depth = 0
    for place, letter in enumerate(text):
        if letter == "[":
            depth += 1
        elif letter == "]":
            depth -= 1
        elif depth == 0 and letter == delimiter:
            return text[:place], text[place + 1 :]
    return text, None


def split_behind(text: str, delimiter: str) -> tuple[str, str | None]:
    """Like ``split_at``, but the first character is never the delimiter."""
    before, after = split_at(text[1:], delimiter)
    return text[:1] + before, after


def word_matches(pattern: str, word: str) -> bool:
    """Whether a pattern for the name of a daemon or of a user matches."""
    lower = pattern.lower()
    return word != UNKNOWN if lower == "known" else _text_test(lower)(word.lower())


def host_pattern(token: str, *, warn: Warn, file_list: FileList) -> Matcher:
    """The matcher of a pattern for hosts. A netgroup matches no host here."""
    lower = token.lower()
    if token.startswith("@"):
        return never
    if token.startswith("/"):
        return file_list(token)
    if lower in ("known", "local"):
        return is_known if lower == "known" else is_local
    net, mask = split_at(token, "/")
    if mask is not None:
        masked = _masked6 if _bracketed(net) else _masked
        return masked(net, mask, warn=partial(_warn_of, warn, token))
    if _bracketed(token):
        return _masked6(token, "128", warn=partial(_warn_of, warn, token))
    return _either(_text_test(lower), numeric=NUMERIC.issuperset(token))


def _warn_of(warn: Warn, token: str, text: str) -> None:
    warn(f"{token} {text}")


def always(host: NamedHost) -> bool:  # noqa: ARG001
    """ALL."""
    return True


def never(host: NamedHost) -> bool:  # noqa: ARG001
    """A pattern that cannot match."""
    return False


def is_known(host: NamedHost) -> bool:
    """KNOWN: the host has an address and a name."""
    return host.asked_name() not in (UNKNOWN, PARANOID) and host.address != UNKNOWN


def is_local(host: NamedHost) -> bool:
    """LOCAL: the name has no dot."""
    return "." not in host.asked_name() and host.asked_name() not in (UNKNOWN, PARANOID)


def _either(test: Callable[[str], bool], *, numeric: bool) -> Matcher:
    """Compare with address or name; a pattern that looks like an address with addresses only."""
    if numeric:
        return lambda host: test(host.address)
    return lambda host: test(host.address) or test(host.asked_name())


def _text_test(pattern: str) -> Callable[[str], bool]:
    """How a lower-case pattern is compared with lower-case text."""
    if "*" in pattern or "?" in pattern:
        return lambda text: glob_matches(pattern, text)
    if pattern.startswith("."):
        return lambda text: len(text) > len(pattern) and text.endswith(pattern)
    if pattern == "all":
        return lambda _: True
    if pattern.endswith("."):
        return lambda text: text.startswith(pattern)
    return lambda text: text == pattern


def glob_matches(pattern: str, text: str) -> bool:
    """Whether the whole text matches, ``*`` any run and ``?`` any character, in linear memory.

    The time grows with the product of the lengths and not faster, since callers choose their names.
    """
    if pattern.endswith("**"):
        pattern = pattern.rstrip("*") + "?*"  # as in libwrap: two at the end need a character
    at = place = 0
    star = resume = -1
    while place < len(text):
        if at < len(pattern) and pattern[at] == "*":
            star, resume = at, place
            at += 1
        elif at < len(pattern) and pattern[at] in ("?", text[place]):
            at, place = at + 1, place + 1
        elif star >= 0:
            resume += 1
            at, place = star + 1, resume
        else:
            return False
    return not pattern[at:].strip("*")


def _bracketed(token: str) -> bool:
    return token.startswith("[") and token.endswith("]")


def _number(text: str) -> int:
    """Read a number as atoi(3) does: 0 if the text does not begin with one."""
    found = re.match(NUMBER, text)
    return int(found[1] + found[2]) if found else 0


def _masked(net: str, mask: str, *, warn: Warn) -> Matcher:
    """``net/mask`` and ``net/length`` of IPv4."""
    number, bits = ipv4_of(net), ipv4_of(mask)
    if bits is None:
        length = _number(mask)
        bits = EVERY_BIT ^ (EVERY_BIT >> length) if 1 <= length <= 32 else None
    if number is None or bits is None:
        warn("matches nobody: a length is 1 to 32; every address is ALL")
        return never
    if number & ~bits:
        warn("matches nobody: the address has bits that the mask has not")
        return never
    return lambda host: host.number is not None and host.number & bits == number


def _masked6(net: str, mask: str, *, warn: Warn) -> Matcher:
    """``[net]/length`` and ``[address]`` of IPv6."""
    number, scope = ipv6_of(net[1:-1])
    length = _number(mask)
    if number is None or not 0 <= length <= 128:
        warn(
            f"{net}/{mask} matches nobody: no [address] of IPv6 with a length of 0 to 128 after it"
        )
        return never
    if number >> 32 == 0xFFFF and length >= 96:
        warn("matches nobody: IPv4 addresses are matched as such")
        return never
    if not mask.isdecimal():
        warn(f"is taken for {net}/{length}")
    bits = EVERY_BIT6 ^ (EVERY_BIT6 >> length)
    scope, wanted = scope.lower(), number & bits

    def matches(host: NamedHost) -> bool:
        same = host.number6 is not None and host.number6 & bits == wanted
        return same and (not scope or scope == host.scope)

    return matches
