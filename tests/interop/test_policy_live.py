"""The policy file in effect: replies to another host and to local users, and after SIGHUP."""

from __future__ import annotations

import os
import shlex
import signal
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from support.hosts import PORTMAP, Host, until
from support.namespace import DEADLINE, PortMapper
from support.wire import AUTH_TOOWEAK, Stream, call, datagrams, refused, stream, success

pytestmark = [pytest.mark.interop, pytest.mark.slow]

NFS, MOUNTD, ECHO = 100003, 100005, 400700
TCP, UDP = 6, 17
NULL, GETPORT, DUMP, CALLIT = 0, 3, 4, 5
ADDRESS, SOCKET = ("10.99.0.1", 111), "/run/rpcbind.sock"
JOIN = """
ip link add link0 type veth peer name link0 netns {peer}
ip address add 10.99.0.1/24 broadcast 10.99.0.255 dev link0
ip link set link0 up
"""
JOINED = """
ip address add 10.99.0.8/24 broadcast 10.99.0.255 dev link0
ip address add 10.99.0.9/24 broadcast 10.99.0.255 dev link0
ip address add 10.99.0.10/24 broadcast 10.99.0.255 dev link0
ip link set link0 up
"""
POLICY = """
[[rule]]
from = ["10.99.0.9"]
program = ["mountd"]
then = "deny"

[[rule]]
from = ["10.99.0.8"]
then = "silent"

[[rule]]
from = ["10.99.0.0/24"]
procedure = ["CALLIT"]
then = "deny"
"""
DENY_DUMP = "[[rule]]\nprocedure = ['DUMP']\nthen = 'deny'\n"
HOSTS_DENY = "/etc/hosts.deny"


class Pair(NamedTuple):
    """A host with our port mapper, and one on its link that has three addresses."""

    host: Host
    remote: Host
    pid: int

    def write(self, text: str) -> None:
        """Write another policy, in a file owned by root."""
        Path(self.host.path("/run/portmap.toml")).write_text(text)

    def reread(self, text: str) -> str:
        """Make the daemon read the file; returns the log line."""
        self.write(text)
        before = len(self.log())
        os.kill(self.pid, signal.SIGHUP)
        until(lambda: "\n" in self.log()[before:], "a line about the file")
        return self.log()[before:]

    def log(self) -> str:
        """The log of the daemon."""
        return Path(self.host.path("/run/log")).read_text()

    def ask(self, source: str, message: bytes) -> bytes | None:
        """The reply to a datagram from an address of the other host; None if only NULL got one."""
        with datagrams(self.remote) as client:
            client.bind((source, 0))
            client.sendto(message, ADDRESS)
            client.sendto(call(99, 4, NULL), ADDRESS)
            reply = client.recv(9000)
        return None if reply == success(99) else reply


@pytest.fixture
def pair() -> Iterator[Pair]:
    with Host() as host, Host() as remote:
        host.sh(JOIN.format(peer=remote.holder.pid))
        remote.sh(JOINED)
        Path(host.path("/run/portmap.toml")).write_text(POLICY)
        command = shlex.join((*PORTMAP, "-f", "-r", "--config", "/run/portmap.toml"))
        started = host.start(PortMapper(("sh", "-c", f"exec {command} 2>/run/log"), needs="sh"))
        yield Pair(host, remote, started.pid)


def getport(xid: int, prog: int) -> bytes:
    return call(xid, 2, GETPORT, prog, 3, UDP, 0)


def test_sources_are_denied_silenced_and_allowed(pair: Pair) -> None:
    assert pair.ask("10.99.0.9", getport(1, MOUNTD)) == refused(1, AUTH_TOOWEAK)
    assert pair.ask("10.99.0.9", getport(2, NFS)) == success(2, 0)
    assert pair.ask("10.99.0.8", getport(3, NFS)) is None
    assert pair.ask("10.99.0.10", getport(4, MOUNTD)) == success(4, 0)
    until(lambda: "from 10.99.0.9 to getport/addr(mountd): request from" in pair.log(), "a line")


def test_cached_reply_does_not_reach_denied_source(pair: Pair) -> None:
    message = getport(1, MOUNTD)

    for _ in range(3):
        assert pair.ask("10.99.0.10", message) == success(1, 0)
        assert pair.ask("10.99.0.9", message) == refused(1, AUTH_TOOWEAK)


