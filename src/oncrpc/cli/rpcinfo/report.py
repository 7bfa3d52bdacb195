"""The result of a scan: a table at the end, or a line of JSON for each host."""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from oncrpc.cli.command import printable
from oncrpc.cli.rpcinfo.listing import registration_item
from oncrpc.cli.rpcinfo.probe import HostResult
from oncrpc.errors import HostUnknown, ProtocolError
from oncrpc.numbers import getrpcbynumber
from oncrpc.programs.rpcb import rpcb

MAX_PROGRAMS = 32
"""Programs of a host in the table, and ranges of versions of a program."""

MAX_REASONS = 3
"""Reasons in the last line for which hosts did not answer."""

TOLD = (HostUnknown, ProtocolError)
"""Errors that the table shows even without a reply: an unknown name, a port without RPC."""


class Summary(NamedTuple):
    """A host's line of the table. Very many are kept, so the registrations themselves are not."""

    host: str
    versions: str
    milliseconds: float | None
    text: str
    error: str
    told: bool

    @classmethod
    def of(cls, found: HostResult) -> Summary:
        """Summarize the result of a host."""
        listed = found.registrations
        return cls(
            found.host,
            runs(found.versions) or "-",
            found.milliseconds,
            found.error if listed is None else programs(listed),
            found.error,
            found.answered or isinstance(found.trouble, TOLD),
        )


class Report:
    """The summaries of all hosts, in the order of the command line."""

    def __init__(self, hosts: Sequence[str]) -> None:
        self.hosts = hosts
        self.done = self.answered = 0
        self._kept: dict[str, Summary] = {}
        self._silent: Counter[str] = Counter()

    def take(self, summary: Summary) -> None:
        """Take the summary of a host."""
        self.done += 1
        if summary.milliseconds is not None:
            self.answered += 1
        else:
            self._silent[summary.error] += 1
        if summary.told:
            self._kept[summary.host] = summary

    def lines(self) -> Iterator[str]:
        """The table, and a last line with the totals."""
        rows = [self._kept[host] for host in self.hosts if host in self._kept]
        if rows:
            names = [printable(os.fsencode(row.host)) for row in rows]
            width = max(map(len, (*names, "host")))
            yield f"{'host':<{width}}  {'versions':<8}  {'ms':>8}  programs"
            for name, row in zip(names, rows, strict=True):
                took = "-" if row.milliseconds is None else f"{row.milliseconds:.1f}"
                yield f"{name:<{width}}  {row.versions:<8}  {took:>8}  {row.text}"
        yield self._last_line()

    def _last_line(self) -> str:
        reasons = "".join(
            f"; {reason} ({count})" for reason, count in self._silent.most_common(MAX_REASONS)
        )
        left = len(self.hosts) - self.done
        unknown = f"; {left} left" if left else ""
        return f"{self.answered} of {len(self.hosts)} hosts answered{reasons}{unknown}"


def programs(found: Iterable[rpcb]) -> str:
    """The registered programs, each with its versions."""
    versions: dict[int, set[int]] = {}
    for entry in found:
        versions.setdefault(entry.r_prog, set()).add(entry.r_vers)
    names = [f"{getrpcbynumber(prog) or prog} {runs(some)}" for prog, some in versions.items()]
    if len(names) > MAX_PROGRAMS:
        names[MAX_PROGRAMS:] = [f"and {len(names) - MAX_PROGRAMS} more"]
    return ", ".join(names) or "nothing is registered"


def runs(versions: Iterable[int]) -> str:
    """Ranges of version numbers, such as ``1,3-4``."""
    found: list[list[int]] = []
    for number in sorted(set(versions)):
        if found and number == found[-1][1] + 1:
            found[-1][1] = number
        else:
            found.append([number, number])
    texts = [f"{first}" if first == last else f"{first}-{last}" for first, last in found]
    return ",".join(texts[:MAX_PROGRAMS] + ["..."] * (len(texts) > MAX_PROGRAMS))


def json_line(found: HostResult) -> str:
    """A host as one line of JSON."""
    listed = found.registrations
    took = found.milliseconds
    item = {
        "host": found.host,
        "versions": found.versions,
        "registrations": None if listed is None else [registration_item(each) for each in listed],
        "milliseconds": None if took is None else round(took, 3),
        "error": found.error or None,
    }
    return json.dumps(item)
