"""Is an honest client still answered while others attack the port mapper?

    python bench/abuse.py [--rounds N] [--seconds N] [--each] [--json FILE]

Ours and the C rpcbind are attacked in turn, each in its own network namespace. A cable leads to a
second namespace with the clients. The attackers have other addresses than the honest client,
which makes GETPORT calls over UDP, and over TCP with a new connection for each call. The server
has priority on processor 0, and the honest clients have it on processor 1, so that the server is
measured. A call over UDP is sent again after 0.5 s, 1 s and so on, as clients do; a call without
a reply after 5 s has failed.

The promise for ours: under all attacks at once the 99th percentile is less than ten times that of
the idle server, and no call fails. The flood without a limit shows what is beyond that.
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
from collections.abc import Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "tests"))

from oncrpc import sync  # noqa: E402
from support.hosts import PORTMAP, Host  # noqa: E402
from support.namespace import PYTHON, PortMapper  # noqa: E402

SERVER, GATEWAY, HONEST = "10.7.0.1", "10.7.0.2", "10.8.1.1"
ON_SERVER = ("nice", "-n", "-15", "taskset", "-c", "0")
ON_CLIENTS = ("taskset", "-c", "1")
SERVERS = {
    "ours": PortMapper((*ON_SERVER, *PORTMAP, "-f", "--no-state", "--liveness", "0"), needs=PYTHON),
    "C rpcbind": PortMapper((*ON_SERVER, "rpcbind", "-f"), needs="rpcbind"),
}
"""The listed addresses have no server, so ours must not check them."""

RATES = {"udp": 200, "connect": 100}
"""Calls a second of the honest clients."""

ATTACKS = {
    "20,000 junk datagrams/s of 64 hosts": ("junk", 64, 20_000),
    "2,000 connections of 16 hosts, a byte/s each": ("slow", 16, 2000),
    "4 connections that never read": ("deaf", 4, 4),
    "2,000 DUMP/s over UDP of 64 hosts": ("dump", 64, 2000),
    "200 DUMP/s over a connection": ("dumps", 1, 200),
}
FLOOD = {"junk datagrams as fast as they go": ("junk", 64, 0)}
PROGRAMS, MOST = 25, 10
"""Registered programs, at two addresses each; and the factor by which latency may grow."""


class Result(NamedTuple):
    """The results of one honest client in one phase."""

    server: str
    phase: str
    transport: str
    found: dict[str, Any]


def main(arguments: Sequence[str]) -> int:
    """Attack the daemon; the exit status is 0 if honest clients are served as promised."""
    options = _options(arguments)
    phases: dict[str, dict[str, tuple[str, int, int]]] = {"idle": {}, "all attacks": ATTACKS}
    if options.each:
        phases |= {name: {name: attack} for name, attack in ATTACKS.items()}
    phases["flood without limit"] = FLOOD
    results, load = list[Result](), list[dict[str, Any]]()
    with tempfile.TemporaryDirectory() as folder:
        program = os.path.join(folder, "abuse")
        subprocess.run(["cc", "-O2", "-o", program, HERE / "abuse.c"], check=True)
        for _ in range(options.rounds):
            for server, port_mapper in SERVERS.items():
                if server in (options.server or SERVERS) and shutil.which(port_mapper.needs):
                    with _attacked(server) as clients:
                        for phase, attacks in phases.items():
                            found, done = _phase(clients, program, attacks, options.seconds)
                            results += [Result(server, phase, *each) for each in found.items()]
                            load.append({"server": server, "phase": phase, "load": done})
    document = _document(results, load)
    _print(document)
    if options.json:
        Path(options.json).write_text(json.dumps(document, indent=2) + "\n")
    return 0 if document["kept"] else 1


def _options(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="bench/abuse.py")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=6.0, help="of every phase")
    parser.add_argument("--server", choices=SERVERS, action="append", help="only this one")
    parser.add_argument("--each", action="store_true", help="every attack alone, too")
    parser.add_argument("--json", metavar="FILE")
    return parser.parse_args(arguments)


@contextmanager
def _attacked(server: str) -> Any:
    """A server with something to list, and the host of the clients at the other end of a cable."""
    with Host() as host, Host() as clients:
        cable = f"ip link add cable type veth peer name cable netns {clients.holder.pid}"
        host.sh(f"{cable}; ip address add {SERVER}/24 dev cable; ip link set cable up")
        clients.sh(f"ip address add {GATEWAY}/24 dev cable; ip link set cable up")
        clients.sh("ip route add local 10.8.0.0/16 dev lo")
        host.sh(f"ip route add 10.8.0.0/16 via {GATEWAY}")
        host.start(SERVERS[server])
        for number in range(PROGRAMS):
            for netid in ("udp", "tcp"):
                uaddr = f"0.0.0.0.8.{number}"
                assert sync.run(host.mapper().set(400000 + number, 1, netid, uaddr))
        yield clients


def _phase(
    clients: Host, program: str, attacks: dict[str, tuple[str, int, int]], seconds: float
) -> tuple[dict[str, dict[str, Any]], dict[str, Any]]:
    """The output of clients and attackers; the attack begins first and ends last."""
    before = min(seconds, 1.5)
    attackers = {
        name: _started(clients, program, mode, sources, amount, 2 * before + seconds)
        for name, (mode, sources, amount) in attacks.items()
    }
    if attackers:
        clients.run(["sleep", str(before)])
    honest = {
        transport: _started(clients, program, transport, HONEST, rate, seconds, first=True)
        for transport, rate in RATES.items()
    }
    found = {transport: _said(child) for transport, child in honest.items()}
    return found, {name: _said(child) for name, child in attackers.items()}


def _started(
    clients: Host, program: str, *words: object, first: bool = False
) -> subprocess.Popen[str]:
    mode, sources, amount, seconds = words
    priority = ("chrt", "-f", "10") if first and _may_go_first() else ()
    command = (program, mode, SERVER, sources, amount, seconds)
    return clients.popen([*ON_CLIENTS, *priority, *map(str, command)])


def _may_go_first() -> bool:
    done = subprocess.run(["chrt", "-f", "10", "true"], capture_output=True, check=False)
    return done.returncode == 0


def _said(child: subprocess.Popen[str]) -> dict[str, Any]:
    output, _ = child.communicate()
    found: dict[str, Any] = json.loads(output)
    return found


def _document(results: Sequence[Result], load: Sequence[dict[str, Any]]) -> dict[str, Any]:
    rows = []
    for key in dict.fromkeys(result[:3] for result in results):
        found = [result.found for result in results if result[:3] == key]
        row = dict(zip(("server", "phase", "transport"), key, strict=True))
        idle = [r.found["p99"] for r in results if r[:3] == (key[0], "idle", key[2])]
        p99 = [each["p99"] for each in found]
        rows.append({
            **row,
            "p50": statistics.median(each["p50"] for each in found),
            "p99": statistics.median(p99),
            "p99_from": min(p99), "p99_to": max(p99),
            "times_idle": round(statistics.median(p99) / statistics.median(idle), 1),
            "max": max(each["max"] for each in found),
            **{name: sum(each[name] for each in found) for name in ("calls", "resent", "failed")},
        })  # fmt: skip
    promised = [r for r in rows if r["server"] == "ours" and r["phase"] == "all attacks"]
    kept = all(row["times_idle"] < MOST and not row["failed"] for row in promised)
    return {"machine": _machine(), "rows": rows, "kept": kept, "load": list(load)}


def _machine() -> dict[str, Any]:
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    model = next((line.partition(": ")[2] for line in lines if line.startswith("model name")), "?")
    return {
        "processor": model, "processors": os.cpu_count(), "kernel": platform.release(),
        "python": platform.python_version(), "load_average": os.getloadavg(),
    }  # fmt: skip


def _print(document: dict[str, Any]) -> None:
    machine = document["machine"]
    print(f"{machine['processors']} x {machine['processor']}, Linux {machine['kernel']},"
          f" Python {machine['python']}; microseconds, medians of rounds")  # fmt: skip
    print("All attacks: " + "; ".join(ATTACKS))
    print(f"{'server':<10}{'phase':<48}{'over':<9}{'p50':>8}{'p99':>10}{'(of rounds)':>20}"
          f"{'x idle':>8}{'max':>10}{'calls':>7}{'resent':>7}{'failed':>7}")  # fmt: skip
    for row in document["rows"]:
        rounds = f"{row['p99_from']:.0f}-{row['p99_to']:.0f}"
        print(f"{row['server']:<10}{row['phase']:<48}{row['transport']:<9}{row['p50']:>8.0f}"
              f"{row['p99']:>10.0f}{rounds:>20}{row['times_idle']:>8}{row['max']:>10.0f}"
              f"{row['calls']:>7}{row['resent']:>7}{row['failed']:>7}")  # fmt: skip
    for flood in (each for each in document["load"] if each["phase"] == "flood without limit"):
        sent = next(iter(flood["load"].values()))["a_second"]
        print(f"flood without limit at {flood['server']}: {sent:.0f} datagrams/s")
    print("promise kept" if document["kept"] else "promise NOT kept")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
