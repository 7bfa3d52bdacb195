"""How many NFS calls does ``nfsd`` answer, compared with nfs-ganesha and unfs3?

Each server runs in its own namespaces and on one core, the load generator on another. A round
measures every case with every server in turn, so that ratios hold on a busy machine. The table has
the medians of the rounds, ours as a multiple of each other server ("to", and "cpu" for a second of
processor time), and the lowest and highest of the former. "floor" is a bare Python loop that only
makes the system calls. The load generator keeps calls outstanding and checks every reply
(``nfs_load.c``).

    sudo .venv/bin/python bench/nfs.py [--quick] [--unfs3 PATH] [--fio PATH] [--json FILE]

The files are below ``--folder``, by default on the file system of /var/tmp. All of them are in
memory when they are read. A WRITE is stored as the case says; our export is ``sync`` unless
``--options`` says otherwise, which makes CREATE and REMOVE wait for the disk; the others do not.

A change is measured against another checkout, which has its own ``.venv``: ``--before DIR``.
"""

from __future__ import annotations

import argparse
import compileall
import json
import os
import random
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from nfs_cases import (
    BEFORE,
    CASES,
    FEW,
    FILE_SIZE,
    FLOOR,
    GANESHA,
    LISTED,
    OURS,
    UNFS3,
    USER,
    NfsCase,
)
from nfs_inside import Site

from portmap import machine, progress

HERE = Path(__file__).parent
OPTIONS = "rw,no_root_squash,insecure,sync"
LONG_NUMBER = 100
Values = dict[str, dict[str, list[list[float]]]]
"""By case and server, for every round the value, and for rates that a second of processor time."""


def build(programs: Path) -> None:
    """Compile the load generator."""
    command = ["gcc", "-O2", "-Wall", "-o", str(programs / "nfs_load"), str(HERE / "nfs_load.c")]
    subprocess.run(command, check=True)


def fill(export: Path) -> None:
    """Make the files that are exported."""
    data = random.Random(1).randbytes(1 << 20)
    for name in ("read", "write"):
        with open(export / name, "wb") as file:
            for _ in range(FILE_SIZE >> 20):
                file.write(data)
    for name, count in (("few", FEW), ("many", LISTED), ("new", 0)):
        (export / name).mkdir()
        for number in range(count):
            (export / name / f"file-{number:08}").touch()
    for path in (export, *export.rglob("*")):
        os.chown(path, USER, USER)
    os.sync()


def inside(site: Site, names: list[str], seconds: float) -> Any:
    """Measure cases with one server, in its own namespaces."""
    command = [
        "unshare", "-n", "-m", "-p", "-f", "--kill-child", "--mount-proc",
        sys.executable, str(HERE / "nfs_inside.py"), json.dumps([site, names, seconds]),
    ]  # fmt: skip
    done = subprocess.run(command, stdout=subprocess.PIPE, check=True, text=True, timeout=600)
    return json.loads(done.stdout)


def servers(given: argparse.Namespace) -> list[str]:
    """The servers that are here."""
    if given.before:
        return [BEFORE, OURS]
    if given.servers:
        return list(given.servers.split(","))
    found = [GANESHA] if shutil.which("ganesha.nfsd") else []
    return [*found, *([UNFS3] if given.unfs3 else []), OURS, FLOOR]


def rounds(given: argparse.Namespace, cases: list[NfsCase], site: Site) -> Values:
    """The values of every case by server."""
    found: Values = defaultdict(lambda: defaultdict(list))
    present, names = servers(given), [case.name for case in cases]
    for number in range(given.rounds):
        for server in present if number % 2 == 0 else present[::-1]:
            progress(f"round {number + 1} of {given.rounds}: {server}")
            values = inside(site._replace(server=server), names, given.seconds)
            for name, value in values.items():
                if value:
                    found[name][server].append(value)
    progress("")
    return found


def ratios(values: dict[str, list[list[float]]], other: str, *, which: int = 0) -> list[float]:
    """Ours to the other's, round by round."""
    pairs = zip(values.get(OURS, ()), values.get(other, ()), strict=False)
    return [a[which] / b[which] for a, b in pairs if len(a) > which and b[which]]


def rows(cases: list[NfsCase], found: Values) -> Iterator[dict[str, Any]]:
    """Medians, and ours as a multiple of each other server."""
    for case in cases:
        values = found[case.name]
        row: dict[str, Any] = {"case": case.name, "unit": case.unit, "goal": case.goal}
        row |= {name: statistics.median(v[0] for v in each) for name, each in values.items()}
        for other in (GANESHA, UNFS3, FLOOR, BEFORE):
            each, per_cpu = ratios(values, other), ratios(values, other, which=1)
            if each:
                row[f"to {other}"] = statistics.median(each)
                row[f"spread to {other}"] = (min(each), max(each))
            if per_cpu:
                row[f"cpu {other}"] = statistics.median(per_cpu)
        yield row


