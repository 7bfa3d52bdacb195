"""The C rpcinfo prints the same against our port mapper as against the C one.

Two hosts, one with each, hold the same registrations of the same programs on the same ports. Each
form of the command runs on both.
"""

from __future__ import annotations

import shlex
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import NamedTuple

import pytest

from oncrpc import sync
from oncrpc.programs.portmap import IPPROTO_TCP, IPPROTO_UDP, PMAP_VERS, mapping
from support.faulty_programs import BEHAVIOURS, WELL_BEHAVED
from support.hosts import C_RPCBIND, Host, portmap
from support.namespace import PYTHON, end, need
from support.scripted_server import Server

pytestmark = pytest.mark.interop

UDP_PORT, TCP_PORT = 40101, 40102
WILDCARDS = {"udp": "0.0.0.0", "tcp": "0.0.0.0", "udp6": "::", "tcp6": "::"}
CLOSED = (  # registered, but nobody serves them
    (100005, 1, "udp", 20048), (100005, 1, "tcp", 20048), (100005, 1, "tcp6", 20048),
    (100005, 3, "udp", 20048), (100005, 3, "tcp", 20048), (100005, 3, "udp6", 20048),
    (100003, 3, "tcp", 2049), (100003, 4, "tcp", 2049), (100003, 3, "udp", 2049),
    (100021, 4, "udp", 43233), (100021, 1, "udp", 43233), (100021, 3, "udp", 43233),
    (400300, 7, "udp", 5555), (400300, 8, "tcp6", 5555), (400301, 1, "udp6", 5555),
)  # fmt: skip
AS_STATD = """
import os
from oncrpc import sync
os.setuid(103)
for netid, uaddr in (("udp", "0.0.0.0.216.137"), ("tcp6", "::.215.71")):
    assert sync.rpcbind.set(100024, 1, netid, uaddr)
"""


class Form(NamedTuple):
    """A command line of rpcinfo, its exit status, and a part of its output."""

    status: int
    says: str


READY = "program 400100 version {} ready and waiting\n"
USAGE = "Usage: rpcinfo [-m | -s] [host]\n"
MISMATCH = "RPC: Program/version mismatch; low version = {}, high version = {}\n"

