"""Servers for ``nfs ping``: a file system with a scripted port mapper, and ports that are dead."""

from __future__ import annotations

import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from oncrpc.nfs.client.url import NfsUrl, parse_url
from oncrpc.programs.mount import MOUNTPROG
from oncrpc.programs.nfs3 import NFS_PROGRAM
from oncrpc.programs.portmap import IPPROTO_TCP, IPPROTO_UDP, PMAP_VERS, mapping
from oncrpc.rpc import Call
from support.remote_files import served_in_thread
from support.scripted_server import Server, serving

LOCALHOST = "127.0.0.1"
PROTOCOLS = {IPPROTO_TCP: "tcp", IPPROTO_UDP: "udp"}
Ports = dict[tuple[int, int, str], int]
"""Ports by program, version and transport."""


class ScriptedPorts(PMAP_VERS.Service):
    """A port mapper of version 2 that answers GETPORT from a table."""

    def __init__(self, ports: Mapping[tuple[int, int, str], int]) -> None:
        self.ports = ports

    def PMAPPROC_GETPORT(self, call: Call, arg: mapping) -> int:
        return self.ports.get((arg.prog, arg.vers, PROTOCOLS[arg.prot]), 0)


@contextmanager
def mapped(ports: Ports) -> Iterator[str]:
    """The address of a port mapper with these ports."""
    with Server(serving(ScriptedPorts(ports))) as server:
        yield f"{LOCALHOST}:{server.tcp()}"


@contextmanager
def served_files() -> Iterator[tuple[NfsUrl, Ports]]:
    """The URL of an export in memory without ports, and the ports for a port mapper."""
    with served_in_thread(path="/export") as url:
        port = parse_url(url).port
        assert port is not None
        programs = {(MOUNTPROG, 3), (MOUNTPROG, 1), (NFS_PROGRAM, 3), (NFS_PROGRAM, 2)}
        ports = {(prog, vers, "tcp"): port for prog, vers in programs}
        yield NfsUrl(LOCALHOST, b"/export", uid=1000, gid=100), ports


@contextmanager
def refused_port() -> Iterator[int]:
    """A port that refuses connections: it is bound, but nothing listens."""
    with socket.socket() as sock:
        sock.bind((LOCALHOST, 0))
        yield sock.getsockname()[1]


@contextmanager
def silent_port() -> Iterator[int]:
    """A port that accepts connections and never answers."""
    with socket.create_server((LOCALHOST, 0)) as sock:
        yield sock.getsockname()[1]
