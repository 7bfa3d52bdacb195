"""What nfsd top shows on terminals of several sizes."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from oncrpc.cli.daemons.top import with_rates
from oncrpc.cli.daemons.top_lines import Scroll
from oncrpc.cli.nfsd.top_layout import picture
from oncrpc.nfs.daemon.status import NfsdStatus
from support.sample_nfsd_status import CLIENT, GETATTR, some_nfsd_status

LOW = """\
nfsd 0.1.0, process 4242, up 3 d 4 h                      q quits, arrows scroll
connections   tcp 3
calls         1004 in 1 h 30 min, 12.5 a second lately
refused       12 unauthorized, 1 indirect
dropped       7 over their rate, 2 replies too long
mounts        2
open files    1, and 7 for a moment
locks         2 held, 1 waiting; 2 files, 2 clients
grace         at most 41 s more, for one.example.com (192.0.2.7)

procedure       calls  a second  ms each
nfs GETATTR v3   1000      12.5     0.50

open file      client     open for  idle  unsynced
/srv/data/log  192.0.2.7     1 min   2 s   4.0 KiB

client     calls  connections  last call
192.0.2.7    990            1  3 s ago
"""
MANY = some_nfsd_status(clients=[replace(CLIENT, host=f"192.0.2.{n}") for n in range(40)])


def shown(status: NfsdStatus, columns: int = 80, lines: int = 24, *, first: int = 0) -> list[str]:
    scroll = Scroll()
    scroll.first = first
    return [line.text for line in picture(status, scroll, columns=columns, lines=lines)]


def test_low_terminal_shows_what_changes() -> None:
    assert shown(some_nfsd_status()) == LOW.splitlines()


def test_high_terminal_shows_the_whole_summary() -> None:
    assert "mode          root: works as the user of each call" in "\n".join(
        shown(some_nfsd_status(), lines=50)
    )


@pytest.mark.parametrize(("columns", "lines"), [(80, 24), (40, 10), (200, 60), (1, 1)])
def test_picture_is_never_larger_than_the_terminal(columns: int, lines: int) -> None:
    found = shown(MANY, columns, lines)

    assert len(found) <= lines
    assert max(map(len, found)) <= columns


def test_clients_scroll() -> None:
    assert shown(MANY, first=5)[-1] != shown(MANY)[-1]
    assert "192.0.2.5 " in "\n".join(shown(MANY, first=5))


def test_times_are_those_since_the_last_refresh() -> None:
    before = some_nfsd_status()
    grown = replace(GETATTR, calls=1100, seconds=0.9)
    calls = replace(before.calls, since=before.calls.since + 2.0, total=1104, procedures=[grown])

    found = with_rates(before, replace(before, calls=calls))

    (row,) = (line for line in shown(found) if "GETATTR" in line)
    assert row.split() == ["nfs", "GETATTR", "v3", "1100", "50.0", "4.00"]
