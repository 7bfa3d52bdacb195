"""The hosts of a scan, as named on the command line and in files.

A word is a network (``10.0.0.0/24``), a range (``10.0.0.1-20``, ``10.0.0.1-10.0.1.9``), an address
or a name. Names are not looked up, and addresses are counted before they are listed.
"""

from __future__ import annotations

import ipaddress
import os
import re
import sys
from collections.abc import Iterable, Iterator
from ipaddress import IPv4Address, IPv6Address
from typing import NamedTuple

from oncrpc.addr import is_numeric
from oncrpc.cli.command import Failure, printable
from oncrpc.cli.rpcinfo.options import PROGRAM

NAME = re.compile(r"(?!-)[\w.-]+")
NUMERIC = re.compile(r"[\d.]+")
MAX_WORD = 255
"""Characters of the name of a host."""


class Addresses(NamedTuple):
    """Consecutive addresses."""

    first: IPv4Address | IPv6Address
    size: int


Target = Addresses | str


class TargetError(ValueError):
    """A word that does not name a host; the text says why."""


def hosts(operands: Iterable[str], *, limit: int) -> list[str]:
    """Every host that the operands name, once, in their order.

    ``@FILE`` is a file with words, ``-`` the standard input; there ``#`` begins a comment.

    Raises:
        Failure: a word is invalid, a file cannot be read, or there are more than ``limit`` hosts.
    """
    found: list[Target] = []
    total = 0
    for word, place in _words(operands):
        try:
            target = target_of(word)
        except TargetError as error:
            raise Failure(f"{PROGRAM}: {place}{error}") from None
        found.append(target)
        total += _size(target)
        if total > limit:
            shown = printable(os.fsencode(word))
            size = f"{_size(target)} addresses" if isinstance(target, Addresses) else "one host"
            more = f"{shown} ({size}) makes more than {limit} hosts; see --limit"
            raise Failure(f"{PROGRAM}: {place}{more}")
    return list(dict.fromkeys(host for target in found for host in _listed(target)))


def _words(operands: Iterable[str]) -> Iterator[tuple[str, str]]:
    """Each word, and its file and line for error messages."""
    for operand in operands:
        if operand == "-":
            yield from _in_file(sys.stdin, "standard input")
        elif operand.startswith("@"):
            name = operand[1:]
            try:
                with open(name, encoding="utf-8", errors="surrogateescape") as file:
                    yield from _in_file(file, name)
            except OSError as error:
                raise Failure(f"{PROGRAM}: cannot read {name}: {error.strerror}") from None
        else:
            yield operand, ""


def _in_file(lines: Iterable[str], name: str) -> Iterator[tuple[str, str]]:
    for number, line in enumerate(lines, 1):
        for word in line.partition("#")[0].split():
            yield word, f"{name}, line {number}: "


def target_of(word: str) -> Target:
    """The addresses or the name that a word stands for.

    Raises:
        TargetError: the word is invalid.
    """
    shown = printable(os.fsencode(word))
    if "/" in word:
        try:
            return _network(word)
        except ValueError:
            raise TargetError(f"invalid network {shown}") from None
    first, hyphen, last = word.partition("-")
    if hyphen and is_numeric(first):
        return _range(first, last, shown)
    if is_numeric(word):
        return word if "%" in word else Addresses(ipaddress.ip_address(word), 1)
    if NUMERIC.fullmatch(word) or len(word) > MAX_WORD or not NAME.fullmatch(word):
        raise TargetError(f"invalid host {shown}: must be an address, network, range or name")
    return word


def _network(word: str) -> Addresses:
    """The hosts of a network, without its own address and, for IPv4, the broadcast address."""
    network = ipaddress.ip_network(word, strict=False)
    size = network.num_addresses
    if size <= 2:
        return Addresses(network.network_address, size)
    reserved = 2 if network.version == 4 else 1
    return Addresses(network.network_address + 1, size - reserved)


def _range(first: str, last: str, shown: str) -> Addresses:
    """A range of addresses; for IPv4 the last octet is enough as the end."""
    if first.count(".") == 3 and last.isascii() and last.isdigit():
        last = first.rpartition(".")[0] + "." + last
    try:
        begin, end = ipaddress.ip_address(first), ipaddress.ip_address(last)
    except ValueError:
        raise TargetError(f"invalid range {shown}") from None
    if begin.version != end.version or int(end) < int(begin):
        raise TargetError(f"invalid range {shown}: the end is before the start")
    return Addresses(begin, int(end) - int(begin) + 1)


def _size(target: Target) -> int:
    return target.size if isinstance(target, Addresses) else 1


def _listed(target: Target) -> Iterator[str]:
    if isinstance(target, str):
        yield target
    else:
        yield from (str(target.first + offset) for offset in range(target.size))
