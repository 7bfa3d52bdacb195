"""The command ``nfsd service``."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from oncrpc.cli.daemons import service
from oncrpc.daemon.install.init import Host
from oncrpc.nfs.daemon.product import PRODUCT


def parser() -> argparse.ArgumentParser:
    """The options."""
    return service.parser(PRODUCT)


def main(arguments: Sequence[str] | None = None, host: Host | None = None) -> int:
    """Run it; returns the exit status."""
    return service.main(PRODUCT, arguments, host)
