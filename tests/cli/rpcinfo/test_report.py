from __future__ import annotations

import json

from oncrpc.cli.rpcinfo.probe import HostResult
from oncrpc.cli.rpcinfo.report import MAX_PROGRAMS, Report, Summary, json_line, programs, runs
from oncrpc.errors import CallTimeout, HostUnknown
from oncrpc.programs.rpcb import rpcb


def entry(prog: int, vers: int, owner: bytes = b"superuser") -> rpcb:
    return rpcb(prog, vers, b"tcp", b"0.0.0.0.8.1", owner)


def answered(host: str, *entries: rpcb) -> HostResult:
    found = HostResult(host)
    found.versions, found.registrations, found.milliseconds = [2, 3, 4], list(entries), 1.25
    return found


def silent(host: str) -> HostResult:
    found = HostResult(host)
    found.trouble, found.error = CallTimeout(), "RPC: Timed out"
    return found


def unknown(host: str) -> HostResult:
    found = HostResult(host)
    found.trouble, found.error = HostUnknown(-2, "no"), "RPC: Unknown host"
    return found


def report(hosts: str, *found: HostResult) -> list[str]:
    made = Report(hosts.split())
    for each in found:
        made.take(Summary.of(each))
    return list(made.lines())


def test_hosts_that_answered_are_listed_in_order() -> None:
    one, two = answered("10.0.0.1", entry(100003, 3), entry(100003, 4)), answered("nas")

    assert report("10.0.0.1 nas", two, one) == [
        "host      versions        ms  programs",
        "10.0.0.1  2-4            1.2  nfs 3-4",
        "nas       2-4            1.2  nothing is registered",
        "2 of 2 hosts answered",
    ]


def test_silent_hosts_are_counted_by_reason() -> None:
    assert report("a b", silent("a"), silent("b")) == ["0 of 2 hosts answered; RPC: Timed out (2)"]


def test_a_name_that_is_unknown_has_a_line() -> None:
    _, line, last = report("nosuch", unknown("nosuch"))

    assert line == "nosuch  -                -  RPC: Unknown host"
    assert last == "0 of 1 hosts answered; RPC: Unknown host (1)"


def test_unfinished_hosts_are_counted() -> None:
    assert report("a b c", silent("a"))[-1].endswith("; 2 left")


def test_the_programs_of_a_host_are_bounded() -> None:
    text = programs(entry(400000 + number, 1) for number in range(MAX_PROGRAMS + 5))

    assert text.endswith(", and 5 more")
    assert text.count(",") == MAX_PROGRAMS


def test_versions_are_runs_and_bounded() -> None:
    assert runs([4, 1, 3]) == "1,3-4"
    assert runs(range(0, 1000, 2)).endswith(",...")
    assert runs(range(0, 1000, 2)).count(",") == MAX_PROGRAMS


def test_json_is_one_line_whatever_a_server_sends() -> None:
    line = json_line(answered("nas", entry(100003, 3, b"\x1b\n" + b"\xff" * 1000)))

    assert line.isprintable()
    assert json.loads(line) == {
        "host": "nas", "versions": [2, 3, 4], "milliseconds": 1.25, "error": None,
        "registrations": [{
            "program": 100003, "version": 3, "netid": "tcp", "address": "0.0.0.0.8.1",
            "service": "nfs", "owner": "\\x1b\\x0a" + "\\xff" * 254 + "...",
        }],
    }  # fmt: skip


def test_json_of_a_silent_host_says_why() -> None:
    assert json.loads(json_line(silent("nas"))) == {
        "host": "nas", "versions": [], "registrations": None, "milliseconds": None,
        "error": "RPC: Timed out",
    }  # fmt: skip
