"""How portmap top looks."""

from __future__ import annotations

from io import StringIO

from msgspec.structs import replace
from rich.console import Console

from oncrpc.cli.portmap.status import summary
from oncrpc.cli.portmap.top_screen import HINT, drawn, screen
from support.sample_status import NFS, some_status


def console(*, terminal: bool = False) -> Console:
    return Console(file=StringIO(), width=110, height=40, force_terminal=terminal)


def written(made: Console) -> str:
    assert isinstance(made.file, StringIO)
    return made.file.getvalue()


def test_it_says_what_the_status_says_with_the_tables_below() -> None:
    made = console()

    made.print(drawn(some_status()))

    lines = [line.rstrip() for line in written(made).splitlines()]
    first, *others = summary(some_status())
    assert lines[0] == f"{first}   {HINT}"
    assert lines[1 : len(others) + 1] == others
    rows = [line.split() for line in lines[len(others) + 1 :] if line]
    assert ["GETPORT", "v2", "1200", "4.2"] in rows
    assert [
        "100003",
        "nfs",
        "3",
        "tcp",
        "0.0.0.0.8.1",
        "superuser",
        "1",
        "d",
        "1",
        "h",
        "alive",
    ] in rows


def test_markup_in_a_registration_is_text() -> None:
    made = console()

    made.print(drawn(some_status(registrations=[replace(NFS, address="/[red]x")])))

    assert "/[red]x" in written(made)


def test_the_terminal_is_as_before_when_it_has_ended() -> None:
    made = console(terminal=True)

    with screen(made) as show:
        show(some_status())

    assert "\x1b[?1049h" in written(made)
    assert "portmap 0.1.0" in written(made)
    assert "\x1b[?1049l" in written(made)
