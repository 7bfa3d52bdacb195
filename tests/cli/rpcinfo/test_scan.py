from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator

import pytest

from oncrpc.cli.command import Done, Failure
from oncrpc.cli.rpcinfo import main
from oncrpc.cli.rpcinfo import scan as module
from oncrpc.cli.rpcinfo.probe import HostResult
from oncrpc.cli.rpcinfo.scan import HELP, OPTIONS, USAGE, Pace, ScanOptions, ask_all, parse_scan
from support.fake_mapper import both_ports, port_mapper
from support.scripted_server import Server

IMPORTED = """
import sys
from oncrpc.cli.rpcinfo import main
main(["--version"])
print([name for name in ("asyncio", "rich", "json", "oncrpc.cli.rpcinfo.scan",
                         "oncrpc.cli.rpcinfo.watch") if name in sys.modules])
"""


@pytest.fixture
def port() -> Iterator[int]:
    """The port of a port mapper at 127.0.0.1; of the addresses beside that nobody answers."""
    server = Server(port_mapper())
    port = both_ports(server)
    with server:
        yield port


def scan(line: str, port: int) -> int:
    return main(f"scan {line} --rpcbind-port {port}".split())


def test_a_host_that_answers_is_in_the_table(port: int, capsys: pytest.CaptureFixture[str]) -> None:
    assert scan("127.0.0.0/29", port) == 0

    title, line, last = capsys.readouterr().out.splitlines()
    assert title.split() == ["host", "versions", "ms", "programs"]
    assert line.startswith("127.0.0.1  2-4 ")
    assert line.endswith("  nfs 4")
    refused = "RPC: Remote system error - Connection refused (5)"
    assert last == f"1 of 6 hosts answered; {refused}"


def test_json_is_a_line_for_each_host(port: int, capsys: pytest.CaptureFixture[str]) -> None:
    assert scan("127.0.0.1-2 --json", port) == 0

    items = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    one, two = sorted(items, key=lambda item: str(item["host"]))
    assert one["versions"] == [2, 3, 4]
    assert one["registrations"][0]["service"] == "nfs"
    assert one["milliseconds"] > 0
    assert two == {
        "host": "127.0.0.2", "versions": [], "registrations": None, "milliseconds": None,
        "error": "RPC: Remote system error - Connection refused",
    }  # fmt: skip


def test_status_is_1_without_replies(port: int, capsys: pytest.CaptureFixture[str]) -> None:
    assert scan("127.0.0.2", port) == 1

    assert capsys.readouterr().out.startswith("0 of 1 hosts answered")


def test_ctrl_c_prints_the_results_so_far(port: int, capsys: pytest.CaptureFixture[str]) -> None:
    def interrupting(message: bytes) -> None:
        os.kill(os.getpid(), signal.SIGINT)

    other = Server(interrupting)
    other.tcp("127.0.0.2", port)

    with other:
        assert scan("127.0.0.1-5 --jobs 1", port) == 130

    _, line, last = capsys.readouterr().out.splitlines()
    assert line.startswith("127.0.0.1 ")
    assert last == "1 of 5 hosts answered; 4 left"


def test_output_that_cannot_be_written_ends_the_scan(port: int) -> None:
    command = [sys.executable, "-m", "oncrpc.cli.rpcinfo", "scan", "--json", "127.0.0.1"]
    with open("/dev/full", "w") as full:
        ended = subprocess.run(
            [*command, f"--rpcbind-port={port}"],
            stdout=full, stderr=subprocess.PIPE, text=True, check=False,
        )  # fmt: skip

    assert ended.returncode == 1
    assert ended.stderr == "rpcinfo: cannot write: No space left on device\n"


def order(**values: float) -> ScanOptions:
    made = ScanOptions()
    for name, value in values.items():
        setattr(made, name, value)
    return made


