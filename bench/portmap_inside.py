"""Measures one daemon in the namespaces that ``portmap.py`` has made; prints JSON."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from portmap_cases import CALLS, CASES, ECHO, PROG, VERS, Case

from oncrpc import sync
from oncrpc.programs.rpcb import RPCBVERS4, rpcb

SERVER, LOAD = {0}, {1 % (os.cpu_count() or 1)}
SOCKET, PORT = "/run/rpcbind.sock", 111
COMMANDS = {
    "C rpcbind": ["rpcbind", "-f"],
    "ours": [str(Path(sys.executable).with_name("portmap")), "-f", "--liveness", "0"],
}
LOOP = "asyncio"
"""Ours is measured as it is without the extra; ``PORTMAP_LOOP=uvloop`` measures it with that."""

DEADLINE = 20.0
NULL = bytes.fromhex(CALLS["NULL"])


def start(daemon: str, directory: str) -> tuple[subprocess.Popen[bytes], float]:
    """Start the daemon on its core; the process, and milliseconds until it answered."""
    command = COMMANDS.get(daemon) or [f"{directory}/echo", str(PORT)]
    began = time.monotonic()
    process = subprocess.Popen(
        command,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env={"PORTMAP_LOOP": LOOP, **os.environ},
        preexec_fn=lambda: os.sched_setaffinity(0, SERVER),
    )
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.settimeout(0.001)
        while time.monotonic() < began + DEADLINE:
            try:
                sock.sendto(NULL, ("127.0.0.1", PORT))
                sock.recv(100)
                return process, (time.monotonic() - began) * 1e3
            except OSError:
                continue
    raise TimeoutError(f"{daemon} did not answer")


def register(entries: int) -> None:
    """Register programs, a third of them on each of three netids."""
    with sync.connect(SOCKET, RPCBVERS4.Client, transport="local") as client:
        for n in range(entries):
            netid = (b"udp", b"tcp", b"udp6")[n % 3]
            host = b"::" if netid == b"udp6" else b"0.0.0.0"
            entry = rpcb(PROG + n // 3, VERS, netid, host + b".8.1", b"")
            assert client.RPCBPROC_SET(entry)


def resident(pid: int) -> float:
    """MiB of memory."""
    with open(f"/proc/{pid}/status", encoding="ascii") as status:
        return int(next(line for line in status if line.startswith("VmRSS")).split()[1]) / 1024


def with_connections(pid: int) -> float:
    """The same while 900 connections are open, from four sources: ours takes 250 from one."""
    sources = [(f"127.0.0.{2 + n % 4}", 0) for n in range(900)]
    to = ("127.0.0.1", PORT)
    socks = [socket.create_connection(to, source_address=source) for source in sources]
    time.sleep(0.5)
    for sock in socks:
        sock.setblocking(False)
        with contextlib.suppress(BlockingIOError):
            raise SystemExit(f"a connection was closed: {sock.recv(1)!r}")
    found = resident(pid)
    for sock in socks:
        sock.close()
    return found


def processor_time(pid: int) -> float:
    """Seconds that a process has had of the processor."""
    with open(f"/proc/{pid}/stat", encoding="ascii") as stat:
        fields = stat.read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def loaded(case: Case, pid: int, directory: str, seconds: float) -> list[float]:
    """What the load generator measures, and for rates the same a second of processor time.

    The second does not depend on what else the machine does.
    """
    before = processor_time(pid)
    place = SOCKET if case.transport == "local" else str(PORT)
    done = subprocess.run(
        [
            f"{directory}/load", case.transport, "127.0.0.1", place, str(case.outstanding),
            str(seconds), CALLS[case.call], str(case.sources),
        ],
        stdout=subprocess.PIPE, check=True, preexec_fn=lambda: os.sched_setaffinity(0, LOAD),
    )  # fmt: skip
    found = json.loads(done.stdout)
    if found["wrong"]:
        raise ValueError(f"{case.name}: {found['wrong']} of {found['calls']} replies were wrong")
    if case.measure == "p50":
        return [found["p50"]]
    taken = max(processor_time(pid) - before, 0.01)
    return [found["calls"] / found["seconds"], found["calls"] / taken]


def main() -> None:
    """Measure, and print the values by case."""
    daemon, entries, seconds, directory, names = json.loads(sys.argv[1])
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", "mode=755", "tmpfs", "/run"], check=True)
    for path in ("/run/rpcbind", "/run/lock"):
        os.mkdir(path)
    process, milliseconds = start(daemon, directory)
    found: dict[str, Any] = {}
    if daemon != ECHO:
        register(entries)
    for case in CASES:
        if case.name in names:
            special = {
                "start": lambda: milliseconds,
                "idle": lambda: resident(process.pid),
                "connections": lambda: with_connections(process.pid),
            }.get(case.measure)
            found[case.name] = (
                [special()] if special else loaded(case, process.pid, directory, seconds)
            )
    process.send_signal(signal.SIGKILL)
    process.wait()
    print(json.dumps(found))


if __name__ == "__main__":
    main()
