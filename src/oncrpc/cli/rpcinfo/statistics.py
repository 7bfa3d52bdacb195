"""The statistics of a port mapper (``-m``): GETSTAT's counters of versions 2, 3 and 4."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from oncrpc.cli.command import printable
from oncrpc.cli.rpcinfo.listing import NO_CONTACT, TIMEOUT, show, write_json
from oncrpc.cli.rpcinfo.options import RpcinfoRequest
from oncrpc.cli.rpcinfo.reach import Reach, ask
from oncrpc.cli.rpcinfo.trouble import after
from oncrpc.numbers import getrpcbynumber
from oncrpc.programs.rpcb import RPCBVERS4, rpcb_stat, rpcbs_addrlist, rpcbs_rmtcalllist

TABSTOP = 8
SET, UNSET, GETADDR, CALLIT, INDIRECT, GETADDRLIST = 1, 2, 3, 5, 10, 11
PMAP_NAMES = ("NULL", "SET", "UNSET", "GETPORT", "DUMP", "CALLIT")
RPCB_NAMES = ("NULL", "SET", "UNSET", "GETADDR", "DUMP", "CALLIT", "TIME", "U2T", "T2U")
RPCB_4_NAMES = (*RPCB_NAMES, "VERADDR", "INDRECT", "GETLIST", "GETSTAT")
RMTCALL_TITLE = "prog\t\tvers\tproc\tnetid\tsuccess\tfailure"
RMTCALL_4_TITLE = "prog\t\tvers\tproc\tnetid\tindirect success failure"
GETADDR_TITLE = "prog\t\tvers\tnetid\t  success\tfailure"


class CounterTable(NamedTuple):
    """The names of the counters of a version."""

    vers: int
    title: str
    names: tuple[str, ...]
    rmtcall: str
    getaddr: str


VERSIONS = (
    CounterTable(2, "PORTMAP (version 2)", PMAP_NAMES, "PMAP_RMTCALL", "PMAP_GETPORT"),
    CounterTable(3, "RPCBIND (version 3)", RPCB_NAMES, "RPCB_RMTCALL (version 3)",
            "RPCB_GETADDR (version 3)"),
    CounterTable(4, "RPCBIND (version 4)", RPCB_4_NAMES, "RPCB_RMTCALL (version 4)",
            "RPCB_GETADDR (version 4)"),
)  # fmt: skip

SUCCEEDED: dict[int, Callable[[rpcb_stat], int]] = {
    SET: lambda stat: stat.setinfo,
    UNSET: lambda stat: stat.unsetinfo,
    GETADDR: lambda stat: sum(entry.success for entry in stat.addrinfo),
    CALLIT: lambda stat: sum(entry.success for entry in stat.rmtinfo),
}
"""The procedures whose counters are successes/calls."""


async def statistics(request: RpcinfoRequest) -> int:
    """``-m``."""
    reach = Reach(request, timeout=TIMEOUT)
    with after(NO_CONTACT):
        host = request.host
        link = await (reach.local() if host is None else reach.port_mapper(host))
    with link, after(f"{NO_CONTACT}: "):
        found = await ask(link, RPCBVERS4.RPCBPROC_GETSTAT)
    if request.json:
        pairs = zip(VERSIONS, found, strict=True)
        write_json({str(each.vers): counters_item(each, stat) for each, stat in pairs})
    else:
        show(request, counters_text(found), ())
    return 0


def counters_text(found: list[rpcb_stat]) -> Iterator[str]:
    """The lines of ``-m``: a blank line follows a table of versions 2 and 3, precedes one of 4."""
    for each, stat in zip(VERSIONS, found, strict=True):
        yield f"{each.title} statistics"
        yield from _counters(each, stat)
        for title, rows in _tables(each, stat):
            if each.vers == 4:
                yield ""
            yield f"{title} call statistics"
            yield from rows
            if each.vers != 4:
                yield ""


def _counters(each: CounterTable, stat: rpcb_stat) -> Iterator[str]:
    """Names above counters, up to nine side by side."""
    for first in range(0, len(each.names), len(RPCB_NAMES)):
        numbers = range(first, min(first + len(RPCB_NAMES), len(each.names)))
        fields = [_field(each, stat, number) for number in numbers]
        widths = [TABSTOP * (1 + len(field) // TABSTOP) for field in fields]
        names = [each.names[number] for number in numbers]
        yield "".join(name.ljust(width) for name, width in zip(names, widths, strict=True))
        yield "".join(field.ljust(width) for field, width in zip(fields, widths, strict=True))
    if each.vers != 4:
        yield ""


def _field(each: CounterTable, stat: rpcb_stat, number: int) -> str:
    """One counter. GETADDR of version 4 includes GETADDRLIST."""
    calls = stat.info[number]
    if each.vers == 4 and number == GETADDR:
        calls += stat.info[GETADDRLIST]
    return f"{SUCCEEDED[number](stat)}/{calls}" if number in SUCCEEDED else str(calls)


def _tables(each: CounterTable, stat: rpcb_stat) -> Iterator[tuple[str, Iterator[str]]]:
    """The tables of forwarded calls and of lookups, if there were any."""
    remote = stat.info[CALLIT] or (each.vers == 4 and stat.info[INDIRECT])
    if remote:
        yield each.rmtcall, _rmtcalls(stat.rmtinfo, indirect=each.vers == 4)
    if stat.info[GETADDR]:
        yield each.getaddr, _lookups(stat.addrinfo)


def _rmtcalls(found: list[rpcbs_rmtcalllist], *, indirect: bool) -> Iterator[str]:
    yield RMTCALL_4_TITLE if indirect else RMTCALL_TITLE
    for entry in found:
        how = f"{entry.indirect}\t " if indirect else ""
        place = f"{entry.vers}\t{entry.proc}\t{printable(entry.netid)}\t{how}"
        yield f"{_name(entry.prog):<16}{place}{entry.success}\t{entry.failure}"


def _lookups(found: list[rpcbs_addrlist]) -> Iterator[str]:
    yield GETADDR_TITLE
    for entry in found:
        place = f"{entry.vers}\t{printable(entry.netid)}\t  "
        yield f"{_name(entry.prog):<16}{place}{entry.success:<12}\t{entry.failure}"


def _name(prog: int) -> str:
    return getrpcbynumber(prog) or str(prog)


def counters_item(each: CounterTable, stat: rpcb_stat) -> dict[str, Any]:
    """The counters of a version for JSON."""
    calls = {name: stat.info[number] for number, name in enumerate(each.names)}
    succeeded = {each.names[number]: count(stat) for number, count in SUCCEEDED.items()}
    return {
        "calls": calls,
        "succeeded": succeeded,
        "lookups": [_lookup_item(entry) for entry in stat.addrinfo],
        "remote_calls": [
            {**_lookup_item(entry), "procedure": entry.proc, "indirect": bool(entry.indirect)}
            for entry in stat.rmtinfo
        ],
    }


def _lookup_item(entry: rpcbs_addrlist | rpcbs_rmtcalllist) -> dict[str, Any]:
    return {
        "program": entry.prog,
        "service": getrpcbynumber(entry.prog),
        "version": entry.vers,
        "netid": printable(entry.netid),
        "success": entry.success,
        "failure": entry.failure,
    }
