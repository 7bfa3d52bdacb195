"""How many calls does the port mapper answer, and how soon, compared with the C rpcbind?

Each daemon runs in its own namespaces and on one core, the load generator on another. A round
measures every case with every daemon in turn, so that ratios hold on a busy machine. The table has
the medians of the rounds, and the lowest and highest ratio. "per cpu" is the ratio of calls for
each second of processor time; "echo" is the same compared with ``echo.c``, which only sends
datagrams back. ``load.c`` keeps calls outstanding with batched system calls and checks every reply.

    sudo .venv/bin/python bench/portmap.py [--quick] [--json FILE]

A change is measured against another checkout, which has its own ``.venv``. Rounds with the code
before and after the change alternate; "change" is the ratio per second of processor time:

    git worktree add ../before main && make -C ../before .venv/.installed
    sudo .venv/bin/python bench/portmap.py --before ../before
"""

from __future__ import annotations

import argparse
import compileall
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
from portmap_inside import BEFORE, LOOP, OURS

HERE = Path(__file__).parent
THEIRS = "C rpcbind"
DAEMONS = (THEIRS, OURS, ECHO)
Values = dict[str, dict[str, list[list[float]]]]
"""By case and daemon, for every round the value, and for rates that a second of processor time."""


class Target(NamedTuple):
    """The goal for a ratio of ours to the C daemon's."""

    at_least: float | None = None
    at_most: float | None = None


def build(directory: str) -> None:
    """Compile the load generator and the echo."""
    for name in ("load", "echo"):
        source, program = HERE / f"{name}.c", Path(directory) / name
        subprocess.run(["gcc", "-O2", "-Wall", "-o", program, source], check=True)


class Setting(NamedTuple):
    """How to measure: seconds for each case, the folder of the programs, and another checkout."""

    seconds: float
    directory: str
    before: str


def inside(daemon: str, entries: int, names: list[str], setting: Setting) -> Any:
    """Measure cases with one daemon, in its own namespaces."""
    seconds, directory, before = setting
    command = [
        "unshare", "-n", "-m", "-p", "-f", "--kill-child", "--mount-proc",
        sys.executable, str(HERE / "portmap_inside.py"),
        json.dumps([daemon, entries, seconds, directory, names, before]),
    ]  # fmt: skip
    done = subprocess.run(command, stdout=subprocess.PIPE, check=True, text=True)
    return json.loads(done.stdout)


def rounds(count: int, cases: list[Case], setting: Setting) -> Values:
    """The values of every case by daemon. With another checkout only the two are measured."""
    found: Values = defaultdict(lambda: defaultdict(list))
    sizes = sorted({case.entries for case in cases})
    present = [d for d in DAEMONS if d != THEIRS or shutil.which("rpcbind")]
    present = [BEFORE, OURS] if setting.before else present
    for number in range(count):
        for daemon in present if number % 2 == 0 else present[::-1]:
            for entries in sizes:
                names = [c.name for c in cases if c.entries == entries and c.fits(daemon)]
                if names:
                    progress(f"round {number + 1} of {count}: {daemon}, {entries} entries")
                    for name, value in inside(daemon, entries, names, setting).items():
                        found[name][daemon].append(value)
    progress("")
    return found


def progress(text: str) -> None:
    """Show on a terminal what is being measured."""
    if sys.stderr.isatty():
        sys.stderr.write(f"\r\x1b[K{text}")
        sys.stderr.flush()


def rows(cases: list[Case], found: Values) -> Iterator[dict[str, Any]]:
    """Medians, ratios and spread of every case."""
    for case in cases:
        values = found[case.name]
        medians = {name: statistics.median(v[0] for v in each) for name, each in values.items()}
        ratios = ratios_of(values, OURS, THEIRS, which=0)
        changes = ratios_of(values, OURS, BEFORE, which=1)
        changes = changes or ratios_of(values, OURS, BEFORE, which=0)
        yield {
            "case": case.name,
            "unit": case.unit,
            **medians,
            "ratio": median_or_none(ratios),
            "spread": spread(ratios) or spread(changes),
            "change": median_or_none(changes),
            "per cpu": median_or_none(ratios_of(values, OURS, THEIRS, which=1)),
            "of ceiling": median_or_none(ratios_of(values, OURS, ECHO, which=1)),
            "target": case.target,
        }


