"""Two hosts on a link, each with a status monitor and a lock manager that records callbacks.

The first has ours, ``nfsd --only status``, the second rpc.statd and sm-notify.
"""

from __future__ import annotations

import struct
import subprocess
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from oncrpc import sync
from oncrpc.addr import split_uaddr
from oncrpc.programs.nlm import NLM_PROG
from oncrpc.programs.sm_inter import SM_PROG, mon, mon_id, my_id, status
from oncrpc.rpc import AnyProcedure
from oncrpc.xdr import codec
from support.hosts import Host, portmap, until
from support.namespace import PYTHON, end, need
from support.scripted_server import Server

OURS, THEIRS, STRANGER = "10.50.0.1", "10.50.0.2", "10.50.0.66"
LINK = """
ip link add eth0 type veth peer name eth0 netns {pid}
ip address add 10.50.0.1/24 dev eth0
ip link set eth0 up
"""
OTHER_END = """
ip address add 10.50.0.2/24 dev eth0
ip address add 10.50.0.66/24 dev eth0
ip link set eth0 up
mount -t tmpfs tmpfs /var/lib/nfs
mkdir /var/lib/nfs/sm /var/lib/nfs/sm.bak
chown -R statd /var/lib/nfs
"""
STATE_DIR = "/run/status"
LOG = "/run/status.log"
NFSD = f"exec {PYTHON} -m oncrpc.cli.nfsd -f --only status --state-dir {STATE_DIR} 2>> {LOG}"
STATD = ("rpc.statd", "-F", "--no-notify", "-p", "32765", "-o", "32766", "-n", "10.50.0.2")
SM_NOTIFY = ("sm-notify", "-d", "-f", "-m", "1")
PRIV = bytes(range(16))
LOCKD = my_id(b"host", NLM_PROG, 3, 16)


class LockManager:
    """A lock manager of a host, which records the callbacks of its status monitor."""

    def __init__(self, host: Host) -> None:
        self.host = host
        self.told: list[status] = []
        self._server = Server(self._called)

    def __enter__(self) -> Self:
        with self.host.network():
            port = self._server.udp("127.0.0.1")
        self._server.__enter__()
        uaddr = f"127.0.0.1.{port >> 8}.{port & 255}"
        assert sync.run(self.host.mapper().set(NLM_PROG, 3, "udp", uaddr))
        return self

    def __exit__(self, *_: object) -> None:
        self._server.__exit__()

    def _called(self, message: bytes) -> bytes:
        """Record the argument; the credential may be any."""
        at = 24
        for _ in range(2):
            length = int.from_bytes(message[at + 4 : at + 8], "big")
            at += 8 + (length + 3 & ~3)
        self.told.append(codec(status).decode(message[at:]))
        return message[:4] + struct.pack(">5I", 1, 0, 0, 0, 0)


class StatusHosts:
    """The two hosts: ``ours`` and ``theirs``, and the lock manager of each."""

    def __enter__(self) -> Self:
        need("rpc.statd", "sm-notify")
        with ExitStack() as stack:
            self.ours, self.theirs = (stack.enter_context(Host()) for _ in range(2))
            self.ours.sh(LINK.format(pid=self.theirs.within))
            self.theirs.sh(OTHER_END)
            for host in (self.ours, self.theirs):
                host.start(portmap())
            self.our_locks = stack.enter_context(LockManager(self.ours))
            self.their_locks = stack.enter_context(LockManager(self.theirs))
            self.ours.sh(f"mkdir -m 700 {STATE_DIR}")
            self.start_ours()
            self.theirs.popen(STATD)
            until(lambda: len(self.theirs.registered(SM_PROG)) == 4, "statd is registered")
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stack.__exit__(kind, error, trace)

    def start_ours(self) -> None:
        """Start our monitor, and wait until it is registered."""
        self.daemon: subprocess.Popen[str] = self.ours.popen(["sh", "-c", NFSD])
        until(self._serves, "ours answers and is registered")

    def _serves(self) -> bool:
        port = self.port_of_ours()
        return bool(port) and self.ours.serves("tcp", "127.0.0.1", port)

    def kill_ours(self) -> None:
        """End it as ``kill -9`` does."""
        self.daemon.kill()
        self.daemon.wait()
        end(self.daemon)

    def port_of_ours(self) -> int:
        """The port of our monitor over UDP; 0 if it is not registered."""
        found = self.ours.registered(SM_PROG)
        uaddrs = [entry.r_addr.decode() for entry in found if entry.r_netid == b"udp"]
        return split_uaddr(uaddrs[0])[1] if uaddrs else 0

    def logged(self, text: str) -> bool:
        """Whether the log of our monitor has this text."""
        return text in Path(self.ours.path(LOG)).read_text()


def ask(host: Host, port: int, procedure: AnyProcedure, *arguments: Any) -> Any:
    """The result of a call over UDP, which a program of root's makes to a port of its host."""
    with host.network():
        link = sync.run(sync.dial("udp", "127.0.0.1", port, reserved_port=True))
    with link:
        return sync.run(link.call(procedure, *arguments))


def watch(host: str) -> mon:
    """The argument with which the lock manager has a host watched."""
    return mon(mon_id(host.encode(), LOCKD), PRIV)
