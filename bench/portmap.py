"""How many calls does the port mapper answer, beside the C rpcbind, and how soon?

Each daemon runs in namespaces of its own and on one core, the load generator on another. A round
measures every case with every daemon in turn, so that ratios hold on a busy machine; printed are
the medians of the rounds, and how far the rounds were apart. ``load.c`` keeps calls outstanding
with batched system calls and checks every reply. ``echo.c`` sends datagrams back as fast as it can:
the ceiling of this machine.

    sudo .venv/bin/python bench/portmap.py [--quick] [--json FILE]
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from portmap_cases import CASES, ECHO, Case

HERE = Path(__file__).parent
OURS, THEIRS = "ours", "C rpcbind"
DAEMONS = (THEIRS, OURS, ECHO)
Values = dict[str, dict[str, list[float]]]
"""By case and daemon, a value a round."""


class Target(NamedTuple):
    """What a ratio of ours to the C daemon's should be."""

    at_least: float | None = None
    at_most: float | None = None


def build(directory: str) -> None:
    """Compile the load generator and the echo."""
    for name in ("load", "echo"):
        source, program = HERE / f"{name}.c", Path(directory) / name
        subprocess.run(["gcc", "-O2", "-Wall", "-o", program, source], check=True)


def inside(daemon: str, entries: int, seconds: float, directory: str, names: list[str]) -> Any:
    """Measure cases with one daemon, in namespaces of its own."""
    command = [
        "unshare", "-n", "-m", "-p", "-f", "--kill-child", "--mount-proc",
        sys.executable, str(HERE / "portmap_inside.py"),
        json.dumps([daemon, entries, seconds, directory, names]),
    ]  # fmt: skip
    done = subprocess.run(command, stdout=subprocess.PIPE, check=True, text=True)
    return json.loads(done.stdout)


def rounds(count: int, cases: list[Case], seconds: float, directory: str) -> Values:
    """The values of every case, daemon by daemon."""
    found: Values = defaultdict(lambda: defaultdict(list))
    sizes = sorted({case.entries for case in cases})
    present = [d for d in DAEMONS if d != THEIRS or shutil.which("rpcbind")]
    for number in range(count):
        for daemon in present if number % 2 == 0 else present[::-1]:
            for entries in sizes:
                names = [c.name for c in cases if c.entries == entries and c.fits(daemon)]
                if names:
                    progress(f"round {number + 1} of {count}: {daemon}, {entries} entries")
                    for name, value in inside(daemon, entries, seconds, directory, names).items():
                        found[name][daemon].append(value)
    progress("")
    return found


def progress(text: str) -> None:
    """Say on a terminal what is being measured."""
    if sys.stderr.isatty():
        sys.stderr.write(f"\r\x1b[K{text}")
        sys.stderr.flush()


def rows(cases: list[Case], found: Values) -> Iterator[dict[str, Any]]:
    """Medians, ratio and spread of every case."""
    for case in cases:
        medians = {name: statistics.median(values) for name, values in found[case.name].items()}
        ours, theirs = medians.get(OURS), medians.get(THEIRS)
        ratios = [
            a / b for a, b in zip(*(found[case.name][d] for d in (OURS, THEIRS)), strict=False)
        ]
        yield {
            "case": case.name,
            "unit": case.unit,
            **medians,
            "ratio": statistics.median(ratios) if ours and theirs else None,
            "spread": (min(ratios), max(ratios)) if ratios else None,
            "of ceiling": ours / medians[ECHO] if ours and ECHO in medians else None,
            "target": case.target,
        }


def table(found: list[dict[str, Any]]) -> str:
    """The rows as text."""
    head = (
        f"{'case':44} {'unit':>8} {THEIRS:>10} {OURS:>10} {'ratio':>7} {'rounds':>13} {'target':>8}"
    )
    lines = [head, "-" * len(head)]
    for row in found:
        ratio = f"{row['ratio']:.2f}x" if row["ratio"] else ""
        spread = "{:.2f}-{:.2f}".format(*row["spread"]) if row["spread"] else ""
        values = (f"{row[name]:10.4g}" if name in row else f"{'':10}" for name in (THEIRS, OURS))
        lines.append(
            f"{row['case']:44} {row['unit']:>8} {' '.join(values)} {ratio:>7} {spread:>13}"
            f" {row['target']:>8}"
        )
        if row["of ceiling"]:
            lines.append(f"{'  of what an echo does':44} {'':8} {'':10} {row['of ceiling']:10.0%}")
    return "\n".join(lines)


def machine() -> dict[str, str]:
    """What this was measured on."""
    with open("/proc/cpuinfo", encoding="utf-8") as info:
        model = next((line.split(": ")[1].strip() for line in info if "model name" in line), "?")
    return {
        "machine": f"{platform.machine()}, {os.cpu_count()} x {model}",
        "system": f"Linux {platform.release()}",
        "python": platform.python_version(),
    }


def main() -> int:
    """Measure, print a table, and write a file."""
    options = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    options.add_argument("--quick", action="store_true", help="fewer cases, one short round")
    options.add_argument("--rounds", type=int, default=5)
    options.add_argument("--seconds", type=float, default=1.0, help="for each measurement")
    options.add_argument("--only", default="", help="cases whose name contains this")
    options.add_argument("--json", metavar="FILE", help="write all values there")
    given = options.parse_args()
    if os.geteuid() != 0:
        sys.exit("bench/portmap.py: network namespaces need root; run it with sudo")
    cases = [c for c in CASES if given.only in c.name and (c.quick or not given.quick)]
    count, seconds = (1, 0.3) if given.quick else (given.rounds, given.seconds)
    with tempfile.TemporaryDirectory() as directory:
        build(directory)
        values = rounds(count, cases, seconds, directory)
    found = list(rows(cases, values))
    print("\n".join(f"{name}: {text}" for name, text in machine().items()))
    print(f"{count} rounds of {seconds} s each\n\n{table(found)}")
    if given.json:
        report = {**machine(), "rows": found, "values": values}
        Path(given.json).write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
