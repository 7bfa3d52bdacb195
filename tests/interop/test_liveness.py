"""Registrations of killed servers are removed; those of others stay."""

from __future__ import annotations

import os
import shlex
import signal
import socket
import time
from collections.abc import Callable, Iterator

import pytest

from oncrpc import sync
from oncrpc.programs.rpcb import RPCBVERS4, rpcb
from support.hosts import PORTMAP, Host, until, wait_gone
from support.namespace import DEADLINE, PYTHON, PortMapper, need
from support.wire import call, success

pytestmark = [pytest.mark.interop, pytest.mark.slow]

KILLED, OTHER, FORKED = 400201, 400202, 400203
LOG = "/run/portmap.log"
STATUS = 100024
STATD = ("rpc.statd", "-F", "--no-notify", "-p", "32765", "-o", "32766", "-n", "127.0.0.1")
STATE = """
mount -t tmpfs tmpfs /var/lib/nfs
mkdir /var/lib/nfs/sm /var/lib/nfs/sm.bak
chown -R statd /var/lib/nfs
"""
KERNEL_NFS = """
mount -t tmpfs tmpfs /proc/fs
mkdir /proc/fs/nfsd
touch /proc/fs/nfsd/threads
"""
"""Creates the file that exists while the kernel may serve NFS."""

MANY = 10_000
PATIENT = 0.5
"""The longest time for a reply, in seconds, however many checks run."""


@pytest.fixture
def host() -> Iterator[Host]:
    """A host without a port mapper."""
    with Host() as made:
        yield made


def start(host: Host, *options: str) -> None:
    """Start our port mapper, which logs to a file."""
    command = f"exec {shlex.join((*PORTMAP, '-f', *options))} 2>{LOG}"
    host.start(PortMapper(("sh", "-c", command), needs="sh"))


def lines_of(host: Host) -> list[str]:
    """The lines that it has logged."""
    with open(host.path(LOG)) as log:
        return log.read().splitlines()


def dropped(host: Host) -> list[str]:
    return [line for line in lines_of(host) if line.startswith("portmap: dropped ")]


def serve(host: Host, prog: int, *how: str) -> int:
    """Start a server; returns its process id once it is registered."""
    server = host.popen([PYTHON, "-m", "support.one_server", str(prog), *how])
    assert server.stdout is not None
    return int(server.stdout.readline())


def kill(pid: int) -> None:
    os.kill(pid, signal.SIGKILL)
    wait_gone(pid)


def is_gone(host: Host, prog: int) -> Callable[[], bool]:
    return lambda: not host.registered(prog)


def test_a_killed_servers_registrations_go_and_others_stay(host: Host) -> None:
    start(host, "--liveness", "1")
    killed, _ = serve(host, KILLED), serve(host, OTHER)
    port = host.registered(KILLED)[0].r_addr.decode()

    kill(killed)
    until(is_gone(host, KILLED), "its registrations go")

    assert len(host.registered(OTHER)) == 3
    assert len(dropped(host)) == 3
    assert (
        f"portmap: dropped program {KILLED} version 1 on tcp at {port}: nobody listens there"
        in dropped(host)
    )


def test_with_watch_they_go_when_the_process_does(host: Host) -> None:
    start(host, "--liveness", "0", "--watch")
    killed, _ = serve(host, KILLED), serve(host, OTHER)

    began = time.monotonic()
    kill(killed)
    until(is_gone(host, KILLED), "its registrations go")

    assert time.monotonic() - began < 3.0
    assert len(host.registered(OTHER)) == 3


@pytest.mark.parametrize("options", [("--liveness", "1"), ("--liveness", "0", "--watch")])
def test_a_server_that_its_parent_registered_stays(host: Host, options: tuple[str, ...]) -> None:
    start(host, *options)
    serve(host, FORKED, "forks")

    kill(serve(host, KILLED))
    until(is_gone(host, KILLED), "the registrations of the one that was killed go")

    assert len(host.registered(FORKED)) == 3


