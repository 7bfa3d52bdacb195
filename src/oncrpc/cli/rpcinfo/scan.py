"""Asks many hosts for their registrations (``rpcinfo scan``), at a limited rate.

Each host is asked by its own task. One loop starts the tasks, so that the rate holds even if tasks
are late.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress

from oncrpc.cli.command import (
    COMMON,
    OPERAND,
    WRONG,
    Done,
    Failure,
    Option,
    described,
    integer,
    read_options,
    version_of,
)
from oncrpc.cli.rpcinfo.options import PROGRAM, SCAN
from oncrpc.cli.rpcinfo.probe import HostResult, probe
from oncrpc.cli.rpcinfo.progress import Step, progress
from oncrpc.cli.rpcinfo.report import Report, Summary, json_line
from oncrpc.cli.rpcinfo.targets import hosts
from oncrpc.programs.portmap import PMAP_PORT

JOBS = 64
MAX_JOBS = 1024
"""Hosts that a scan asks at a time (``--jobs``, 64 by default)."""

RATE = 200.0
MAX_RATE = 10000.0
"""Hosts that a scan begins to ask in a second (``--rate``, 200 by default)."""

TIMEOUT = 2.0
MAX_TIMEOUT = 3600.0
"""Seconds for a host over each transport (``--timeout``, 2 by default)."""

LIMIT = 4096
MAX_LIMIT = 1 << 20
"""Hosts of a scan (``--limit``, 4096 by default)."""


USAGE = f"""\
Usage: {PROGRAM} {SCAN} [--jobs=N] [--rate=N] [--timeout=SECONDS] [--limit=N] [--port=PORT]
                    [--json] network..."""
OPTIONS = (
    Option("jobs", "", "N", f"hosts asked at the same time; by default {JOBS}"),
    Option("rate", "", "N", f"hosts asked per second at most; by default {RATE:g}"),
    Option("timeout", "", "SECONDS", f"time per host and transport; by default {TIMEOUT:g}"),
    Option("limit", "", "N", f"refuse to ask more hosts than this; by default {LIMIT}"),
    Option("port", "", "PORT", "the port of the port mappers; 111 by default"),
    Option("rpcbind-port", "", "PORT", "the same as --port"),
    Option("json", "", "", "write a JSON object on a line for each host"),
    *COMMON,
)
HELP = f"""{USAGE}

Ask many hosts for the versions of their port mapper and for their registrations. A network is
10.0.0.0/24 for example, a range such as 10.0.0.1-20, an address, a name, @FILE, or - for standard
input.

{described(OPTIONS)}"""


class ScanOptions:
    """The options and operands of a scan."""

    def __init__(self) -> None:
        self.operands: list[str] = []
        self.jobs, self.limit, self.port = JOBS, LIMIT, PMAP_PORT
        self.rate, self.timeout = RATE, TIMEOUT
        self.json = False


def scan(words: Sequence[str]) -> int:
    """Run ``rpcinfo scan``; returns 0 if any host answered."""
    order = parse_scan(words)
    asked = hosts(order.operands, limit=order.limit)
    report = Report(asked)
    show = not (order.json and sys.stdout.isatty())  # the lines themselves show progress there
    try:
        with progress(len(asked), shown=show) as step:
            asyncio.run(ask_all(asked, order, _taking(report, order, step)))
    finally:
        if not order.json:
            sys.stdout.writelines(f"{line}\n" for line in report.lines())
    return 0 if report.answered else 1


def _taking(report: Report, order: ScanOptions, step: Step) -> Callable[[HostResult], None]:
    """A function that reports each host once it is known."""

    def take(found: HostResult) -> None:
        if order.json:
            sys.stdout.write(json_line(found) + "\n")
            sys.stdout.flush()
        report.take(Summary.of(found))
        step(report.done, report.answered)

    return take


async def ask_all(
    hosts: Iterable[str], order: ScanOptions, take: Callable[[HostResult], None]
) -> None:
    """Ask the hosts, within the limits of the options.

    Raises:
        Failure, OSError: ``take`` raised it, or no socket was left; other hosts are not asked.
    """
    loop = asyncio.get_running_loop()
    free, pace = asyncio.Semaphore(order.jobs), Pace(order.rate)

    async def ask(host: str) -> None:
        try:
            take(await probe(host, port=order.port, timeout=order.timeout))
        finally:
            free.release()

    try:
        async with asyncio.TaskGroup() as tasks:
            for host in hosts:
                await free.acquire()
                await asyncio.sleep(pace.wait(loop.time()))
                pace.start(loop.time())
                tasks.create_task(ask(host))
    except BaseExceptionGroup as errors:
        raise errors.exceptions[0] from None


class Pace:
    """Spaces starts, so that there are at most ``rate`` per second."""

    def __init__(self, rate: float) -> None:
        self.apart = 1 / rate
        self._next = 0.0

    def wait(self, now: float) -> float:
        """Seconds until the next start is allowed."""
        return max(self._next - now, 0.0)

    def start(self, now: float) -> None:
        """Note a start."""
        self._next = now + self.apart


def parse_scan(words: Sequence[str]) -> ScanOptions:
    """Parse the command line.

    Raises:
        Failure: it is wrong. Done: ``--help``.
    """
    order = ScanOptions()
    for name, value in read_options(PROGRAM, OPTIONS, words):
        if name == OPERAND:
            order.operands.append(value)
        elif name == WRONG:
            raise Failure(USAGE)
        else:
            _SET[name](order, value)
    if not order.operands:
        raise Failure(USAGE)
    return order


def _whole(value: str, what: str, most: int) -> int:
    number = integer(value)
    if number is None or not 1 <= number <= most:
        raise Failure(f"{PROGRAM}: invalid {what} {value}: must be 1 to {most}")
    return number


def _number(value: str, what: str, most: float) -> float:
    number = 0.0
    with suppress(ValueError):
        number = float(value)
    if not 0.0 < number <= most:
        raise Failure(f"{PROGRAM}: invalid {what} {value}: must be above 0, at most {most:g}")
    return number


def _set_jobs(order: ScanOptions, value: str) -> None:
    order.jobs = _whole(value, "number of jobs", MAX_JOBS)


def _set_rate(order: ScanOptions, value: str) -> None:
    order.rate = _number(value, "rate", MAX_RATE)


def _set_timeout(order: ScanOptions, value: str) -> None:
    order.timeout = _number(value, "timeout", MAX_TIMEOUT)


def _set_limit(order: ScanOptions, value: str) -> None:
    order.limit = _whole(value, "limit", MAX_LIMIT)


def _set_port(order: ScanOptions, value: str) -> None:
    order.port = _whole(value, "port", 0xFFFF)


def _set_json(order: ScanOptions, _: str) -> None:
    order.json = True


def _help(_: ScanOptions, __: str) -> None:
    raise Done(HELP)


def _version(_: ScanOptions, __: str) -> None:
    raise Done(version_of(PROGRAM))


_SET = {
    "jobs": _set_jobs,
    "rate": _set_rate,
    "timeout": _set_timeout,
    "limit": _set_limit,
    "port": _set_port,
    "rpcbind-port": _set_port,
    "json": _set_json,
    "help": _help,
    "version": _version,
}
