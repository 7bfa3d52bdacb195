"""The command ``nfsd reload``."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from oncrpc.cli.daemons import reload
from oncrpc.cli.nfsd.kind import KIND


def parser() -> argparse.ArgumentParser:
    """The options."""
    return reload.parser(KIND)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run it; returns the exit status."""
    return reload.main(KIND, arguments)
