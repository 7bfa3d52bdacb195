"""``nfs bench``: measures a server by reading, writing and listing files of its own."""

from __future__ import annotations

import signal
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from types import FrameType

from oncrpc.cli.command import INTERRUPTED, Option, complain, run
from oncrpc.cli.nfs.bench_lines import result_item, table
from oncrpc.cli.nfs.benchmark import Benchmark, BenchResult, ScratchDirectory
from oncrpc.cli.nfs.command_line import NfsCommand, NfsRequest, parse_command
from oncrpc.cli.nfs.names import plain
from oncrpc.cli.nfs.output import SERVER_ERRORS, OutputError
from oncrpc.cli.nfs.ping_layers import size_text
from oncrpc.cli.nfs.session import NfsSession, RemotePlace

SIZE, SECONDS = 256 << 20, 3.0
"""The bytes of the file, and the seconds of a test, by default."""

LARGEST_SIZE, LONGEST = 1 << 40, 60.0
"""The largest ``--size``, and the longest ``--seconds``: the time of each call is kept."""

UNITS = {"": 0, "K": 10, "M": 20, "G": 30}
COMMAND = NfsCommand(
    "bench",
    "URL",
    "measure how fast a directory of a server is read, written and listed",
    (
        Option("size", "s", "BYTES", "the size of the file, such as 512M; 256M by default"),
        Option("seconds", "t", "SECONDS", f"the limit of each test; {SECONDS:g} by default"),
        Option("json", "", "", "print a JSON object"),
    ),
    most=1,
)


def main(arguments: Sequence[str]) -> int:
    """Run it; returns the exit status."""

    def body() -> int:
        request = parse_command(COMMAND, arguments)
        size, seconds = _size(request), _seconds(request)
        try:
            with NfsSession(request) as session, _stopping() as stops:
                (operand,) = session.operands(request.operands)
                with session.reporting(operand):
                    _bench(session, session.place(operand), size, seconds, stops)
                return session.errors.finish() or INTERRUPTED * bool(stops)
        except OutputError as failed:
            raise failed.error from None

    return run(COMMAND.program, body)


@contextmanager
def _stopping() -> Iterator[list[int]]:
    """A list that gets an item at the first Ctrl-C or SIGTERM; a second Ctrl-C ends at once.

    A call in progress is finished, so that the connection can be used to remove the files.
    """
    stops = list[int]()

    def stop(number: int, _: FrameType | None) -> None:
        stops.append(number)
        signal.signal(signal.SIGINT, signal.default_int_handler)

    before = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stops
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _bench(
    session: NfsSession, place: RemotePlace, size: int, seconds: float, stops: list[int]
) -> None:
    scratch = ScratchDirectory(place.fs, place.fs.handle(place.path))
    results = list[BenchResult]()
    try:
        benchmark = Benchmark(
            place.fs, scratch.open(), size=size, seconds=seconds, stopped=lambda: bool(stops)
        )
        for name, test in benchmark.tests():
            if stops:
                break
            with _progress(name):
                results.append(test())
    finally:
        _remove(session, place, scratch)
    _print(session, place, results)


def _remove(session: NfsSession, place: RemotePlace, scratch: ScratchDirectory) -> None:
    try:
        with _progress("removing the files"):
            scratch.remove()
    except SERVER_ERRORS as error:
        session.errors.add(place.below(scratch.name).shown, error)
    except KeyboardInterrupt:
        left = plain(place.below(scratch.name).shown)
        complain(f"{COMMAND.program}: {left} is left; remove it with 'nfs rm -r'")
        raise


@contextmanager
def _progress(name: str) -> Iterator[None]:
    """Show what is done on a terminal, on standard error."""
    if not sys.stderr.isatty():
        yield
        return
    sys.stderr.write(f"\r\x1b[K{name} ...")
    sys.stderr.flush()
    try:
        yield
    finally:
        sys.stderr.write("\r\x1b[K")
        sys.stderr.flush()


def _print(session: NfsSession, place: RemotePlace, results: list[BenchResult]) -> None:
    limits = place.fs.fsinfo()
    if session.request.has("json"):
        session.output.json(
            {
                "url": place.url,
                "version": place.fs.version,
                "read_max": limits.read_max,
                "write_max": limits.write_max,
                "results": [result_item(result) for result in results],
            }
        )
        return
    sizes = f"reads up to {size_text(limits.read_max)}, writes up to {size_text(limits.write_max)}"
    session.output.line(f"{plain(place.url)}: NFS {place.fs.version}, {sizes}")
    for line in table(results):
        session.output.line(line)


def _size(request: NfsRequest) -> int:
    text = request.options.get("size", "256M")
    unit = UNITS.get(text[-1:].upper(), 0)
    digits = text[:-1] if unit else text
    if digits.isascii() and digits.isdigit() and len(digits) <= 13:
        size = int(digits) << unit
        if 0 < size <= LARGEST_SIZE:
            return size
    raise request.wrong(f"invalid size {text}: must be 1 to {size_text(LARGEST_SIZE)}")


def _seconds(request: NfsRequest) -> float:
    text = request.options.get("seconds", f"{SECONDS:g}")
    with suppress(ValueError):
        seconds = float(text)
        if 0.0 < seconds <= LONGEST:
            return seconds
    raise request.wrong(f"invalid seconds {text}: must be above 0, at most {LONGEST:g}")
