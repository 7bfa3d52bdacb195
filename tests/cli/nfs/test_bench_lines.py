"""The table and the JSON of ``nfs bench``."""

from __future__ import annotations

from array import array

from oncrpc.cli.nfs.bench_lines import rate_text, result_item, table, time_text
from oncrpc.cli.nfs.benchmark import BenchResult

WRITES = BenchResult("write", "bytes", 3_000_000, 2.0, array("d"), "stored")
CALLS = BenchResult("GETATTR", "calls", 3, 2.0, array("d", [0.001, 0.002, 0.003]), "")


def test_table_has_rates_and_quantiles() -> None:
    heading, writes, calls = table([WRITES, CALLS])

    assert heading.split() == ["test", "rate", "p50", "p99", "note"]
    assert writes.split() == ["write", "1.5", "MB/s", "-", "-", "stored"]
    assert calls.split() == ["GETATTR", "2", "calls/s", "2.000", "ms", "3.000", "ms"]


def test_rates_have_the_unit_of_the_test() -> None:
    assert (rate_text(WRITES), rate_text(CALLS)) == ("1.5 MB/s", "2 calls/s")


def test_missing_time_is_a_dash() -> None:
    assert (time_text(None), time_text(0.0015)) == ("-", "1.500 ms")


def test_json_has_seconds() -> None:
    item = result_item(CALLS)

    assert (item["p50"], item["p99"], item["rate"]) == (0.002, 0.003, 1.5)
    assert result_item(WRITES)["p50"] is None
