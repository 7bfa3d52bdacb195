"""How fast does ``rpcsnoop`` read a capture, compared with tshark and tcpdump, in how much memory?

The captures are made here (``snoop_captures.py``): NFS version 3 over TCP, and some UDP. In a round
each command reads each capture once, in alternating order, with its output to /dev/null. The table
has the medians of processor time (user and system) of the rounds, the lowest and highest, how many
times faster than tshark ours is in the same form (the median of the ratios of the rounds), and the
peak memory. tcpdump only shows what it costs to read a capture: it prints no RPC over other ports.

    .venv/bin/python bench/snoop.py [--quick] [--rounds N] [--messages N]... [--json FILE]
"""

from __future__ import annotations

import argparse
import compileall
import json
import os
import shutil
import statistics
import sys
import tempfile
from pathlib import Path
from typing import Any, NamedTuple

import snoop_captures

from portmap import machine, progress

SOURCE = Path(__file__).parents[1] / "src"
RPCSNOOP = (sys.executable, "-m", "oncrpc.cli.rpcsnoop")
COMMANDS: dict[str, tuple[str, ...]] = {
    "tshark statistics": ("tshark", "-n", "-q", "-z", "rpc,programs", "-r"),
    "tshark lines": ("tshark", "-n", "-r"),
    "tcpdump lines": ("tcpdump", "-n", "-r"),
    "rpcsnoop statistics": (*RPCSNOOP, "--stats"),
    "rpcsnoop lines": RPCSNOOP,
    "rpcsnoop -v": (*RPCSNOOP, "-v"),
    "rpcsnoop --json": (*RPCSNOOP, "--json"),
}
FULL = ("rpcsnoop -v", "rpcsnoop --json")
"""The forms with all fields, which are measured only with ``--full``."""

ANCHORS = {
    "rpcsnoop statistics": ("tshark statistics", 2.5),
    "rpcsnoop lines": ("tshark lines", 1.0),
}
"""The command that each form is compared with, and the goal for the ratio."""

MEMORY_GOAL = 40
"""MiB, for a capture of any size."""


class Run(NamedTuple):
    """Seconds of processor time, and MiB of memory at most."""

    seconds: float
    memory: float


def run(command: tuple[str, ...], capture: Path) -> Run:
    """Run a command to its end."""
    pid = os.fork()
    if pid == 0:
        nothing = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nothing, 1)
        os.dup2(nothing, 2)
        os.execvp(command[0], [*command, str(capture)])
    _, status, usage = os.wait4(pid, 0)
    if status:
        sys.exit(f"bench/snoop.py: {' '.join(command)}: ended with status {status}")
    return Run(usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024)


def measure(capture: Path, names: list[str], rounds: int) -> dict[str, list[Run]]:
    """The runs of each command."""
    found: dict[str, list[Run]] = {name: [] for name in names}
    for number in range(rounds):
        for name in names if number % 2 == 0 else names[::-1]:
            progress(f"{capture.name}: round {number + 1} of {rounds}: {name}")
            found[name].append(run(COMMANDS[name], capture))
    progress("")
    return found


def row(name: str, runs: dict[str, list[Run]]) -> dict[str, Any]:
    """The figures of a command for the table."""
    seconds = [each.seconds for each in runs[name]]
    made: dict[str, Any] = {
        "command": name,
        "seconds": round(statistics.median(seconds), 3),
        "lowest": round(min(seconds), 3),
        "highest": round(max(seconds), 3),
        "MiB": round(max(each.memory for each in runs[name]), 1),
    }
    anchor, goal = ANCHORS.get(name, ("", 0.0))
    if anchor in runs:
        pairs = zip(runs[anchor], runs[name], strict=True)
        made["ratio"] = round(statistics.median(a.seconds / b.seconds for a, b in pairs), 2)
        made["goal"] = goal
    return made


def show(messages: int, rows: list[dict[str, Any]]) -> None:
    """Print a table."""
    print(f"\n{messages:,} messages")
    print(f"{'':22}{'seconds':>9}{'lowest':>9}{'highest':>9}{'ratio':>8}{'goal':>7}{'MiB':>8}")
    for each in rows:
        ratio = f"{each['ratio']:8.2f}{each['goal']:7.1f}" if "ratio" in each else " " * 15
        times = "".join(f"{each[key]:9.3f}" for key in ("seconds", "lowest", "highest"))
        over = (
            " over the goal" if "rpcsnoop" in each["command"] and each["MiB"] > MEMORY_GOAL else ""
        )
        print(f"{each['command']:22}{times}{ratio}{each['MiB']:8.1f}{over}")


def main() -> int:
    """Measure, print tables, and write a file if asked."""
    options = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    options.add_argument("--quick", action="store_true", help="10,000 messages, one round")
    options.add_argument("--rounds", type=int, default=5)
    options.add_argument("--messages", type=int, action="append", help="of a capture, in place of "
                         "50,000 and 1,000,000")  # fmt: skip
    options.add_argument("--full", action="store_true", help="also -v and --json")
    options.add_argument("--only", default="", help="commands whose name contains this")
    options.add_argument("--json", metavar="FILE", help="write all values there")
    given = options.parse_args()
    sizes = [10_000] if given.quick else given.messages or [50_000, 1_000_000]
    names = [
        name for name, (program, *_) in COMMANDS.items()
        if shutil.which(program) and (given.full or name not in FULL) and given.only in name
    ]  # fmt: skip
    compileall.compile_dir(SOURCE, quiet=2)
    results: dict[str, Any] = {**machine(), "captures": {}}
    with tempfile.TemporaryDirectory() as folder:
        for size in sizes:
            capture = Path(folder) / f"{size}.pcap"
            progress(f"writing {size:,} messages")
            snoop_captures.write(capture, size)
            runs = measure(capture, names, 1 if given.quick else given.rounds)
            rows = results["captures"][str(size)] = [row(name, runs) for name in names]
            show(size, rows)
            capture.unlink()
    print(f"\n{results['machine']}, {results['system']}, Python {results['python']}")
    if given.json:
        Path(given.json).write_text(json.dumps(results, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
