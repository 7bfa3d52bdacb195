"""``oncrpc.cli.rpcsnoop.figures``: the tables of ``--stats``."""

from __future__ import annotations

from oncrpc.cli.rpcsnoop.figures import figure_lines, remarks, tables
from oncrpc.snoop.capture.frames import CapturedFrame
from oncrpc.snoop.streams.statistics import OTHER_PROCEDURES, CallStatistics, ProcedureFigures
from oncrpc.snoop.streams.tracer import Tracer
from oncrpc.snoop.words.programs import KnownPrograms
from support.conversations import Connection, call, datagram, framed, record, reply


def counted(frames: list[CapturedFrame]) -> tuple[Tracer, CallStatistics]:
    tracer, statistics = Tracer(), CallStatistics()
    for message in tracer.messages(iter(frames)):
        statistics.add(message)
    return tracer, statistics


def test_tables_have_counts_and_both_times() -> None:
    connection = Connection()
    connection.exchange(1, bytes(5000), bytes(100))
    connection.send(record(call(2)))
    connection.send(record(reply(2, stat=4)), up=False)
    connection.send(record(call(3, prog=0x2000_0001, vers=1, proc=9)))
    _, statistics = counted(connection.captured())

    lines = list(figure_lines(statistics, KnownPrograms()))

    assert [line.split() for line in lines if line] == [
        ["program", "vers", "procedure", "calls", "replies", "errors", "unanswered", "retrans",
         "duplicates", "call", "bytes", "reply", "bytes"],
        ["NFS", "3", "GETATTR", "2", "2", "1", "0", "0", "0", "5080", "148"],
        ["536870913", "1", "9", "1", "0", "0", "1", "0", "0", "40", "0"],
        ["errors", "by", "status"],
        ["program", "vers", "procedure", "status", "count"],
        ["NFS", "3", "GETATTR", "GARBAGE_ARGS", "1"],
        ["service", "time", "in", "milliseconds"],
        ["program", "vers", "procedure", "count", "min", "mean", "p50", "p90", "p99", "max"],
        ["NFS", "3", "GETATTR", "2"] + ["1.000"] * 6,
        ["transfer", "time", "in", "milliseconds"],
        ["program", "vers", "procedure", "count", "min", "mean", "p50", "p90", "p99", "max"],
        ["NFS", "3", "GETATTR", "2", "0.000", "1.500", "0.000", "3.000", "3.000", "3.000"],
    ]  # fmt: skip


def test_columns_are_aligned() -> None:
    _, statistics = counted(framed([(0, datagram(call(1))), (0, datagram(call(2, proc=6)))]))

    heading, *rows = list(figure_lines(statistics, KnownPrograms()))[:3]

    ends = {row.index("  1 ") for row in rows}
    assert len(ends) == 1
    assert all(row.startswith("NFS      ") for row in rows)
    assert heading.startswith("program  vers  procedure  calls")


def test_capture_without_calls_has_no_table() -> None:
    _, statistics = counted([])

    assert list(figure_lines(statistics, KnownPrograms())) == ["no calls"]


def test_remarks_tell_what_is_missing() -> None:
    connection = Connection()
    connection.send(record(reply(7)), up=False)
    connection.lose(500)
    connection.exchange(1)

    tracer, statistics = counted(connection.captured())

    assert list(remarks(tracer, statistics)) == [
        "1 replies to calls that were not seen",
        "500 bytes of connections that were not captured",
    ]


def test_whole_capture_has_no_remarks() -> None:
    connection = Connection()
    connection.exchange(1)

    assert list(remarks(*counted(connection.captured()))) == []


def test_procedures_beyond_the_limit_share_a_line() -> None:
    class Many(CallStatistics):
        def figures(self) -> list[tuple[tuple[int, int, int], ProcedureFigures]]:
            return [(OTHER_PROCEDURES, ProcedureFigures())]

    assert list(figure_lines(Many(), KnownPrograms()))[1].startswith("other ")


def test_frequent_errors_come_first() -> None:
    figures = ProcedureFigures()
    figures.outcomes = {"SUCCESS": 9, "NFS3ERR_IO": 1, "NFS3ERR_NOENT": 3, "NFS3ERR_ACCES": 1}

    lines = list(tables(("client",), [(("192.0.2.1",), figures)]))

    assert [line.split()[1:] for line in lines[5:8]] == [
        ["NFS3ERR_NOENT", "3"], ["NFS3ERR_ACCES", "1"], ["NFS3ERR_IO", "1"],
    ]  # fmt: skip
