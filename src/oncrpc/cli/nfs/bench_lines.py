"""The table and the JSON of ``nfs bench``."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from oncrpc.cli.nfs.benchmark import BenchResult

MILLISECONDS = 1000.0
MEDIAN, SLOW = 0.5, 0.99
HEADING = f"{'test':<22} {'rate':>17} {'p50':>10} {'p99':>10}  note"


def table(results: Iterable[BenchResult]) -> Iterator[str]:
    """A line for each test, below a heading."""
    yield HEADING
    for result in results:
        times = (time_text(result.quantile(share)) for share in (MEDIAN, SLOW))
        columns = " ".join(f"{text:>10}" for text in times)
        yield f"{result.name:<22} {rate_text(result):>17} {columns}  {result.note}".rstrip()


def time_text(seconds: float | None) -> str:
    """A time in milliseconds; a dash for a test without single times."""
    return "-" if seconds is None else f"{seconds * MILLISECONDS:.3f} ms"


def rate_text(result: BenchResult) -> str:
    """The rate of a test; that of bytes in millions."""
    if result.unit == "bytes":
        return f"{result.rate / 1e6:.1f} MB/s"
    return f"{result.rate:.0f} {result.unit}/s"


def result_item(result: BenchResult) -> dict[str, Any]:
    """A test for JSON; times are in seconds."""
    return {
        "test": result.name,
        "unit": result.unit,
        "amount": result.amount,
        "seconds": result.seconds,
        "rate": result.rate,
        "p50": result.quantile(MEDIAN),
        "p99": result.quantile(SLOW),
        "note": result.note,
    }
