"""A host in a namespace: its own loopback, interfaces, ports and ``/run``.

    with Namespace() as host:
        host.start(PORT_MAPPERS["C rpcbind"])
        host.run(["rpcinfo", "-p"])

What runs in it is reached through nsenter(1), and ended by its process id.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import IO, NamedTuple, Self

import pytest

from oncrpc import sync
from oncrpc.errors import OncRpcError
from oncrpc.programs.portmap import PMAP_VERS

DEADLINE = 10.0
"""Seconds for a peer to become ready before the test fails."""

PYTHON = sys.executable
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
TESTS = Path(__file__).resolve().parents[1]
SETUP = """
set -e
ip link set lo up
ip link add lan0 type veth peer name lan1
ip address add 10.9.0.1/24 broadcast 10.9.0.255 dev lan0
ip address add 10.77.0.1/16 broadcast 10.77.255.255 dev lan0
ip link set lan0 up
ip link set lan1 up
mount -t tmpfs -o mode=755 tmpfs /run
mkdir -p /run/lock /run/rpcbind
echo ready
exec sleep infinity
"""
"""A second and a third address, on an interface with broadcast; a private and empty ``/run``."""


class PortMapper(NamedTuple):
    """A port mapper under test: its command, and the program that has to be installed for it."""

    command: tuple[str, ...]
    needs: str


PORT_MAPPERS = {
    "C rpcbind": PortMapper(("rpcbind", "-f", "-r"), needs="rpcbind"),
}
"""What the tests run against; every row is one more parameter of the whole suite."""


def need(*programs: str) -> None:
    """Skip the test where it cannot run: no root, or a peer that is not installed.

    With ``ONCRPC_REQUIRE_PEERS`` set it fails instead, so that nothing is skipped unseen.
    """
    missing = [name for name in programs if not _installed(name)]
    if os.geteuid() != 0:
        _cannot("needs root, for namespaces")
    if missing:
        _cannot(f"not installed: {', '.join(missing)}")


def _installed(name: str) -> bool:
    """A program, or a file by its absolute path."""
    if os.path.isabs(name):
        return os.path.exists(name)
    return shutil.which(name, path=PATH) is not None


def _cannot(reason: str) -> None:
    if os.environ.get("ONCRPC_REQUIRE_PEERS"):
        pytest.fail(reason)
    pytest.skip(reason)


class Namespace:
    """Network and mount namespaces, held by a process that sleeps."""

    kinds: tuple[str, ...] = ("-n", "-m")
    """What nsenter(1) calls them."""

    def __init__(self) -> None:
        self._children: list[subprocess.Popen[str]] = []

    def __enter__(self) -> Self:
        need("unshare", "nsenter", "ip", "sleep")
        command = ["unshare", "-n", "-m", "--propagation", "private", "sh", "-c", SETUP]
        self.holder = self.spawn(command)
        line = line_of(self.holder)
        if line != "ready\n":
            self.close()
            raise RuntimeError(f"no namespace: {line!r}")
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End every process that was started here, the newest first."""
        for child in reversed(self._children):
            end(child)
        self._children.clear()

    def run(
        self, argv: Sequence[str], *, uid: int = 0, timeout: float = 60.0, stdin: str = ""
    ) -> subprocess.CompletedProcess[str]:
        """Run a command to its end; its output is text."""
        return subprocess.run(
            self.entered(argv, uid),
            input=stdin,
            capture_output=True,
            text=True,
            timeout=timeout,
            env=environment(),
            check=False,
        )

    def popen(self, argv: Sequence[str], *, uid: int = 0) -> subprocess.Popen[str]:
        """Start a command; it is ended with the namespace at the latest."""
        return self.spawn(self.entered(argv, uid))

    def start(self, port_mapper: PortMapper) -> subprocess.Popen[str]:
        """Start a port mapper and wait until it answers on its local socket."""
        need(port_mapper.needs)
        started = self.popen(port_mapper.command)
        self.await_answer(self.path("/run/rpcbind.sock"), started)
        return started

    @property
    def within(self) -> int:
        """The process whose namespaces they are."""
        return self.holder.pid

    def path(self, inside: str) -> str:
        """The path by which this process reaches a path of the namespace."""
        return f"/proc/{self.within}/root{inside}"

    def await_answer(self, path: str, started: subprocess.Popen[str]) -> None:
        """Poll a local socket until the port mapper behind it answers NULL."""
        deadline = time.monotonic() + DEADLINE
        pause = threading.Event()
        while not _answers(path):
            if started.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"{started.args!r} does not answer")
            pause.wait(0.01)

    def entered(self, argv: Sequence[str], uid: int = 0) -> list[str]:
        """The command that runs a command there."""
        user = ["-S", str(uid), "-G", str(uid)] if uid else []
        return ["nsenter", "-t", str(self.within), *self.kinds, *user, "--", *argv]

    def spawn(self, command: Sequence[str]) -> subprocess.Popen[str]:
        """Start a command outside; it too is ended with the namespace at the latest."""
        child = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            env=environment(),
        )
        self._children.append(child)
        return child


def end(child: subprocess.Popen[str]) -> None:
    """Terminate one process, by its id, and wait for it."""
    if child.poll() is None:
        child.terminate()
        try:
            child.wait(DEADLINE)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()
    for pipe in (child.stdin, child.stdout, child.stderr):
        if pipe is not None:
            pipe.close()


def line_of(child: subprocess.Popen[str]) -> str:
    """The next line that a process prints."""
    stream: IO[str] | None = child.stdout
    return stream.readline() if stream is not None else ""


def environment() -> dict[str, str]:
    """The C locale, the tests on Python's path, and where coverage writes to."""
    kept = {name: value for name, value in os.environ.items() if name.startswith("COV")}
    source = str(Path(sync.__file__).resolve().parents[2])
    return {**kept, "PATH": PATH, "LC_ALL": "C", "PYTHONPATH": f"{source}:{TESTS}"}


def _answers(path: str) -> bool:
    try:
        with socket.socket(socket.AF_UNIX) as probe:
            probe.connect(path)
        with sync.run(sync.dial("local", path, 0, timeout=1.0)) as link:
            sync.run(PMAP_VERS.Client(link).PMAPPROC_NULL())
    except (OSError, OncRpcError):
        return False
    return True
