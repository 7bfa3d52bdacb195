"""The system log after the same calls to the C daemon and to ours."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Coroutine, Iterator
from contextlib import suppress
from typing import Any

import pytest

from oncrpc import sync
from oncrpc.errors import OncRpcError
from oncrpc.programs.portmap import PMAP_VERS, mapping
from oncrpc.programs.rpcb import RPCBVERS, RPCBVERS4, netbuf, rpcb, rpcb_rmtcallargs
from oncrpc.sync import SocketLink
from support.hosts import for_all, until
from support.namespace import need
from support.systemd_host import Booted

pytestmark = [pytest.mark.interop, pytest.mark.slow]

SETUP = """
ip link add lan0 type veth peer name lan1
ip address add 10.9.0.1/24 dev lan0
ip address add 10.77.0.1/24 dev lan0
ip link set lan0 up
ip link set lan1 up
mkdir -p /run/rpcbind
: > /etc/hosts.allow
echo 'rpcbind: 10.77.0.1' > /etc/hosts.deny
"""
AUTH = "4"
ENTRY = rpcb(400700, 1, b"tcp", b"127.0.0.1.8.1", b"")
MOUNT = rpcb_rmtcallargs(100005, 1, 1, b"")
TADDR = netbuf(16, bytes((2, 0, 8, 1, 127, 0, 0, 1)) + bytes(8))

Line = tuple[str, str, str]
"""Facility, severity, text."""

Made = Coroutine[Any, Any, object]
"""A call."""

RENAMED = {
    "set(mountd): indirect call not allowed": "indirect(mountd): indirect call not allowed",
    "getversaddr()": "getversaddr(400700)",
    "getaddrlist()": "getaddrlist(400700)",
}
"""How lines of the C daemon and ours end: the procedure called, and its program."""


def local_calls(link: SocketLink) -> list[Callable[[], Made]]:
    """One call of each procedure, as a program on the host sends it."""
    v2, v3, v4 = PMAP_VERS.Client(link), RPCBVERS.Client(link), RPCBVERS4.Client(link)
    return [
        lambda: v2.PMAPPROC_NULL(),
        lambda: v2.PMAPPROC_SET(mapping(400701, 1, 6, 2049)),
        lambda: v2.PMAPPROC_GETPORT(mapping(100003, 3, 6, 0)),
        lambda: v2.PMAPPROC_DUMP(),
        lambda: v2.PMAPPROC_UNSET(mapping(400701, 1, 0, 0)),
        lambda: v3.RPCBPROC_SET(ENTRY),
        lambda: v3.RPCBPROC_GETADDR(ENTRY),
        lambda: v3.RPCBPROC_DUMP(),
        lambda: v3.RPCBPROC_GETTIME(),
        lambda: v3.RPCBPROC_UADDR2TADDR(b"127.0.0.1.8.1"),
        lambda: v3.RPCBPROC_TADDR2UADDR(TADDR),
        lambda: v4.RPCBPROC_GETVERSADDR(ENTRY),
        lambda: v4.RPCBPROC_GETADDRLIST(ENTRY),
        lambda: v4.RPCBPROC_GETSTAT(),
        lambda: v4.RPCBPROC_UNSET(ENTRY),
    ]


def refused_calls() -> Iterator[tuple[str, str, Callable[[SocketLink], Made]]]:
    """The transport, the address (destination and source), and the call."""
    yield "udp", "127.0.0.1", lambda link: RPCBVERS4.Client(link).RPCBPROC_INDIRECT(MOUNT)
    yield "tcp", "10.9.0.1", lambda link: RPCBVERS4.Client(link).RPCBPROC_SET(ENTRY)
    yield "tcp", "10.77.0.1", lambda link: RPCBVERS4.Client(link).RPCBPROC_GETADDR(ENTRY)


def logged(host: Booted, name: str) -> list[Line]:
    """The lines about calls that arrived at /dev/log."""
    match = f"_TRANSPORT=syslog SYSLOG_IDENTIFIER={name}"
    said = host.said(f"journalctl --sync; journalctl --no-pager -o json {match} || :")
    lines = [json.loads(line) for line in said.splitlines() if line.startswith("{")]
    found = [(each["SYSLOG_FACILITY"], each["PRIORITY"], each["MESSAGE"]) for each in lines]
    return [line for line in found if line[2].startswith("connect from ")]


def session(host: Booted, name: str) -> list[Line]:
    """Make the calls; returns the resulting lines."""
    until(lambda: host.serves("tcp", "127.0.0.1"), "the daemon serves")
    with sync.run(host.dial("tcp", "127.0.0.1")) as link:
        calls = local_calls(link)
        for call in calls:
            sync.run(call())
    made = len(calls)
    for netid, address, refused in refused_calls():
        with sync.run(host.dial(netid, address)) as link, suppress(OncRpcError):
            sync.run(refused(link))
        made += 1
    until(lambda: len(logged(host, name)) >= made, f"{made} lines are logged")
    return logged(host, name)


def renamed(line: Line) -> Line:
    """A line of the C daemon, rewritten in our form."""
    facility, severity, text = line
    for theirs, ours in RENAMED.items():
        if text.endswith(theirs):
            return facility, severity, text.removesuffix(theirs) + ours
    return line


@pytest.fixture
def host() -> Iterator[Booted]:
    """A host with three addresses, of which one is denied."""
    need("rpcbind")
    with Booted() as made:
        made.sh(SETUP)
        yield made


def test_call_lines_equal_those_of_c(host: Booted) -> None:
    """The C daemon logs from child processes, so the order of lines varies."""
    host.sh("rpcbind -l > /dev/null 2>&1")
    theirs = session(host, "rpcbind")
    host.sh("kill $(pidof rpcbind); while pidof rpcbind; do sleep 0.1; done")

    host.sh(f"{' '.join(for_all(host))} -v --liveness 0 > /dev/null 2>&1")
    ours = session(host, "portmap")

    assert {facility for facility, _, _ in ours} == {AUTH}
    assert Counter(ours) == Counter(map(renamed, theirs))
