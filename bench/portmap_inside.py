"""Measure one daemon in the namespaces that ``portmap.py`` has made, and print JSON."""

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
OURS, BEFORE = "ours", "before"
LOOP = "asyncio"
"""Without the extra. ``PORTMAP_LOOP=uvloop`` measures with it."""

DEADLINE = 20.0
NULL = bytes.fromhex(CALLS["NULL"])


def command_of(daemon: str, directory: str, before: str) -> list[str]:
    """The command of a daemon; ``before`` is another checkout, with an environment of its own."""
    scripts = {OURS: Path(sys.executable).parent, BEFORE: Path(before, ".venv", "bin")}
    if daemon in scripts:
        return [str(scripts[daemon] / "portmap"), "-f", "--liveness", "0"]
    return [f"{directory}/echo", str(PORT)] if daemon == ECHO else ["rpcbind", "-f"]


def start(command: list[str]) -> tuple[subprocess.Popen[bytes], float]:
    """Start a daemon on its core; the process, and milliseconds until it answered."""
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
    raise TimeoutError(f"{command[0]} did not answer")


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
    """Seconds that the threads of a process have run, to the nanosecond; its stat counts ticks."""
    spent = 0
    for task in Path(f"/proc/{pid}/task").iterdir():
        with contextlib.suppress(FileNotFoundError):  # a thread that has ended
            spent += int((task / "schedstat").read_text(encoding="ascii").split()[0])
    return spent / 1e9


def loaded(case: Case, pid: int, directory: str, seconds: float) -> list[float]:
    """The value of the load generator, and for rates the same for each second of processor time.

    The latter depends less on what else the machine does.
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
    daemon, entries, seconds, directory, names, before = json.loads(sys.argv[1])
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", "mode=755", "tmpfs", "/run"], check=True)
    for path in ("/run/rpcbind", "/run/lock"):
        os.mkdir(path)
    process, milliseconds = start(command_of(daemon, directory, before))
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
