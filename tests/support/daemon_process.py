"""The daemon in its own process, for tests from outside."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
import threading
import time
from collections import Counter
from types import TracebackType

from oncrpc import sync
from oncrpc.addr import split_uaddr
from oncrpc.programs.portmap import PMAP_VERS, mapping

DEADLINE = 20.0


class RunningDaemon:
    """``portmap -f`` on free ports and without local sockets; ended with the context.

    One that is not ``measured`` runs at its own speed when the tests' coverage is.
    """

    def __init__(self, *options: str, measured: bool = True) -> None:
        command = [sys.executable, "-m", "oncrpc.cli.portmap", "-f", "--no-local", "--port", "0"]
        command += ["--liveness", "0"]  # tests register servers that are not there
        kept = (n for n in os.environ if measured or not n.startswith("COV"))
        self.process = subprocess.Popen(
            [*command, *options],
            stderr=subprocess.PIPE,
            stdin=subprocess.DEVNULL,
            text=True,
            env={name: os.environ[name] for name in kept},
        )
        self.lines: list[str] = []
        self.started = time.monotonic()
        self._serving = threading.Event()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def __enter__(self) -> RunningDaemon:
        assert self._serving.wait(DEADLINE), "".join(self.lines)
        serving = next(line for line in self.lines if "serving program" in line)
        self.addresses = dict(re.findall(r"(\w+) (\S+\.\d+\.\d+)(?:,|$)", serving))
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.process.terminate()
        self.process.wait(DEADLINE)
        self._reader.join(DEADLINE)
        assert self.process.stderr is not None
        self.process.stderr.close()

    @property
    def port(self) -> int:
        """The port, the same on every transport."""
        return split_uaddr(self.addresses["tcp"])[1]

    def resident(self) -> int:
        """Bytes of memory that the daemon holds."""
        with open(f"/proc/{self.process.pid}/status", encoding="ascii") as status:
            line = next(line for line in status if line.startswith("VmRSS"))
        return int(line.split()[1]) * 1024

    def connect(self) -> socket.socket:
        """A TCP connection."""
        return socket.create_connection(("127.0.0.1", self.port), DEADLINE)

    def datagrams(self) -> socket.socket:
        """A UDP socket that sends to the daemon."""
        sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        sock.connect(("127.0.0.1", self.port))
        return sock

    def answers(self) -> bool:
        """True if a client gets replies over UDP and over a new TCP connection."""
        for netid in ("udp", "tcp"):
            link = sync.run(sync.dial(netid, "127.0.0.1", self.port, timeout=DEADLINE))
            with link:
                client = PMAP_VERS.Client(link)
                if sync.run(client.PMAPPROC_GETPORT(mapping(100000, 2, 6, 0))) != self.port:
                    return False
        return self.process.poll() is None

    def noisiest(self) -> tuple[str, int]:
        """The most frequent log line and its count; lines that differ only in numbers are one."""
        causes = Counter(re.sub(r"[\d.:]+", "#", line) for line in list(self.lines))
        return max(causes.items(), key=lambda item: item[1])

    def _read(self) -> None:
        assert self.process.stderr is not None
        for line in self.process.stderr:
            self.lines.append(line)
            if "serving program" in line:
                self._serving.set()
        self._serving.set()
