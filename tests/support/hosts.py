"""Network namespaces that a test can enter, and our port mapper to run in them.

A socket belongs to the network namespace in which it was made, so that a test speaks to a host's
port mapper byte by byte without a process there:

    with Host() as host:
        daemon = host.start(portmap("-r"))
        with host.network():
            sock = socket.create_connection(("127.0.0.1", 111))
"""

from __future__ import annotations

import ctypes
import os
import select
import shlex
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import msgspec

import oncrpc
from oncrpc import sync
from oncrpc.client.port_mapper import MapperClient
from oncrpc.programs.rpcb import rpcb
from oncrpc.sync import SocketLink
from support.namespace import DEADLINE, PYTHON, Namespace, PortMapper

CLONE_NEWNET = 0x40000000
PORTMAP = (PYTHON, "-m", "oncrpc.cli.portmap")
C_RPCBIND = PortMapper(("rpcbind", "-f", "-r"), needs="rpcbind")


FOR_ALL = """
mkdir /run/python /run/source /run/packages
mount --bind {prefix} /run/python
mount --bind {source} /run/source
mount --bind {packages} /run/packages
"""
"""What runs us, which may lie where only root gets, where everybody does."""


def for_all(host: Host, module: str = PORTMAP[-1]) -> list[str]:
    """The command of our module, as an ordinary user of the host can give it."""
    prefix = os.path.realpath(sys.base_prefix)
    source = Path(oncrpc.__file__).resolve().parents[1]
    packages = Path(msgspec.__file__).resolve().parents[1]
    places = {"prefix": prefix, "source": source, "packages": packages}
    host.sh(FOR_ALL.format(**{name: shlex.quote(str(path)) for name, path in places.items()}))
    python = os.path.relpath(os.path.realpath(sys.executable), prefix)
    paths = "PYTHONPATH=/run/source:/run/packages"
    return ["env", paths, f"/run/python/{python}", "-m", module]


def portmap(*options: str) -> PortMapper:
    """Our port mapper in the foreground; tests register servers that are not there."""
    return PortMapper((*PORTMAP, "-f", "--liveness", "0", *options), needs=PYTHON)


class Host(Namespace):
    """A namespace whose network this process can enter for a moment."""

    @contextmanager
    def network(self) -> Iterator[None]:
        """Sockets that this thread makes within the context are the host's."""
        ours = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
        theirs = os.open(f"/proc/{self.within}/ns/net", os.O_RDONLY)
        try:
            _enter(theirs)
            try:
                yield
            finally:
                _enter(ours)
        finally:
            os.close(ours)
            os.close(theirs)

    async def dial(self, netid: str, host: str, port: int = 111) -> SocketLink:
        """A link from this host to an address, or to a path on it."""
        with self.network():
            place = self.path(host) if host.startswith("/") else host
            return await sync.dial(netid, place, port, timeout=DEADLINE)

    def mapper(self, *, port: int = 111) -> MapperClient:
        """Asks and tells the port mapper of this host, as root over the local socket."""
        return MapperClient(self.dial, port=port)

    def registered(self, prog: int) -> list[rpcb]:
        """The registrations of a program at this host's port mapper."""
        return [entry for entry in sync.run(self.mapper().dump()) if entry.r_prog == prog]

    def serves(self, netid: str, address: str, port: int = 111) -> bool:
        """True if a server accepts connections there."""
        try:
            sync.run(self.dial(netid, address, port)).close()
        except OSError:
            return False
        return True

    def sh(self, script: str) -> None:
        """Run a shell script on the host; it has to succeed."""
        done = self.run(["sh", "-ec", script])
        assert done.returncode == 0, done.stderr

    def port_mapper_pid(self) -> int:
        """The process that listens on the local socket, however it got to the background."""
        with socket.socket(socket.AF_UNIX) as sock:
            sock.connect(self.path("/run/rpcbind.sock"))
            data = sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12)
        return int.from_bytes(data[:4], sys.byteorder)


def _enter(descriptor: int) -> None:
    if ctypes.CDLL(None, use_errno=True).setns(descriptor, CLONE_NEWNET) != 0:
        raise OSError(ctypes.get_errno(), "setns")


def until(true: Callable[[], bool], what: str) -> None:
    """Poll until it is true; past the deadline the test fails."""
    deadline = time.monotonic() + DEADLINE
    pause = threading.Event()
    while not true():
        assert time.monotonic() < deadline, f"not within {DEADLINE} s: {what}"
        pause.wait(0.01)


def wait_gone(pid: int) -> None:
    """Wait for the end of a process that is not our child."""
    try:
        descriptor = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    try:
        ready, _, _ = select.select([descriptor], [], [], DEADLINE)
        assert ready, f"process {pid} does not end"
    finally:
        os.close(descriptor)


def status_of(pid: int) -> dict[str, str]:
    """``/proc/PID/status``."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return {name: value.strip() for name, _, value in (line.partition(":") for line in lines)}


def finished(child: subprocess.Popen[str]) -> int:
    """Wait for a process to end; returns its exit status."""
    return child.wait(DEADLINE)


def compiled(argv: Sequence[str], folder: Path) -> None:
    """Run a compiler in a folder; it has to succeed."""
    done = subprocess.run(argv, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
