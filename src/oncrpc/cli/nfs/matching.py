"""The tests of ``nfs find``: by name, type, size and time, as those of find(1)."""

from __future__ import annotations

import math
import os
import re
import stat as modes
from collections.abc import Callable
from fnmatch import translate
from typing import NamedTuple

from oncrpc.cli.nfs.session import NfsSession
from oncrpc.nfs.client.results import SECOND, FileStat

DAY, MINUTE = 86400 * SECOND, 60 * SECOND
TYPES = {
    "f": modes.S_IFREG,
    "d": modes.S_IFDIR,
    "l": modes.S_IFLNK,
    "p": modes.S_IFIFO,
    "s": modes.S_IFSOCK,
    "b": modes.S_IFBLK,
    "c": modes.S_IFCHR,
}
UNITS = {"": 512, "b": 512, "c": 1, "w": 2, "k": 1 << 10, "M": 1 << 20, "G": 1 << 30}
"""Bytes of the units of ``-size``."""

NUMBER = re.compile(r"([+-]?)(\d{1,18})([a-zA-Z]?)")


class FoundName(NamedTuple):
    """A file to test: its last name, its path on the server, and its attributes."""

    name: str
    path: str
    stat: FileStat


Test = Callable[[FoundName], bool]
Make = Callable[[str, NfsSession, int], Test]
"""Makes a test from the argument of an option, and the time in nanoseconds.

Raises:
    ValueError: the argument is wrong; the text says how it must be.
"""


def tests_of(session: NfsSession, now: int) -> list[Test]:
    """The tests of the options that were given. A file is found if it passes all.

    Raises:
        UsageError: the argument of an option is wrong.
    """
    made = list[Test]()
    for name, argument in session.request.options.items():
        if name in MAKERS:
            try:
                made.append(MAKERS[name](argument, session, now))
            except ValueError as error:
                raise session.request.wrong(f"invalid -{name} {argument}: {error}") from None
    return made


def _pattern(of: Callable[[FoundName], str], *, ignore_case: bool = False) -> Make:
    def make(argument: str, _: NfsSession, __: int) -> Test:
        pattern = re.compile(translate(argument), re.IGNORECASE if ignore_case else 0)
        return lambda found: pattern.match(of(found)) is not None

    return make


def _type(argument: str, _: NfsSession, __: int) -> Test:
    letters = argument.split(",")
    if not {*letters} <= {*TYPES}:
        raise ValueError(f"must be of {', '.join(TYPES)}")
    kinds = {TYPES[letter] for letter in letters}
    return lambda found: modes.S_IFMT(found.stat.mode) in kinds


def _size(argument: str, _: NfsSession, __: int) -> Test:
    compare, count, unit = _comparison(argument)
    if unit not in UNITS:
        raise ValueError("must be a number with one of the units c, w, b, k, M, G")
    return lambda found: compare(-(-found.stat.size // UNITS[unit]), count)


def _age(unit: int) -> Make:
    def make(argument: str, _: NfsSession, now: int) -> Test:
        compare, count, letter = _comparison(argument)
        if letter:
            raise ValueError("must be a number")
        return lambda found: compare(math.floor((now - found.stat.mtime_ns) / unit), count)

    return make


def _comparison(argument: str) -> tuple[Callable[[int, int], bool], int, str]:
    """``+N`` for more than N, ``-N`` for less, ``N`` for exactly."""
    parts = NUMBER.fullmatch(argument)
    if parts is None:
        raise ValueError("must be a number, +NUMBER or -NUMBER")
    sign, digits, unit = parts.groups()
    compare: dict[str, Callable[[int, int], bool]] = {
        "+": int.__gt__, "-": int.__lt__, "": int.__eq__,
    }  # fmt: skip
    return compare[sign], int(digits), unit


def _newer(argument: str, session: NfsSession, _: int) -> Test:
    """Modified later than a file of this host, or of a server."""
    if argument.startswith("nfs:"):
        place = session.place(session.operand(argument))
        limit = place.fs.stat(place.path).mtime_ns
    else:
        try:
            limit = os.stat(argument).st_mtime_ns
        except OSError as error:
            raise ValueError(error.strerror or str(error)) from None
    return lambda found: found.stat.mtime_ns > limit


MAKERS: dict[str, Make] = {
    "name": _pattern(lambda found: found.name),
    "iname": _pattern(lambda found: found.name, ignore_case=True),
    "path": _pattern(lambda found: found.path),
    "type": _type,
    "size": _size,
    "mtime": _age(DAY),
    "mmin": _age(MINUTE),
    "newer": _newer,
}
"""The test of each option."""