class Probes:
    """Stand in for asking hosts, which end when there have been so many at a time."""

    def __init__(self, until: int) -> None:
        self.begun: list[float] = []
        self.running = self.most = 0
        self.until, self.reached = until, asyncio.Event()

    async def probe(self, host: str, **_: object) -> HostResult:
        self.begun.append(asyncio.get_running_loop().time())
        self.running += 1
        self.most = max(self.most, self.running)
        if self.running == self.until:
            self.reached.set()
        await self.reached.wait()
        await asyncio.sleep(0)
        self.running -= 1
        return HostResult(host)


def asked(monkeypatch: pytest.MonkeyPatch, count: int, *, until: int, **values: float) -> Probes:
    probes = Probes(until)
    monkeypatch.setattr(module, "probe", probes.probe)
    hosts = [str(number) for number in range(count)]
    found: list[HostResult] = []
    asyncio.run(ask_all(hosts, order(**values), found.append))
    assert sorted(each.host for each in found) == sorted(hosts)
    return probes


def test_jobs_bound_the_hosts_asked_together(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert asked(monkeypatch, 50, until=5, jobs=5, rate=10000).most == 5


def test_rate_bounds_the_hosts_asked_per_second(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    begun = asked(monkeypatch, 20, until=1, jobs=64, rate=400).begun

    assert begun[-1] - begun[0] >= 19 / 400 - 0.001


def test_starts_are_apart_however_late_one_was() -> None:
    pace = Pace(10)

    assert pace.wait(100.0) == 0.0
    pace.start(100.05)  # late
    assert pace.wait(100.1) == pytest.approx(0.05)
    assert pace.wait(200.0) == 0.0


def test_a_failure_ends_the_scan(monkeypatch: pytest.MonkeyPatch) -> None:
    async def probe(host: str, **_: object) -> HostResult:
        raise Failure("no sockets")

    monkeypatch.setattr(module, "probe", probe)

    with pytest.raises(Failure, match="no sockets"):
        asyncio.run(ask_all(["a", "b"], order(), lambda found: None))


def test_every_value_has_its_place() -> None:
    line = "--jobs 5 --rate 2.5 --timeout 0.5 --limit 9 --rpcbind-port 1111 --json a b"

    found = parse_scan(line.split())

    assert (found.jobs, found.rate, found.timeout, found.limit) == (5, 2.5, 0.5, 9)
    assert (found.port, found.json, found.operands) == (1111, True, ["a", "b"])


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("--jobs 0 a", "rpcinfo: invalid number of jobs 0: must be 1 to 1024"),
        ("--jobs x a", "rpcinfo: invalid number of jobs x: must be 1 to 1024"),
        ("--rate 0 a", "rpcinfo: invalid rate 0: must be above 0, at most 10000"),
        ("--rate nan a", "rpcinfo: invalid rate nan: must be above 0, at most 10000"),
        ("--timeout -1 a", "rpcinfo: invalid timeout -1: must be above 0, at most 3600"),
        ("--limit 0 a", "rpcinfo: invalid limit 0: must be 1 to 1048576"),
        ("--rpcbind-port 0 a", "rpcinfo: invalid port 0: must be 1 to 65535"),
        ("--json", USAGE),
        ("--nosuch a", USAGE),
    ],
)
def test_wrong_command_line_is_reported(
    line: str, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["scan", *line.split()]) == 1

    assert capsys.readouterr().err.endswith(message + "\n")


@pytest.mark.parametrize(("option", "text"), [("--help", HELP), ("--version", "rpcinfo (oncrpc)")])
def test_help_and_version_exit_0(option: str, text: str) -> None:
    with pytest.raises(Done) as done:
        parse_scan([option])

    assert str(done.value).startswith(text)


def test_help_has_the_options_of_scan(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["--help"]) == 0

    written = capsys.readouterr().out
    assert all(f"--{option.name}" in written for option in OPTIONS)


def test_scan_modules_load_for_a_scan_only() -> None:
    command = [sys.executable, "-c", IMPORTED]

    plain = {name: value for name, value in os.environ.items() if not name.startswith("COV")}
    ended = subprocess.run(command, capture_output=True, text=True, check=True, env=plain)

    assert ended.stdout.splitlines()[-1] == "[]"
