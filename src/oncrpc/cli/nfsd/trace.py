"""The command ``nfsd trace``."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from oncrpc.cli.nfsd.kind import KIND
from oncrpc.cli.rpcsnoop import daemon_trace as trace


def parser() -> argparse.ArgumentParser:
    """The options."""
    return trace.parser(KIND)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run it; returns the exit status."""
    return trace.main(KIND, arguments)