def ratios_of(
    values: dict[str, list[list[float]]], one: str, other: str, *, which: int
) -> list[float]:
    """One daemon's values to the other's, round by round."""
    pairs = zip(values.get(one, ()), values.get(other, ()), strict=False)
    return [a[which] / b[which] for a, b in pairs if len(a) > which and b[which]]


def spread(ratios: list[float]) -> tuple[float, float] | None:
    """The lowest and the highest ratio."""
    return (min(ratios), max(ratios)) if ratios else None


def median_or_none(values: list[float]) -> float | None:
    """The median of some values, None of none."""
    return statistics.median(values) if values else None


def table(found: list[dict[str, Any]]) -> str:
    """The rows as text."""
    paired = any(row["change"] for row in found)
    other = BEFORE if paired else THEIRS
    ratios = ("change",) if paired else ("ratio", "per cpu")
    lines = [["case", "unit", other, OURS, *ratios, "rounds", "echo", "target"]]
    for row in found:
        apart = "{:.3f}-{:.3f}".format(*row["spread"]) if row["spread"] else ""
        share = f"{row['of ceiling']:.0%}" if row["of ceiling"] else ""
        values = [f"{row[name]:.4g}" if name in row else "" for name in (other, OURS)]
        shown = [f"{row[name]:.3f}x" if row[name] else "" for name in ratios]
        lines.append([row["case"], row["unit"], *values, *shown, apart, share, row["target"]])
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return "\n".join(
        line[0].ljust(widths[0])
        + "".join(f"  {text:>{width}}" for text, width in zip(line[1:], widths[1:], strict=True))
        for line in lines
    )


def machine() -> dict[str, str]:
    """What this was measured on."""
    with open("/proc/cpuinfo", encoding="utf-8") as info:
        model = next((line.split(": ")[1].strip() for line in info if "model name" in line), "?")
    return {
        "machine": f"{platform.machine()}, {os.cpu_count()} x {model}",
        "system": f"Linux {platform.release()}",
        "python": f"{platform.python_version()}, {os.environ.get('PORTMAP_LOOP', LOOP)}",
    }


def main() -> int:
    """Measure, print a table, and write a file if asked."""
    options = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    options.add_argument("--quick", action="store_true", help="fewer cases, one short round")
    options.add_argument("--rounds", type=int, default=5)
    options.add_argument("--seconds", type=float, default=1.0, help="for each measurement")
    options.add_argument("--only", default="", help="cases whose name contains this")
    options.add_argument("--json", metavar="FILE", help="write all values there")
    options.add_argument("--before", metavar="DIR", default="", help="compare with this checkout")
    given = options.parse_args()
    if os.geteuid() != 0:
        sys.exit("bench/portmap.py: network namespaces need root; run it with sudo")
    cases = [c for c in CASES if given.only in c.name and (c.quick or not given.quick)]
    count, seconds = (1, 0.3) if given.quick else (given.rounds, given.seconds)
    with tempfile.TemporaryDirectory() as directory:
        build(directory)
        compileall.compile_dir(HERE.parent / "src", quiet=1)  # as an installed package is
        before = str(Path(given.before).resolve()) if given.before else ""
        if before:
            compileall.compile_dir(Path(before, "src"), quiet=1)
        values = rounds(count, cases, Setting(seconds, directory, before))
    found = list(rows(cases, values))
    print("\n".join(f"{name}: {text}" for name, text in machine().items()))
    print(f"{count} rounds of {seconds} s each\n\n{table(found)}")
    if given.json:
        report = {**machine(), "rows": found, "values": values}
        Path(given.json).write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
