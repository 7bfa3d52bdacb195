"""The text of a status: tables, times, numbers, and the parts that every daemon has."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence

from msgspec.structs import asdict

from oncrpc.addr import split_uaddr
from oncrpc.cli.command import safe_text
from oncrpc.daemon.control.status import CallsReport, CommonStatus, ProcedureCalls, ServedSocket
from oncrpc.errors import AddressError

LABEL = 14
SHORTEST = 1.0
"""Seconds from the start on after which calls per second mean something."""

UNITS = ((86400, "d"), (3600, "h"), (60, "min"), (1, "s"))
SIZES = ("bytes", "KiB", "MiB", "GiB")
DROPS = {
    "rate": "over their rate",
    "busy": "while too busy",
    "malformed": "that were no call",
    "overlong": "replies too long",
    "kernel": "by the kernel",
}
"""The text for each count of datagrams."""

RIGHT = frozenset({"version", "age", "calls", "a second"})
"""Columns of numbers."""

CALLS = ("procedure", "calls", "a second")
Lines = Iterator[tuple[str, str]]
"""Lines of a summary: a label, and its text."""


def labelled(lines: Iterable[tuple[str, str]]) -> Iterator[str]:
    """The lines of a summary, escaped."""
    for label, said in lines:
        yield f"{safe_text(label):<{LABEL}}{safe_text(said)}"


def universal_address(served: ServedSocket) -> str:
    """The address of a socket as port mappers write it, or its path."""
    return served.address


def host_and_port(served: ServedSocket) -> str:
    """The address of a socket as people write it, or its path."""
    try:
        host, port = split_uaddr(served.address)
    except AddressError:
        return served.address
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def common_lines(
    status: CommonStatus, shown: Callable[[ServedSocket], str] = universal_address
) -> Lines:
    """Sockets, connections, and calls."""
    by_netid: dict[str, list[str]] = {}
    for each in status.sockets:
        by_netid.setdefault(each.netid, []).append(shown(each))
    for netid, addresses in by_netid.items():
        yield netid, "  ".join(addresses)
    yield "connections", listed(f"{netid} {n}" for netid, n in status.connections.items())
    calls = status.calls
    lately = "" if calls.since < SHORTEST else f", {rate(calls.rate)} a second lately"
    yield "calls", f"{calls.total} in {duration(calls.since)}{lately}"
    yield "refused", listed(f"{n} {kind}" for kind, n in status.refusals.items() if n)
    counts = asdict(status.drops)
    yield (
        "dropped",
        listed(f"{counts[name]} {said}" for name, said in DROPS.items() if counts[name]),
    )


def policy(status: CommonStatus) -> str:
    """The file of rules, and their number."""
    rules = counted(status.policy.rules, "rule")
    return f"{status.policy.file}, {'missing' if status.policy.missing else rules}"


def called(status: CommonStatus) -> list[ProcedureCalls]:
    """The procedures that were called, the most frequent first."""
    found = [each for each in status.calls.procedures if each.calls]
    return sorted(found, key=lambda each: (-each.rate, -each.calls))


def call_row(each: ProcedureCalls, calls: CallsReport) -> tuple[str, ...]:
    """The row of a procedure, without a rate right after the start."""
    lately = "-" if calls.since < SHORTEST else rate(each.rate)
    return f"{safe_text(each.procedure)} v{each.version}", str(each.calls), lately


def table(
    heads: Sequence[str], rows: Iterable[Sequence[str]], *, right: frozenset[str] = RIGHT
) -> Iterator[str]:
    """Aligned columns under their heads; those of ``right`` are numbers."""
    lines = [tuple(heads), *rows]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    for line in lines:
        cells = zip(heads, line, widths, strict=True)
        aligned = (f"{cell:>{w}}" if head in right else f"{cell:<{w}}" for head, cell, w in cells)
        yield "  ".join(aligned).rstrip()


def duration(seconds: float, *, units: int = 2) -> str:
    """A time in its largest units: ``3 d 4 h``."""
    left, parts = max(int(seconds), 0), list[str]()
    for unit, name in UNITS:
        count, left = divmod(left, unit)
        if count:
            parts.append(f"{count} {name}")
        elif parts:
            break
    return " ".join(parts[:units]) or "0 s"


def rate(per_second: float) -> str:
    """A rate with its significant digits."""
    return f"{per_second:.0f}" if per_second >= 100 else f"{per_second:.1f}"


def size(count: float) -> str:
    """A number of bytes."""
    unit = 0
    while count >= 1024 and unit < len(SIZES) - 1:
        count, unit = count / 1024, unit + 1
    return f"{count:.{min(unit, 1)}f} {SIZES[unit]}"


def counted(count: int, one: str, many: str = "") -> str:
    """A number with its noun."""
    return f"{count} {one if count == 1 else many or one + 's'}"


def listed(parts: Iterable[str]) -> str:
    """Parts with commas, or ``none``."""
    return ", ".join(parts) or "none"
