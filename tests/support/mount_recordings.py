"""Captures of failed mounts, one for each cause; run as a program it writes those of the tests.

As root, in the directory ``tests``: ``python -m support.mount_recordings``.
"""

from __future__ import annotations

import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from tempfile import TemporaryDirectory

from support.mount_failures import SCENARIOS, cause_of
from support.mount_lab import MountLab, of_client

CAPTURES = Path(__file__).resolve().parents[1] / "captures" / "mounts"
WORKERS = 16
"""Scenarios at a time: most of them wait for answers that do not come."""


def recorded(folder: Path) -> dict[str, bytes]:
    """A capture of each scenario, by the name of its cause."""
    with MountLab(folder) as lab, ThreadPoolExecutor(WORKERS) as pool:
        lab.start_ganesha()
        sites = list(pool.map(lambda scenario: scenario(lab), SCENARIOS))
        frames = lab.capture()
    return {
        cause_of(scenario): of_client(frames, site.client)
        for scenario, site in zip(SCENARIOS, sites, strict=True)
    }


def main() -> None:
    """Write the captures."""
    CAPTURES.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory() as folder:
        for name, capture in recorded(Path(folder)).items():
            (CAPTURES / f"{name}.pcap").write_bytes(capture)
            sys.stdout.write(f"{name}: {len(capture)} bytes\n")


if __name__ == "__main__":
    main()
