"""The measurements, with a clock that a test drives."""

from __future__ import annotations

from array import array
from collections.abc import Iterator
from itertools import count

import pytest

from oncrpc import nfs
from oncrpc.cli.nfs.benchmark import BLOCK, Benchmark, BenchResult, ScratchDirectory
from support.nfs_commands import served_tree

pytestmark = pytest.mark.slow  # the first calls compile codecs
SIZE = 2 * BLOCK + 5000
NAMES = [
    "write 1 MiB blocks",
    "read 1 MiB blocks",
    "read 4 KiB at random",
    "write 4 KiB at random",
    "GETATTR",
    "create and remove",
    "list a directory",
]


@pytest.fixture(scope="module")
def fs() -> Iterator[nfs.SyncRemoteFileSystem]:
    with served_tree() as tree, nfs.sync_connect(tree.url()) as connected:
        yield connected


def results_of(
    fs: nfs.SyncRemoteFileSystem, *, seconds: float = 4.0, stopped: bool = False
) -> dict[str, BenchResult]:
    """The results of all tests; the clock advances by a second with each look at it."""
    scratch, ticks = ScratchDirectory(fs, fs.root), count()
    try:
        benchmark = Benchmark(
            fs, scratch.open(), size=SIZE, seconds=seconds, stopped=lambda: stopped,
            clock=lambda: float(next(ticks)),
        )  # fmt: skip
        return {name: test() for name, test in benchmark.tests()}
    finally:
        scratch.remove()


def test_all_tests_have_results(fs: nfs.SyncRemoteFileSystem) -> None:
    results = results_of(fs)

    assert list(results) == NAMES
    assert [result.name for result in results.values()] == NAMES
    assert all(result.amount and result.seconds for result in results.values())


def test_sequential_tests_move_the_whole_file(fs: nfs.SyncRemoteFileSystem) -> None:
    results = results_of(fs, seconds=10.0)

    assert results["write 1 MiB blocks"].amount == SIZE
    assert results["read 1 MiB blocks"].amount == SIZE


def test_time_limit_ends_each_test(fs: nfs.SyncRemoteFileSystem) -> None:
    results = results_of(fs, seconds=1.0)

    assert results["write 1 MiB blocks"].amount == BLOCK
    assert results["GETATTR"].amount == 1


def test_stopped_tests_end_after_one_call(fs: nfs.SyncRemoteFileSystem) -> None:
    results = results_of(fs, seconds=100.0, stopped=True)

    assert results["write 1 MiB blocks"].amount == BLOCK
    assert [results[name].amount for name in NAMES[2:-1]] == [1, 1, 1, 1]


def test_scratch_directory_is_removed(fs: nfs.SyncRemoteFileSystem) -> None:
    results_of(fs)

    assert fs.listdir() == []


def test_quantiles_are_times_of_calls() -> None:
    result = BenchResult("x", "calls", 4, 2.0, array("d", [0.4, 0.1, 0.3, 0.2]), "")

    assert (result.quantile(0.5), result.quantile(0.99), result.rate) == (0.3, 0.4, 2.0)


def test_test_without_times_has_no_quantiles() -> None:
    result = BenchResult("x", "bytes", 4, 0.0, array("d"), "")

    assert (result.quantile(0.5), result.rate) == (None, 0.0)
