"""Where does the port mapper's time go, call by call?

The daemon runs in its own namespaces and on one core, while ``load.c`` calls it from another. py-
spy samples its stack many times a second, except while it waits. The output is the share of
samples of each function. System calls have rows of their own; other C code counts for the Python
function that called it. Sampling slows the daemon down, so rates are measured by ``portmap.py``.

    sudo .venv/bin/python bench/portmap_profile.py [--only TEXT] [--svg DIRECTORY]
"""

from __future__ import annotations

import argparse
import compileall
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path

import portmap_inside as inside
from portmap_cases import CALLS, Case

from portmap import HERE, build, machine

CASES = (
    Case("GETPORT", "udp", 64),
    Case("GETPORT", "tcp", 64),
    Case("GETPORT", "connect", 64),
    Case("DUMP v2", "udp", 16),
)
RATE = 200
"""Samples a second. The daemon stops while its stack is read."""

MARGIN = 2.0
"""Seconds that the load lasts longer than the sampling."""

SPY = Path(sys.executable).with_name("py-spy")
PYTHON = re.compile(r"(?P<name>.+) \((?P<file>[^()]+\.py):\d+\)$")
SYSTEM_CALL = re.compile(
    r"_*(?:GI_+|libc_)?(?P<name>accept4?|close|epoll_(?:ctl|p?wait)|(?:get|set)sockopt"
    r"|get(?:peer|sock)name|read|recv(?:from|m?msg)?|send(?:to|m?msg)?|shutdown|write)"
    r" \(libc[.\d\w-]*\)$"
)


def worker(stack: str) -> str:
    """The system call at the end of a stack, or the last Python function."""
    frames = stack.split(";")
    if call := SYSTEM_CALL.match(frames[-1]):
        return f"{call['name']}(2)"
    for frame in reversed(frames):
        if function := PYTHON.match(frame):
            return f"{function['name']}, {function['file']}"
    return "the interpreter"


def looks(case: Case, seconds: float, directory: str, pid: int, svg: str) -> Counter[str]:
    """The number of samples of each function during the load of a case."""
    place = inside.SOCKET if case.transport == "local" else str(inside.PORT)
    load = [
        f"{directory}/load", case.transport, "127.0.0.1", place, str(case.outstanding),
        str((seconds + MARGIN) * (2 if svg else 1)), CALLS[case.call],
    ]  # fmt: skip
    calling = subprocess.Popen(
        load, stdout=subprocess.PIPE, preexec_fn=lambda: os.sched_setaffinity(0, inside.LOAD)
    )
    raw = f"{directory}/raw"
    record(raw, "raw", seconds, pid)
    if svg:
        record(f"{svg}/{case.transport}-{case.call.replace(' ', '-')}.svg", "flamegraph", seconds,
               pid)  # fmt: skip
    said, _ = calling.communicate()
    if json.loads(said)["wrong"]:
        raise ValueError(f"{case.name}: some replies were wrong")
    found: Counter[str] = Counter()
    for line in Path(raw).read_text(encoding="utf-8").splitlines():
        stack, _, count = line.rpartition(" ")
        found[worker(stack)] += int(count)
    return found


def record(path: str, form: str, seconds: float, pid: int) -> None:
    """Sample the stacks of the daemon, and write them to a file."""
    command = [
        str(SPY), "record", "--native", "--rate", str(RATE),
        "--duration", str(max(1, int(seconds))),
        "--format", form, "--output", path, "--pid", str(pid),
    ]  # fmt: skip
    done = subprocess.run(
        command, capture_output=True, text=True,
        preexec_fn=lambda: os.sched_setaffinity(0, inside.LOAD),
    )  # fmt: skip
    if done.returncode:
        sys.exit(f"bench/portmap_profile.py: {done.stderr.strip()}")


def table(found: Counter[str], most: int) -> str:
    """The functions by the number of their samples."""
    total = found.total()
    rows = [(f"{count / total:6.1%}", name) for name, count in found.most_common(most)]
    rest = total - sum(count for _, count in found.most_common(most))
    return "\n".join(
        f"{share}  {name}" for share, name in [*rows, (f"{rest / total:6.1%}", "rest")]
    )


def profile(cases: list[Case], given: argparse.Namespace) -> None:
    """Start the daemon and profile it. It ends with the namespace of this process."""
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", "mode=755", "tmpfs", "/run"], check=True)
    for path in ("/run/rpcbind", "/run/lock"):
        os.mkdir(path)
    with tempfile.TemporaryDirectory() as directory:
        build(directory)
        compileall.compile_dir(HERE.parent / "src", quiet=1)
        process, _ = inside.start(inside.command_of(inside.OURS, directory, ""))
        inside.register(cases[0].entries)
        print("\n".join(f"{name}: {text}" for name, text in machine().items()))
        for case in cases:
            found = looks(case, given.seconds, directory, process.pid, given.svg)
            print(f"\n{case.name}: {found.total()} looks\n{table(found, given.top)}", flush=True)
        process.send_signal(signal.SIGKILL)
        process.wait()


def main() -> int:
    """Enter new namespaces, and profile there."""
    options = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    options.add_argument("--only", default="", help="cases whose name contains this")
    options.add_argument("--seconds", type=float, default=5.0, help="for each case")
    options.add_argument("--top", type=int, default=12, help="functions that are printed")
    options.add_argument("--svg", default="", metavar="DIRECTORY", help="flame graphs go there")
    options.add_argument("--inside", action="store_true", help=argparse.SUPPRESS)
    given = options.parse_args()
    cases = [case for case in CASES if given.only in case.name]
    if not cases:
        options.error(f"no case has {given.only!r} in its name")
    if os.geteuid() != 0:
        sys.exit("bench/portmap_profile.py: network namespaces need root; run it with sudo")
    if not SPY.exists():
        sys.exit("bench/portmap_profile.py: no py-spy; pip install -e '.[bench]'")
    if given.inside:
        profile(cases, given)
        return 0
    if given.svg:
        os.makedirs(given.svg, exist_ok=True)
    alone = ["unshare", "-n", "-m", "-p", "-f", "--kill-child", "--mount-proc"]
    return subprocess.run([*alone, sys.executable, *sys.argv, "--inside"]).returncode


if __name__ == "__main__":
    sys.exit(main())
