"""The command ``portmap top``."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from oncrpc.cli.daemons import top
from oncrpc.cli.daemons.top_lines import TopView
from oncrpc.cli.portmap.kind import KIND
from oncrpc.cli.portmap.top_layout import picture
from oncrpc.portmap.status import Status

DESCRIPTION = """\
Shows the state of the port mapper of this host as 'portmap status' does and refreshes it, with the
calls per second since the last refresh. Arrows, j and k, PgUp and PgDn scroll the registrations;
q quits."""

VIEW: TopView[Status] = TopView(KIND, picture, DESCRIPTION)


def parser() -> argparse.ArgumentParser:
    """The options."""
    return top.parser(VIEW)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run it; returns the exit status."""
    return top.main(VIEW, arguments)