def test_callit_is_denied_too(pair: Pair) -> None:
    message = call(1, 2, CALLIT, ECHO, 1, NULL, 0)

    assert pair.ask("10.99.0.10", message) == refused(1, AUTH_TOOWEAK)


def test_a_stream_is_denied_and_goes_on(pair: Pair) -> None:
    with pair.remote.network():
        sock = socket.socket()
    with sock:
        sock.bind(("10.99.0.9", 0))
        sock.settimeout(DEADLINE)
        sock.connect(ADDRESS)
        client = Stream(sock)

        assert client.ask(getport(1, MOUNTD)) == refused(1, AUTH_TOOWEAK)
        assert client.ask(getport(2, NFS)) == success(2, 0)


def test_sighup_reads_the_file_again(pair: Pair) -> None:
    assert pair.ask("10.99.0.10", call(1, 2, DUMP)) != refused(1, AUTH_TOOWEAK)

    said = pair.reread(DENY_DUMP)

    assert "configuration read again; rules: 1" in said
    assert pair.ask("10.99.0.10", call(2, 2, DUMP)) == refused(2, AUTH_TOOWEAK)
    assert pair.ask("10.99.0.9", getport(3, MOUNTD)) == success(3, 0)
    with stream(pair.host, SOCKET) as local:
        assert local.ask(call(4, 4, DUMP)) == refused(4, AUTH_TOOWEAK)


def test_new_policy_denies_sources_answered_before(pair: Pair) -> None:
    pair.reread("")
    with stream(pair.remote, ADDRESS) as client:
        for xid in range(4):  # so that the answer is remembered
            assert client.ask(getport(xid, NFS)) == success(xid, 0)
            assert pair.ask("10.99.0.10", getport(xid, NFS)) == success(xid, 0)

        pair.reread("[[rule]]\nfrom = ['10.99.0.0/24']\nthen = 'deny'\n")

        assert client.ask(getport(5, NFS)) == refused(5, AUTH_TOOWEAK)
        assert pair.ask("10.99.0.10", getport(6, NFS)) == refused(6, AUTH_TOOWEAK)


def test_bad_file_changes_nothing(pair: Pair) -> None:
    said = pair.reread("[[rule]]\nthen = 'deny'\nfrom = ['10.0.0.0/33']\n")

    assert said == (
        "portmap: /run/portmap.toml: rule[0].from[0]: '10.0.0.0/33' is not a network;"
        " write ADDRESS/BITS, local or loopback; keeping the previous configuration\n"
    )
    assert pair.ask("10.99.0.9", getport(1, MOUNTD)) == refused(1, AUTH_TOOWEAK)
    assert pair.ask("10.99.0.10", getport(2, MOUNTD)) == success(2, 0)


@pytest.mark.skipif(not os.path.exists(HOSTS_DENY), reason=f"there is no {HOSTS_DENY} to cover")
def test_hosts_deny_decides_where_no_rule_does(pair: Pair) -> None:
    Path(pair.host.path("/run/deny")).write_text("portmap: 10.99.0.10\n")
    pair.host.sh(f"mount --bind /run/deny {HOSTS_DENY}")
    pair.reread("")

    assert pair.ask("10.99.0.10", getport(1, NFS)) == refused(1, AUTH_TOOWEAK)
    assert pair.ask("10.99.0.9", getport(2, NFS)) == success(2, 0)
    with stream(pair.host, ("127.0.0.1", 111)) as local:
        assert local.ask(getport(3, NFS)) == success(3, 0)
    command = [*PORTMAP, "explain", "10.99.0.10", "GETPORT", "nfs"]
    explained = pair.host.run([*command, "--config", "/run/portmap.toml"])
    assert explained.stdout == "denied: hosts.deny line 1: portmap: 10.99.0.10\n"
    assert explained.returncode == 1

    pair.reread("[hosts]\nenabled = false\n")
    assert pair.ask("10.99.0.10", getport(4, NFS)) == success(4, 0)


def test_bad_file_prevents_the_start() -> None:
    with Host() as host:
        Path(host.path("/run/portmap.toml")).write_text("rule = 1\n")

        done = host.run([*PORTMAP, "-f", "--config", "/run/portmap.toml"])

        assert (done.returncode, done.stdout) == (1, "")
        assert (
            done.stderr
            == "portmap: /run/portmap.toml: rule: begins with [[rule]], in two brackets\n"
        )
        assert not os.path.lexists(host.path(SOCKET))
