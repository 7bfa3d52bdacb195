"""``oncrpc.cli.rpcsnoop.top_layout``: the lines of ``rpcsnoop top``, and its JSON."""

from __future__ import annotations

import pytest

from oncrpc.cli.daemons.top_lines import Scroll
from oncrpc.cli.rpcsnoop.top_figures import TopFigures
from oncrpc.cli.rpcsnoop.top_layout import object_of_figures, picture
from oncrpc.snoop.streams.statistics import ProcedureFigures


def figures(calls: int, errors: int = 0) -> ProcedureFigures:
    made = ProcedureFigures()
    made.calls = made.replies = calls
    made.outcomes = {"SUCCESS": calls - errors, "NFS3ERR_STALE": errors}
    made.service.add(2_500_000)
    made.call_bytes, made.reply_bytes = 100, 300
    return made


def status(clients: int = 1, seconds: float = 2.0) -> TopFigures:
    return TopFigures(
        "eth0", seconds, [(("NFS", "3", "GETATTR"), figures(10, 4))],
        [((f"192.0.2.{number}",), figures(10, 4)) for number in range(clients)], 1234, 5,
    )  # fmt: skip


def drawn(shown: TopFigures, *, columns: int = 100, lines: int = 24) -> list[str]:
    return [line.text for line in picture(shown, Scroll(), columns=columns, lines=lines)]


def test_rates_are_those_of_the_interval() -> None:
    lines = drawn(status())

    assert lines[0].startswith("rpcsnoop: eth0, 5.0 calls/s, 1,234 in all, 5 frames dropped ")
    assert lines[1] == "errors: NFS3ERR_STALE 2.0/s"
    assert lines[4].split() == [
        "NFS", "3", "GETATTR", "5.0", "2.0", "0.0", "2.50", "2.50", "2.50", "200",
    ]  # fmt: skip
    assert lines[7].split() == ["192.0.2.0", "5.0", "2.0", "0.0", "2.50", "2.50", "2.50", "200"]


def test_quiet_interface_has_only_heads() -> None:
    lines = drawn(TopFigures("eth0", 0.0, [], [], 0, 0))

    assert lines[0].startswith("rpcsnoop: eth0, - calls/s")
    assert lines[1] == "errors: none"
    assert len(lines) == 6


def test_procedure_without_a_reply_has_no_times() -> None:
    made = ProcedureFigures()
    made.calls = 1
    shown = status()._replace(procedures=[(("NFS", "3", "READ"), made)])

    assert drawn(shown)[4].split()[6:9] == ["-", "-", "-"]


@pytest.mark.parametrize("lines", [8, 10, 24])
def test_clients_scroll_within_the_screen(lines: int) -> None:
    scroll = Scroll()
    picture(status(clients=100), scroll, columns=80, lines=lines)
    scroll.move(1000)

    found = picture(status(clients=100), scroll, columns=80, lines=lines)

    assert len(found) == lines
    assert found[-1].text.startswith("192.0.2.99 ")
    assert all(len(line.text) <= 80 for line in found)


def test_json_has_counts_and_seconds() -> None:
    found = object_of_figures(status())

    assert found["procedures"] == [
        {
            "program": "NFS", "vers": 3, "procedure": "GETATTR", "calls": 10, "replies": 10,
            "errors": {"NFS3ERR_STALE": 4}, "retransmissions": 0, "call_bytes": 100,
            "reply_bytes": 300, "service_mean": 0.0025, "service_p99": 0.0025,
            "service_max": 0.0025,
        }
    ]  # fmt: skip
    assert found["clients"][0]["client"] == "192.0.2.0"
    assert (found["source"], found["seconds"], found["calls"], found["dropped"]) == (
        "eth0", 2.0, 1234, 5,
    )  # fmt: skip
