"""How portmap top uses the terminal."""

from __future__ import annotations

from io import StringIO

from msgspec.structs import replace
from rich.console import Console

from oncrpc.cli.daemons.top_lines import HINT, Scroll
from oncrpc.cli.daemons.top_screen import screen
from oncrpc.cli.portmap.top_layout import picture
from support.sample_status import NFS, some_status


def console() -> Console:
    return Console(file=StringIO(), width=110, height=40, force_terminal=True)


def written(made: Console) -> str:
    assert isinstance(made.file, StringIO)
    return made.file.getvalue()


def test_markup_in_a_registration_is_text() -> None:
    made = console()

    with screen(Scroll(), picture, made) as show:
        show(some_status(registrations=[replace(NFS, address="/[red]x")]))

    assert "/[red]x" in written(made)


def test_the_terminal_is_restored_at_the_end() -> None:
    made = console()

    with screen(Scroll(), picture, made) as show:
        show(some_status())

    assert "\x1b[?1049h" in written(made)
    assert "portmap 0.1.0" in written(made)
    assert HINT in written(made)
    assert "\x1b[?1049l" in written(made)


def test_endpoints_have_a_colour() -> None:
    made = console()

    with screen(Scroll(), picture, made) as show:
        show(some_status())

    assert "\x1b[32malive" in written(made)
    assert "\x1b[31mgone" in written(made)