def table(found: list[dict[str, Any]]) -> str:
    """The rows as text."""
    named = [n for n in (GANESHA, UNFS3, BEFORE, OURS, FLOOR) if any(n in row for row in found)]
    compared = [n for n in named if n != OURS and any(f"to {n}" in row for row in found)]
    heads = [f"{what} {n}" for n in compared for what in ("to", "cpu")]
    lines = [["case", "unit", *named, *heads, "spread", "goal"]]
    for row in found:
        others = [n for n in compared if f"spread to {n}" in row and n != FLOOR]
        apart = " ".join("{:.2f}-{:.2f}".format(*row[f"spread to {n}"]) for n in others)
        lines.append([
            row["case"], row["unit"], *(f"{row[n]:.4g}" if n in row else "" for n in named),
            *(f"{row[head]:.2f}x" if head in row else "" for head in heads), apart, row["goal"],
        ])  # fmt: skip
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return "\n".join(
        line[0].ljust(widths[0])
        + "".join(f"  {text:>{width}}" for text, width in zip(line[1:], widths[1:], strict=True))
        for line in lines
    )


def page(found: list[dict[str, Any]]) -> str:
    """The rows as a table of docs/explanation/nfs-performance.md."""
    named = [n for n in (GANESHA, UNFS3, OURS, FLOOR) if any(n in row for row in found)]
    others = [n for n in (GANESHA, UNFS3, FLOOR) if n in named]
    heads = ["case", "unit", *named, *(f"to {n}, cpu" for n in others), "goal"]
    lines = [heads, ["---"] * len(heads)]
    for row in found:
        pairs = ([row.get(f"to {n}"), row.get(f"cpu {n}")] for n in others)
        shown = (", ".join(f"{value:.2f}x" for value in pair if value) for pair in pairs)
        values = (_shown(row[n]) if n in row else "" for n in named)
        lines.append([row["case"], row["unit"], *values, *shown, row["goal"]])
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _shown(value: float) -> str:
    return f"{value:,.0f}" if value >= LONG_NUMBER else f"{value:.3g}"


def arguments() -> argparse.Namespace:
    """The command line."""
    options = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    options.add_argument("--quick", action="store_true", help="fewer cases, one short round")
    options.add_argument("--rounds", type=int, default=5)
    options.add_argument("--seconds", type=float, default=1.0, help="for each measurement")
    options.add_argument("--only", default="", help="cases whose name contains this")
    options.add_argument("--servers", default="", help="only these, with commas")
    options.add_argument("--unfs3", metavar="PATH", default="", help="the program unfsd")
    options.add_argument("--fio", metavar="PATH", default="", help="a fio with the engine nfs")
    options.add_argument("--options", default=OPTIONS, help="of our export")
    options.add_argument("--folder", metavar="DIR", default="/var/tmp", help="for the files")
    options.add_argument("--page", action="store_true", help="print a table for the documentation")
    options.add_argument("--json", metavar="FILE", help="write all values there")
    options.add_argument("--before", metavar="DIR", default="", help="compare with this checkout")
    given = options.parse_args()
    if given.quick:
        given.rounds, given.seconds = 1, 0.3
    return given


def main() -> int:
    """Measure, print a table, and write a file if asked."""
    given = arguments()
    if os.geteuid() != 0:
        sys.exit("bench/nfs.py: network namespaces need root; run it with sudo")
    cases = [c for c in CASES if given.only in c.name and (c.quick or not given.quick)]
    cases = [c for c in cases if given.fio or not c.measure.startswith("fio")]
    fio = str(Path(given.fio).resolve()) if given.fio else ""
    before = str(Path(given.before).resolve()) if given.before else ""
    for source in (HERE.parent, *([Path(before)] if before else [])):
        compileall.compile_dir(source / "src", quiet=1)  # as an installed package is
    with tempfile.TemporaryDirectory(dir=given.folder) as folder:
        programs, export = Path(folder, "programs"), Path(folder, "export")
        os.chmod(folder, 0o755)
        programs.mkdir()
        export.mkdir()
        build(programs)
        fill(export)
        site = Site("", str(export), str(programs), given.unfs3, before, given.options, fio)
        values = rounds(given, cases, site)
    found = list(rows(cases, values))
    print("\n".join(f"{name}: {text}" for name, text in machine().items()))
    print(f"{given.rounds} rounds of {given.seconds} s each, our options: {given.options}\n")
    print(page(found) if given.page else table(found))
    if given.json:
        report = {**machine(), "options": given.options, "rows": found, "values": values}
        Path(given.json).write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
