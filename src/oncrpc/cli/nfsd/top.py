"""The command ``nfsd top``."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from oncrpc.cli.daemons import top
from oncrpc.cli.daemons.top_lines import TopView
from oncrpc.cli.nfsd.kind import KIND
from oncrpc.cli.nfsd.top_layout import picture
from oncrpc.nfs.daemon.status import NfsdStatus

DESCRIPTION = """\
Shows the calls per second of the NFS server of this host by procedure, with the time that they
took since the last refresh, and its clients. Arrows, j and k, PgUp and PgDn scroll the clients;
q quits."""

VIEW: TopView[NfsdStatus] = TopView(KIND, picture, DESCRIPTION)


def parser() -> argparse.ArgumentParser:
    """The options."""
    return top.parser(VIEW)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run it; returns the exit status."""
    return top.main(VIEW, arguments)
