"""How much more do two worker processes of ``nfsd`` answer than one process?

Two clients, each with an address and a load generator of its own, call a server of one process and
one with ``--workers 2`` in turn. Nothing is pinned. With two cores the load generators take part of
the time of the workers: ``cpu`` is what a second of processor time of the server answers, and
``cores`` how many the server kept busy. Medians of the rounds.

    sudo .venv/bin/python bench/nfs_workers.py [--rounds N] [--seconds S]
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from pathlib import Path
from typing import Any

from nfs_cases import CASES, CREDENTIAL, FILE_SIZE, NfsCase, plan
from nfs_inside import NFS, Site, handles_of
from portmap_inside import DEADLINE, processor_time

from nfs import OPTIONS, build, fill
from oncrpc import sync
from oncrpc.programs.nfs3 import NFS_V3, LOOKUP3args, diropargs3, nfs_fh3
from portmap import machine

CLIENTS = ("127.0.0.1", "192.0.2.1")
"""Addresses of the loopback interface: a client has the address that it connects to."""

NAMES = (
    "NULL, 64", "GETATTR, 64", "LOOKUP", "READ 4 KiB", "READ 64 KiB", "WRITE 4 KiB, 16",
    "READDIRPLUS",
)  # fmt: skip
ONE, TWO = 1, 2


def chosen() -> list[NfsCase]:
    """The cases."""
    return [next(case for case in CASES if case.name.startswith(name)) for name in NAMES]


def started(site: Site, workers: int) -> subprocess.Popen[bytes]:
    """A server that answers."""
    exports = Path(site.programs, "exports.workers")
    clients = " ".join(f"{each}({OPTIONS})" for each in CLIENTS)
    exports.write_text(f"{site.export} {clients}\n")
    config = Path(site.programs, "nfsd.toml")
    config.touch()
    process = subprocess.Popen([
        str(Path(sys.executable).parent / "nfsd"), "-f", "-p", str(NFS), "--no-state",
        "--port-mapper", "none", "--exports", str(exports), "--config", str(config),
        "--workers", str(workers),
    ], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)  # fmt: skip
    until = time.monotonic() + DEADLINE
    while time.monotonic() < until:
        try:
            for client in CLIENTS:
                with sync.connect(client, NFS_V3.Client, transport="tcp", port=NFS) as nfs:
                    nfs.NFSPROC3_NULL()
            return process
        except OSError:
            time.sleep(0.01)
    raise TimeoutError("nfsd did not answer")


def processor_time_of_all(pid: int) -> float:
    """Seconds of a process and its children."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return sum(processor_time(int(each)) for each in (pid, *children))


def handle_of(name: str, root: bytes) -> bytes:
    """The handle of a file in the export."""
    with sync.connect(CLIENTS[0], NFS_V3.Client, transport="tcp", port=NFS, auth=CREDENTIAL) as nfs:
        found = nfs.NFSPROC3_LOOKUP(LOOKUP3args(diropargs3(nfs_fh3(root), name.encode())))
    return bytes(found.body.object.data)


def loaded(case: NfsCase, site: Site, pid: int, seconds: float) -> list[float]:
    """Calls a second of both clients, the same a second of processor time, and cores in use."""
    handles = handles_of(site)
    for client in CLIENTS:
        # A WRITE has no attributes from before it if both clients write one file at a time.
        own = {**handles, "write": handle_of(f"write-{client}", handles["."])}
        Path(site.programs, client).write_bytes(plan(case, own, case.size))
    before = processor_time_of_all(pid)
    running = [
        subprocess.Popen(
            [f"{site.programs}/nfs_load", client, str(NFS), f"{site.programs}/{client}",
             str(seconds)],
            stdout=subprocess.PIPE,
        )
        for client in CLIENTS
    ]  # fmt: skip
    results = [json.loads(each.communicate()[0]) for each in running]
    taken = max(processor_time_of_all(pid) - before, 0.001)
    if any(each["wrong"] for each in results):
        raise ValueError(f"{case.name}: wrong replies: {results}")
    number = sum(each["calls"] for each in results)
    rate = sum(each["calls"] / each["seconds"] for each in results)
    return [rate, number / taken, taken / seconds]


def inside(site: Site, workers: int, seconds: float) -> dict[str, list[float]]:
    """Measure all cases with one server."""
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    subprocess.run(["ip", "address", "add", f"{CLIENTS[1]}/32", "dev", "lo"], check=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", "mode=755", "tmpfs", "/run"], check=True)
    process = started(site, workers)
    try:
        return {case.name: loaded(case, site, process.pid, seconds) for case in chosen()}
    finally:
        process.terminate()
        process.wait()


def table(found: Any) -> str:
    """The medians, and two workers as a multiple of one process."""
    lines = [f"{'case':<44}{'one':>10}{'two':>10}{'ratio':>8}{'cpu':>7}{'cores':>14}"]
    for case in chosen():
        one, two = ([statistics.median(v) for v in zip(*found[n][case.name], strict=True)]
                    for n in (ONE, TWO))  # fmt: skip
        pairs = zip(found[ONE][case.name], found[TWO][case.name], strict=True)
        ratio = statistics.median(b[0] / a[0] for a, b in pairs)
        lines.append(
            f"{case.name:<44}{one[0]:>10,.0f}{two[0]:>10,.0f}{ratio:>7.2f}x"
            f"{two[1] / one[1]:>6.2f}x{one[2]:>7.2f}, {two[2]:.2f}"
        )
    return "\n".join(lines)


def main() -> int:
    """Measure, and print a table."""
    options = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    options.add_argument("--rounds", type=int, default=5)
    options.add_argument("--seconds", type=float, default=1.0, help="for each measurement")
    options.add_argument("--folder", metavar="DIR", default="/var/tmp", help="for the files")
    options.add_argument("--inside", help=argparse.SUPPRESS)
    given = options.parse_args()
    if given.inside:
        site, workers = json.loads(given.inside)
        print(json.dumps(inside(Site(*site), workers, given.seconds)))
        return 0
    if os.geteuid() != 0:
        sys.exit("bench/nfs_workers.py: network namespaces need root; run it with sudo")
    found: Any = {ONE: defaultdict(list), TWO: defaultdict(list)}
    with tempfile.TemporaryDirectory(dir=given.folder) as folder:
        os.chmod(folder, 0o755)
        programs, export = Path(folder, "programs"), Path(folder, "export")
        for each in (programs, export):
            each.mkdir()
        build(programs)
        for client in CLIENTS:
            (export / f"write-{client}").write_bytes(bytes(FILE_SIZE))
        fill(export)
        site = Site("ours", str(export), str(programs), "", "", OPTIONS)
        for number in range(given.rounds):
            for workers in (ONE, TWO) if number % 2 == 0 else (TWO, ONE):
                command = [
                    "unshare", "-n", "-m", "-p", "-f", "--kill-child", "--mount-proc",
                    sys.executable, __file__, "--seconds", str(given.seconds),
                    "--inside", json.dumps([site, workers]),
                ]  # fmt: skip
                done = subprocess.run(command, stdout=subprocess.PIPE, check=True, timeout=300)
                for name, values in json.loads(done.stdout).items():
                    found[workers][name].append(values)
    print("\n".join(f"{name}: {text}" for name, text in machine().items()))
    print(f"{given.rounds} rounds of {given.seconds} s each\n\n{table(found)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