FORMS = {
    "": Form(0, "    100024    1    udp       0.0.0.0.216.137        status     103\n"),
    "127.0.0.1": Form(0, "    100000    2    udp       0.0.0.0.0.111          portmapper superus"),
    "10.9.0.1": Form(0, "    400301    1    udp6      ::.21.179              -          superuser"),
    "::1": Form(0, "    100000    4    local     /run/rpcbind.sock      portmapper superuser\n"),
    "localhost": Form(0, "    400302    2    tcp       0.0.0.0.4.210          -          unknown"),
    "-p": Form(0, "   program vers proto   port  service\n    100000    4   tcp    111"),
    "-p 127.0.0.1": Form(0, "    100003    3   tcp   2049  nfs\n"),
    "-p 10.77.0.1": Form(0, "    100024    1   udp  55433  status\n"),
    "-p localhost": Form(0, "    400302    2   tcp   1234\n"),
    "-s": Form(0, "    100000  2,3,4     local,udp,tcp,udp6,tcp6          portmapper  super"),
    "-s 127.0.0.1": Form(0, "    100024  1         tcp6,udp                         status      1"),
    "-s ::1": Form(0, "    100021  3,1,4     udp                              nlockmgr    superus"),
    "-l 127.0.0.1 100005 3": Form(0, "    100005  3    inet/tcp/cots_ord       127.0.0.1.78.80"),
    "-l 127.0.0.1 mountd 1": Form(0, "    100005  1    inet/udp/clts           127.0.0.1.78.80"),
    "-l 10.77.0.1 mountd 1": Form(0, "    100005  1    inet/udp/clts           10.77.0.1.78.80"),
    "-l ::1 100005 3": Form(0, "    100005  3    inet6/udp/clts          ::1.78.80"),
    "-T tcp -l 127.0.0.1 100005 3": Form(0, "    100005  3    inet/udp/clts"),
    "-l 127.0.0.1 100005 77": Form(0, "No remote programs registered.\n"),
    "-l 127.0.0.1 400100": Form(1, USAGE),
    "-T udp 127.0.0.1 400100": Form(0, READY.format(1) + READY.format(2)),
    "-T tcp 127.0.0.1 400100": Form(0, READY.format(1) + READY.format(2)),
    "-T udp6 ::1 400100": Form(0, READY.format(1) + READY.format(2)),
    "-T tcp6 ::1 400100": Form(0, READY.format(1) + READY.format(2)),
    "-T udp 10.77.0.1 400100 1": Form(0, READY.format(1)),
    "-T tcp 127.0.0.1 400100 9": Form(1, MISMATCH.format(1, 2)),
    "-T udp 127.0.0.1 499999": Form(1, "rpcinfo: RPC: Program not registered\n"),
    "-T nosuch 127.0.0.1 400100": Form(1, "rpcinfo: Could not find nosuch\n"),
    "-T udp 127.0.0.1": Form(0, "    100000    4    tcp6      ::.0.111"),
    "-T local 127.0.0.1 100000": Form(0, "program 100000 version 4 ready and waiting\n"),
    "-u 127.0.0.1 400100": Form(0, READY.format(1) + READY.format(2)),
    "-u 127.0.0.1 400100 1": Form(0, READY.format(1)),
    "-u 127.0.0.1 portmapper": Form(0, "program 100000 version 2 ready and waiting\n"),
    "-u 127.0.0.1 100003 3": Form(1, "program 100003 version 3 is not available\n"),
    "-u 127.0.0.1 nosuchprog": Form(1, "rpcinfo: nosuchprog is unknown service\n"),
    "-u 127.0.0.1 400100 abc": Form(1, "rpcinfo: abc is illegal version number\n"),
    "-t 127.0.0.1 400100": Form(0, READY.format(1) + READY.format(2)),
    "-t 127.0.0.1 400100 2": Form(0, READY.format(2)),
    "-t 127.0.0.1 400100 5": Form(1, MISMATCH.format(1, 2)),
    "-t 127.0.0.1 499999": Form(1, "127.0.0.1: RPC: Program not registered\n"),
    "-t 127.0.0.1 nfs 3": Form(1, "127.0.0.1: RPC: Remote system error - Connection refused\n"),
    "-n 111 -u 127.0.0.1 100000 2": Form(0, "program 100000 version 2 ready and waiting\n"),
    "-n 111 -t 127.0.0.1 portmapper": Form(0, "program 100000 version 3 ready and waiting\n"),
    "-n 5 -u 127.0.0.1 100000 2": Form(0, "program 100000 version 2 ready and waiting\n"),
    "-n abc -u 127.0.0.1 100000": Form(1, "rpcinfo: abc is illegal port number\n"),
    "-a 127.0.0.1.0.111 -T udp 100000": Form(0, "program 100000 version 4 ready and waiting\n"),
    "-a 127.0.0.1.0.111 -T tcp 100000 4": Form(0, "program 100000 version 4 ready and waiting\n"),
    "-a ::1.0.111 -T tcp6 100000": Form(0, "program 100000 version 3 ready and waiting\n"),
    "-a 127.0.0.1.0.111 -T tcp 100000 7": Form(1, MISMATCH.format(2, 4)),
    "-a 127.0.0.1.0.112 -T tcp 100000 4": Form(1, "Connection refused\n"),
    "-a garbage -T tcp 100000 4": Form(1, "rpcinfo: rpcinfo: no address for client handle\n"),
    "-a /run/rpcbind.sock -T local 100000": Form(0, "program 100000 version 2 ready and waiting\n"),
    "-d 400400 1": Form(0, ""),
    "-d -T udp 400400 2": Form(0, ""),
    "-d 488888 1": Form(0, ""),
    "-d -T nosuch 400400 1": Form(1, "rpcinfo: netid nosuch not supported\n"),
    "-d 400400": Form(1, USAGE),
    "-b 400100": Form(1, USAGE),
    "127.0.0.1 400100": Form(1, USAGE),
    "-n 5 -p 127.0.0.1": Form(1, USAGE),
    "-a 127.0.0.1.0.111 100000 4": Form(1, USAGE),
    "-p a b": Form(1, USAGE),
    "-p -s": Form(1, USAGE),
    "-p nosuchhost.invalid": Form(1, "nosuchhost.invalid: RPC: Unknown host\n"),
}  # fmt: skip
"""Every form that asks a port mapper, or fails before asking."""


class Twins(NamedTuple):
    """The host of the C port mapper and the host of ours."""

    theirs: Host
    ours: Host

    def both(self, form: str, *, uid: int = 0) -> list[tuple[int, str, str]]:
        """Exit status, output and errors of the command, on each of the two hosts."""
        command = ["rpcinfo", *shlex.split(form)]
        return [_outcome(host.run(command, uid=uid)) for host in self]


