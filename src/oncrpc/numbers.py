"""Program numbers: their names (rpc(5)), and the ranges of RFC 5531 §8.3 and §13.

Names come from ``/etc/rpc``; the names of programs that are not in it come from a table in this
package. The table has the programs that Unix systems list in that file: Sun's, with which IANA's
registry begins (port mapper, NFS and its companions, NIS and NIS+, SunNet Manager), pcnfsd, amd,
NetWorker, FAM, and the three channels of VXI-11. The rest of the registry is assigned to companies
in blocks and has no short names.
"""

from __future__ import annotations

import enum
import os
from functools import cache

ETC_RPC = "/etc/rpc"
BUNDLED = os.path.join(os.path.dirname(__file__), "programs.txt")
TRANSIENT = range(0x40000000, 0x60000000)
"""Numbers that a program chooses when it starts, as ``rpcbind.set_transient`` does."""


class Range(enum.Enum):
    """The authority that assigns the program numbers of a range (RFC 5531 §8.3)."""

    DEFINED = "to be assigned by IANA"
    USER = "defined by local administrator"
    TRANSIENT = "transient"
    OUTSTANDING = "assignment outstanding"
    RESERVED = "reserved"


_RANGES = (
    (range(0x00000001, 0x20000000), Range.DEFINED),
    (range(0x20000000, 0x40000000), Range.USER),
    (TRANSIENT, Range.TRANSIENT),
    (range(0x7F000000, 0x80000000), Range.OUTSTANDING),
)


def range_of(number: int) -> Range:
    """The range of a program number.

    Raises:
        ValueError: it does not fit in 32 bits.
    """
    if not 0 <= number <= 0xFFFFFFFF:
        raise ValueError(f"invalid program number {number}: must be 0 to 4294967295")
    return next((kind for numbers, kind in _RANGES if number in numbers), Range.RESERVED)


def program_name(number: int, *, path: str = ETC_RPC) -> str | None:
    """The name of a program, None if it has none."""
    return getrpcbynumber(number, path=path) or _table(BUNDLED)[0].get(number)


def program_number(name: str, *, path: str = ETC_RPC) -> int | None:
    """The number of a program by its name or an alias."""
    found = getrpcbyname(name, path=path)
    return _table(BUNDLED)[1].get(name) if found is None else found


def getrpcbynumber(number: int, *, path: str = ETC_RPC) -> str | None:
    """The name of a program as C programs see it: the bundled table is used only without a file."""
    return _host_table(path)[0].get(number)


def getrpcbyname(name: str, *, path: str = ETC_RPC) -> int | None:
    """The number of a program by its name or an alias, as C programs see it."""
    return _host_table(path)[1].get(name)


_Table = tuple[dict[int, str], dict[str, int]]


def _host_table(path: str) -> _Table:
    try:
        return _table(path)
    except OSError:
        return _table(BUNDLED)


@cache
def _table(path: str) -> _Table:
    """Names by number and numbers by name. Each line of the file is a name, a number, aliases.

    A file is read once: a change takes effect when the program starts again.
    """
    with open(path, encoding="utf-8", errors="replace") as file:
        lines = file.read().splitlines()
    names: dict[int, str] = {}
    numbers: dict[str, int] = {}
    for line in lines:
        words = line.partition("#")[0].split()
        if len(words) < 2 or not (words[1].isascii() and words[1].isdigit()):
            continue
        names.setdefault(int(words[1]), words[0])
        for name in (words[0], *words[2:]):
            numbers.setdefault(name, int(words[1]))
    return names, numbers


__all__ = [
    "Range", "TRANSIENT", "getrpcbyname", "getrpcbynumber", "program_name", "program_number",
    "range_of",
]  # fmt: skip
