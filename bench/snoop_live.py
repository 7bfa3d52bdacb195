"""Does ``rpcsnoop --stats -i lo`` see every packet while it counts, and what does it cost?

As root. In a network namespace of its own, ``snoop_send.c`` sends calls of GETATTR and their
replies at several rates. For each, the table has the packets that the kernel dropped, and the
processor time of rpcsnoop, with its start, as a part of the time of sending. The sender needs a
core of its own.

    .venv/bin/python bench/snoop_live.py [--seconds N] [--rate N]...
"""

from __future__ import annotations

import argparse
import os
import re
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from struct import pack
from typing import NamedTuple

from portmap import machine

HERE = Path(__file__).parent
RATES = (20_000, 50_000, 100_000, 200_000)
CALL = pack(">10I", 0, 0, 2, 100003, 3, 1, 0, 0, 0, 0) + pack(">I", 32) + bytes(32)
REPLY = pack(">6I", 0, 1, 0, 0, 0, 0) + pack(">I", 0) + bytes(84)
SNOOP = (sys.executable, "-m", "oncrpc.cli.rpcsnoop", "--stats", "-i", "lo")
CLOSING = re.compile(r"(\d+) frames captured, (\d+) dropped")
GETATTR = re.compile(r"^NFS +3 +GETATTR +(\d+) +(\d+)", re.MULTILINE)


class Captured(NamedTuple):
    """Frames that were seen and dropped, answered calls, seconds of sending, and of the tracer."""

    frames: int
    dropped: int
    answered: int
    seconds: float
    cpu: float


def capture(sender: Path, packets: int, rate: int) -> Captured:
    """Count what is sent at a rate."""
    snoop = subprocess.Popen(SNOOP, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert snoop.stdout is not None
    assert snoop.stderr is not None
    snoop.stderr.readline()  # it captures now
    command = [str(sender), CALL.hex(), REPLY.hex(), str(packets), str(rate)]
    sent = subprocess.run(command, capture_output=True, text=True, check=True)
    snoop.send_signal(signal.SIGINT)
    output, complaints = snoop.stdout.read(), snoop.stderr.read()
    _, _, usage = os.wait4(snoop.pid, 0)
    snoop.returncode = 0
    closing, answered = CLOSING.search(complaints), GETATTR.search(output)
    if closing is None or answered is None:
        sys.exit(f"bench/snoop_live.py: rpcsnoop failed: {complaints}")
    counts = int(closing[1]), int(closing[2]), int(answered[2])
    return Captured(*counts, float(sent.stdout), usage.ru_utime + usage.ru_stime)


def main() -> int:
    """Measure in a namespace, and print a table."""
    options = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    options.add_argument("--seconds", type=float, default=5.0)
    options.add_argument("--rate", type=int, action="append", help="packets a second")
    options.add_argument("--inside", action="store_true", help=argparse.SUPPRESS)
    given = options.parse_args()
    if not given.inside:
        if os.geteuid() != 0:
            sys.exit("bench/snoop_live.py: needs root, for a network namespace")
        inside = [sys.executable, *sys.argv, "--inside"]
        return subprocess.run(["unshare", "--net", *inside], check=False).returncode
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    with tempfile.TemporaryDirectory() as folder:
        sender = Path(folder) / "snoop_send"
        subprocess.run(["gcc", "-O2", "-o", sender, HERE / "snoop_send.c"], check=True)
        print("| packets/s | captured | dropped | answered calls | cpu |")
        print("| --- | --- | --- | --- | --- |")
        for rate in given.rate or RATES:
            packets = round(rate * given.seconds / 64) * 64
            found = capture(sender, packets, rate)
            print(
                f"| {packets / found.seconds:,.0f} | {found.frames:,} | {found.dropped:,} |"
                f" {found.answered:,} | {found.cpu / found.seconds:.0%} |",
                flush=True,
            )
    about = machine()
    print(f"\n{about['machine']}, {about['system']}, Python {about['python']}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
