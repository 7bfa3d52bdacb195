"""``nfs bench``: output, options, and Ctrl-C."""

from __future__ import annotations

import json
import os
import signal

import pytest

from oncrpc import nfs
from oncrpc.cli.nfs.benchmark import Benchmark, BenchResult
from support.nfs_commands import run_nfs, served_tree

QUICK = "bench -s 64K -t 0.001"


def test_table_has_a_line_for_each_test() -> None:
    with served_tree(lambda fs: fs.mkdir("dir", 0o777)) as tree:
        ended = tree.run(QUICK, "/dir")
        left = tree.run("ls -a", "/dir").lines

    assert (ended.status, ended.err) == (0, "")
    assert "/dir?" in ended.lines[0]
    assert ended.lines[0].endswith(": NFS 3, reads up to 1 MiB, writes up to 1 MiB")
    assert len(ended.lines) == 2 + 7
    assert left == []


def test_json_has_all_results() -> None:
    with served_tree() as tree:
        ended = tree.run(f"{QUICK} --json", "/")

    found = json.loads(ended.out)
    assert (found["version"], len(found["results"])) == (3, 7)


def test_interrupt_removes_the_files(monkeypatch: pytest.MonkeyPatch) -> None:
    measure, before = Benchmark.get_attributes, signal.getsignal(signal.SIGINT)

    def interrupted(benchmark: Benchmark) -> BenchResult:
        os.kill(os.getpid(), signal.SIGINT)
        return measure(benchmark)

    monkeypatch.setattr(Benchmark, "get_attributes", interrupted)
    with served_tree() as tree:
        ended = tree.run(QUICK, "/")
        left = tree.run("ls -a", "/").lines

    assert (ended.status, left) == (130, [])
    assert len(ended.lines) == 2 + 5
    assert signal.getsignal(signal.SIGINT) is before


def test_refusal_is_one_line() -> None:
    def fill(fs: nfs.SyncRemoteFileSystem) -> None:
        fs.write_bytes("file", b"")

    with served_tree(fill) as tree:
        ended = tree.run(QUICK, "/file")

    assert ended.status == 1
    assert len(ended.err.splitlines()) == 1


@pytest.mark.parametrize(
    ("option", "message"),
    [
        ("-s 0", "invalid size 0: must be 1 to"),
        ("-s 2000G", "invalid size 2000G"),
        ("-s x", "invalid size x"),
        ("-t 0", "invalid seconds 0: must be above 0, at most 60"),
    ],
)
def test_wrong_options_are_usage_errors(option: str, message: str) -> None:
    ended = run_nfs("bench", *option.split(), "nfs://127.0.0.1/")

    assert ended.status == 2
    assert message in ended.err