def _outcome(done: subprocess.CompletedProcess[str]) -> tuple[int, str, str]:
    return done.returncode, done.stdout, done.stderr


@contextmanager
def registered_twins() -> Iterator[Twins]:
    """Two hosts with the same registrations."""
    need("rpcbind", "rpcinfo")
    with ExitStack() as stack:
        found = Twins(stack.enter_context(Host()), stack.enter_context(Host()))
        for host, mapper in zip(found, (C_RPCBIND, portmap("-r")), strict=True):
            host.start(mapper)
            stack.enter_context(_echo(host))
            _register(host)
        yield found


@pytest.fixture(scope="module")
def twins() -> Iterator[Twins]:
    with registered_twins() as found:
        yield found


def _echo(host: Host) -> Server:
    """A program with versions 1 and 2, on the same ports of every host."""
    server = Server(BEHAVIOURS["echo"])
    with host.network():
        for wildcard in ("0.0.0.0", "::1"):
            server.udp(wildcard, UDP_PORT)
            server.tcp(wildcard, TCP_PORT)
    return server


def _register(host: Host) -> None:
    mapper = host.mapper()
    entries = [
        (WELL_BEHAVED, vers, netid, UDP_PORT if "udp" in netid else TCP_PORT)
        for netid in WILDCARDS
        for vers in (1, 2)
    ]
    doomed = [(400400, vers, netid, 7) for netid in WILDCARDS for vers in (1, 2)]
    for prog, vers, netid, port in (*entries, *CLOSED, *doomed):
        uaddr = f"{WILDCARDS[netid]}.{port >> 8}.{port & 255}"
        assert sync.run(mapper.set(prog, vers, netid, uaddr))
    done = host.run([PYTHON, "-c", AS_STATD])
    assert done.returncode == 0, done.stderr
    with sync.run(host.dial("tcp", "127.0.0.1")) as link:
        version_2 = PMAP_VERS.Client(link)
        assert sync.run(version_2.PMAPPROC_SET(mapping(400302, 2, IPPROTO_TCP, 1234)))
        assert sync.run(version_2.PMAPPROC_SET(mapping(400302, 2, IPPROTO_UDP, 1234)))


@pytest.mark.parametrize("form", FORMS)
def test_form_prints_the_same_for_both_mappers(twins: Twins, form: str) -> None:
    theirs, ours = twins.both(form)

    assert ours == theirs
    assert (ours[0], FORMS[form].says in ours[1] + ours[2]) == (FORMS[form].status, True)


def test_only_the_owner_can_delete(twins: Twins) -> None:
    theirs, ours = twins.both("-d 100005 3", uid=1000)

    assert ours == theirs
    assert ours == (
        1,
        "",
        "rpcinfo: Could not delete registration for prog 100005 version 3\n",
    )


def test_the_owner_can_delete(twins: Twins) -> None:
    theirs, ours = twins.both("-d 100024 9", uid=103)

    assert ours == theirs == (0, "", "")


@pytest.mark.parametrize("form", ["-m", "-m 127.0.0.1", "-m ::1"])
def test_counters_match_after_the_same_calls(twins: Twins, form: str) -> None:
    for asked in ("-p", "-s 127.0.0.1", "-l ::1 100005 3", "-u 127.0.0.1 499999", "-d 488888 2"):
        twins.both(asked)

    theirs, ours = twins.both(form)

    assert ours == theirs
    assert "RPCB_GETADDR (version 4) call statistics\n" in ours[1]


@pytest.mark.slow
def test_a_broadcast_finds_the_same_addresses() -> None:
    """Our port mapper is also found by IPv6 multicast.

    The C port mapper joins the group on a socket that it closes again, and so is no member of it.
    """
    with registered_twins() as twins:
        theirs = found_by_broadcast(twins.theirs, count=2)
        ours = found_by_broadcast(twins.ours, count=3)

    assert theirs == {f"{host}.156.165\tunknown\n" for host in ("10.9.0.1", "10.77.0.1")}
    assert len(ours - theirs) == 1
    assert next(iter(ours - theirs)).startswith("fe80::")


def found_by_broadcast(host: Host, *, count: int) -> set[str]:
    """The different lines of ``rpcinfo -b``: the first ``count``, or what there is in 12 s."""
    need("stdbuf")
    child = host.popen(["stdbuf", "-oL", "rpcinfo", "-b", "400100", "1"])
    assert child.stdout is not None
    lines: set[str] = set()
    while len(lines) < count and (line := child.stdout.readline()):
        lines.add(line)
    end(child)
    return lines
