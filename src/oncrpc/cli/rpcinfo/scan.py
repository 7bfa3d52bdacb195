"""Asking very many hosts for their registrations (``rpcinfo scan``), so many a second.

Each host is asked by a task of its own. One loop starts them, so that however late a task is, no
two hosts are ever asked sooner after each other than the rate says.
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
    version_of,
)
from oncrpc.cli.command import scan as options_in
from oncrpc.cli.rpcinfo.options import PROGRAM, SCAN
from oncrpc.cli.rpcinfo.probe import Found, probe
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
Usage: {PROGRAM} {SCAN} [--jobs=N] [--rate=N] [--timeout=SECONDS] [--limit=N] [--rpcbind-port=PORT]
                    [--json] network..."""
OPTIONS = (
    Option("jobs", "", "N", f"ask so many hosts at a time; by default {JOBS}"),
    Option("rate", "", "N", f"start to ask at most so many a second; by default {RATE:g}"),
    Option("timeout", "", "SECONDS", f"wait so long for a host, by each transport; {TIMEOUT:g}"),
    Option("limit", "", "N", f"refuse to ask more hosts than that; by default {LIMIT}"),
    Option("rpcbind-port", "", "PORT", "the port of the port mappers, if it is not 111"),
    Option("json", "", "", "write a JSON object on a line for each host"),
    *COMMON,
)
HELP = f"""{USAGE}

Ask many hosts for the versions of their port mapper and for what is registered with it. A network
is such as 10.0.0.0/24, a range as 10.0.0.1-20, an address, a name, @FILE or - for standard input.

{described(OPTIONS)}"""


class Order:
    """What the command line asks for."""

    def __init__(self) -> None:
        self.operands: list[str] = []
        self.jobs, self.limit, self.port = JOBS, LIMIT, PMAP_PORT
        self.rate, self.timeout = RATE, TIMEOUT
        self.json = False


def scan(words: Sequence[str]) -> int:
    """``rpcinfo scan``: the status is 0 if any host answered."""
    order = parse(words)
    asked = hosts(order.operands, limit=order.limit)
    report = Report(asked)
    show = not (order.json and sys.stdout.isatty())  # there the lines show how far it has come
    try:
        with progress(len(asked), shown=show) as step:
            asyncio.run(ask_all(asked, order, _taking(report, order, step)))
    finally:
        if not order.json:
            sys.stdout.writelines(f"{line}\n" for line in report.lines())
    return 0 if report.answered else 1


def _taking(report: Report, order: Order, step: Step) -> Callable[[Found], None]:
    """What is done with each host, when it is known."""

    def take(found: Found) -> None:
        if order.json:
            sys.stdout.write(json_line(found) + "\n")
            sys.stdout.flush()
        report.take(Summary.of(found))
        step(report.done, report.answered)

    return take


async def ask_all(hosts: Iterable[str], order: Order, take: Callable[[Found], None]) -> None:
    """Ask the hosts, not more at a time nor in a second than the order says.

    Raises:
        Failure, OSError: what ``take`` raises, or a lack of sockets; the rest is not asked.
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
    """Keeps starts apart, so that there are never more than ``rate`` in a second."""

    def __init__(self, rate: float) -> None:
        self.apart = 1 / rate
        self._next = 0.0

    def wait(self, now: float) -> float:
        """Seconds until the next start may be."""
        return max(self._next - now, 0.0)

    def start(self, now: float) -> None:
        """There is a start now."""
        self._next = now + self.apart


def parse(words: Sequence[str]) -> Order:
    """The order that the command line is.

    Raises:
        Failure: it is none. Done: ``--help``.
    """
    order = Order()
    for name, value in options_in(PROGRAM, OPTIONS, words):
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
        raise Failure(f"{PROGRAM}: {value} is illegal {what}; 1 to {most} are legal")
    return number


def _number(value: str, what: str, most: float) -> float:
    number = 0.0
    with suppress(ValueError):
        number = float(value)
    if not 0.0 < number <= most:
        raise Failure(f"{PROGRAM}: {value} is illegal {what}; more than 0 to {most:g} are legal")
    return number


def _set_jobs(order: Order, value: str) -> None:
    order.jobs = _whole(value, "number of jobs", MAX_JOBS)


def _set_rate(order: Order, value: str) -> None:
    order.rate = _number(value, "rate", MAX_RATE)


def _set_timeout(order: Order, value: str) -> None:
    order.timeout = _number(value, "timeout", MAX_TIMEOUT)


def _set_limit(order: Order, value: str) -> None:
    order.limit = _whole(value, "limit", MAX_LIMIT)


def _set_port(order: Order, value: str) -> None:
    order.port = _whole(value, "port number", 0xFFFF)


def _set_json(order: Order, _: str) -> None:
    order.json = True


def _help(_: Order, __: str) -> None:
    raise Done(HELP)


def _version(_: Order, __: str) -> None:
    raise Done(version_of(PROGRAM))


_SET = {
    "jobs": _set_jobs,
    "rate": _set_rate,
    "timeout": _set_timeout,
    "limit": _set_limit,
    "rpcbind-port": _set_port,
    "json": _set_json,
    "help": _help,
    "version": _version,
}
