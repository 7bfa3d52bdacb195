"""What portmap top shows on terminals of several sizes."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from oncrpc.cli.daemons.top_lines import HINT, Scroll, fitted
from oncrpc.cli.portmap.status import summary_lines
from oncrpc.cli.portmap.top_layout import LEFT_OUT, REGISTRATIONS, picture
from oncrpc.daemon.control.status import ProcedureCalls
from oncrpc.portmap.status import Status
from support.sample_status import NFS, some_status

MANY = some_status(
    registered=40,
    registrations=[replace(NFS, version=number) for number in range(1, 41)],
)
LOW = """\
portmap 0.1.0, process 4242, up 3 d 4 h                   q quits, arrows scroll
connections   tcp 3
calls         1234 in 1 h 30 min, 4.2 a second lately
refused       12 unauthorized, 1 indirect
dropped       7 over their rate, 2 replies too long

procedure   calls  a second
GETPORT v2   1200       4.2
GETADDR v4     34       0.0
registrations 1 to 2 of 2
program  name  vers  netid  address          owner        age  endpoint
100003   nfs      3  tcp    0.0.0.0.8.1      superuser    1 d  alive
400001   -        1  local  /run/greet.sock  1000       1 min  gone
"""


def shown(status: Status, columns: int = 80, lines: int = 24, *, first: int = 0) -> list[str]:
    scroll = Scroll()
    scroll.first = first
    return [line.text for line in picture(status, scroll, columns=columns, lines=lines)]


def test_a_terminal_of_24_lines_shows_what_changes() -> None:
    assert shown(some_status()) == LOW.splitlines()


def test_a_high_terminal_shows_the_whole_summary() -> None:
    found = shown(some_status(), lines=40)

    head, *others = summary_lines(some_status())
    assert found[0].startswith(head)
    assert found[1 : len(others) + 1] == others


@pytest.mark.parametrize(("columns", "lines"), [(80, 24), (40, 10), (200, 60), (1, 1)])
def test_it_is_never_larger_than_the_terminal(columns: int, lines: int) -> None:
    found = shown(MANY, columns, lines)

    assert len(found) <= lines
    assert max(map(len, found)) <= columns


@pytest.mark.parametrize(
    ("first", "heading", "versions"),
    [
        (0, "registrations 1 to 13 of 40", range(1, 14)),
        (10, "registrations 11 to 23 of 40", range(11, 24)),
        (99, "registrations 28 to 40 of 40", range(28, 41)),
    ],
)
def test_the_registrations_scroll(first: int, heading: str, versions: range) -> None:
    found = shown(MANY, first=first)

    assert heading in found
    assert [int(row.split()[2]) for row in found[found.index(heading) + 2 :]] == list(versions)


@pytest.mark.parametrize(("lines", "rows"), [(12, 5), (10, 3), (8, 1)])
def test_low_terminal_prefers_registrations_to_calls(lines: int, rows: int) -> None:
    found = shown(MANY, columns=50, lines=lines)

    assert f"registrations 1 to {rows} of 40" in found
    assert sum(line.startswith("100003") for line in found) == rows
    assert "GETPORT" not in " ".join(found)


def test_terminal_without_room_shows_no_range() -> None:
    assert "registrations 0 of 40" in shown(MANY, lines=7)


def test_registrations_that_are_not_listed_are_counted() -> None:
    assert "registrations 1 to 2 of 2; 12 in all" in shown(some_status(registered=12))


def test_an_empty_registry_needs_no_range() -> None:
    assert "no registrations" in shown(some_status(registrations=[], registered=0))


def test_only_the_most_called_procedures_are_shown() -> None:
    procedures = [ProcedureCalls(2, f"P{number}", 1, float(number)) for number in range(9)]
    calls = replace(some_status().calls, procedures=procedures)

    rows = [line for line in shown(some_status(calls=calls)) if line.startswith("P")]

    assert [row.split()[0] for row in rows] == ["P8", "P7", "P6", "P5"]


@pytest.mark.parametrize(
    ("columns", "left"),
    [(200, 0), (68, 0), (67, 1), (62, 2), (51, 3), (41, 4), (35, 5), (10, 5)],
)
def test_columns_are_left_out_before_names_are_cut(columns: int, left: int) -> None:
    row = ("100000", "portmapper", "4", "tcp6", "::.0.111", "superuser", "1 d", "alive")

    heads, cells = (
        line.split() for line in fitted(REGISTRATIONS, [row], columns, left_out=LEFT_OUT)
    )

    assert heads == [head for head in REGISTRATIONS if head not in LEFT_OUT[:left]]
    assert "portmapper" in cells


def test_hint_is_left_out_when_narrow() -> None:
    assert HINT in shown(some_status())[0]
    assert HINT not in shown(some_status(), columns=50)[0]