def test_a_forked_servers_registrations_go_at_the_interval(host: Host) -> None:
    start(host, "--liveness", "1", "--watch")

    kill(serve(host, FORKED, "forks"))

    until(is_gone(host, FORKED), "its registrations go")


def test_registrations_of_dead_servers_go_after_start(host: Host) -> None:
    start(host, "-w", "/run/rpcbind", "-u", "root")
    killed = serve(host, KILLED)
    daemon = host.port_mapper_pid()
    kill(daemon)
    kill(killed)

    start(host, "-w", "/run/rpcbind", "-u", "root")
    assert len(host.registered(KILLED)) == 3

    until(is_gone(host, KILLED), "what was restored goes")


def test_rpc_statd_killed(host: Host) -> None:
    need("rpc.statd")
    start(host, "--liveness", "1")
    host.sh(STATE)
    statd = host.popen(STATD)
    until(lambda: len(host.registered(STATUS)) == 4, "statd registers four times")

    statd.send_signal(signal.SIGKILL)
    until(is_gone(host, STATUS), "its registrations go")

    again = host.popen(STATD)
    until(lambda: len(host.registered(STATUS)) == 4, "another one registers")
    assert again.poll() is None


def test_unverifiable_registration_stays(host: Host) -> None:
    """Other hosts, other transports and the kernel's programs stay; dead ones of this host go."""
    host.sh(KERNEL_NFS)
    kept = {
        (100003, "tcp", "0.0.0.0.8.1"),
        (400301, "tcp", "198.51.100.7.8.2"),
        (400302, "sctp", "0.0.0.0.8.3"),
        (400303, "udp", "0.0.0.0.0.0"),
        (400304, "tcp6", "fe80::7.8.4"),
        (400305, "local", "elsewhere.sock"),
    }
    gone = {
        (100005, "tcp", "0.0.0.0.8.5"),
        (400311, "tcp", "10.9.0.1.8.6"),
        (400312, "udp6", "::1.8.7"),
        (400313, "local", "/run/nobody.sock"),
        (400314, "local", "@nobody"),
    }
    start(host, "--liveness", "1")
    for prog, netid, uaddr in kept | gone:
        assert sync.run(host.mapper().set(prog, 1, netid, uaddr))

    until(lambda: len(dropped(host)) == len(gone), "what is gone is dropped")

    left = {
        (e.r_prog, e.r_netid.decode(), e.r_addr.decode()) for e in sync.run(host.mapper().dump())
    }
    assert {entry for entry in left if entry[0] != 100000} == kept


def test_local_socket_behind_a_link_stays(host: Host) -> None:
    start(host, "--liveness", "1")
    serve(host, OTHER)
    host.sh(f"ln -s /run/{OTHER}.sock /run/link.sock")
    assert sync.run(host.mapper().set(400315, 1, "local", "/run/link.sock"))

    kill(serve(host, KILLED))
    until(is_gone(host, KILLED), "the registrations of the one that was killed go")

    assert len(host.registered(400315)) == 1


def test_callers_hardly_wait_while_thousands_are_dropped(host: Host) -> None:
    start(host, "--liveness", "1")

    async def register() -> None:
        async with host.mapper().local() as link:
            client = RPCBVERS4.Client(link)
            for number in range(MANY):
                uaddr = f"127.0.{number >> 8}.1.{4 + (number >> 8)}.{number & 255}".encode()
                await client.RPCBPROC_SET(rpcb(400400 + number, 1, b"tcp", uaddr, b""))

    sync.run(register())
    waited = []
    with host.network():
        sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    with sock:
        sock.connect(("127.0.0.1", 111))
        sock.settimeout(DEADLINE)
        until_all_gone = time.monotonic() + DEADLINE
        while len(dropped(host)) < MANY and time.monotonic() < until_all_gone:
            for xid in range(200):
                began = time.monotonic()
                sock.send(call(xid, 2, 0))
                assert sock.recv(100) == success(xid)
                waited.append(time.monotonic() - began)

    assert len(dropped(host)) == MANY
    assert max(waited) < PATIENT
