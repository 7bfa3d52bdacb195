"""Calls of clients that cannot be installed here, byte by byte, and from another host.

The bytes are those that the Linux kernel, U-Boot, pyNfsClient, nmap and python-vxi11 send.
"""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import NamedTuple

import pytest

from oncrpc import sync
from support.faulty_programs import BEHAVIOURS, WELL_BEHAVED
from support.hosts import Host, portmap
from support.scripted_server import Server
from support.wire import (
    AUTH_SYS,
    AUTH_TOOWEAK,
    FALSE,
    TRUE,
    call,
    datagrams,
    fragment,
    record,
    refused,
    rpcb,
    stream,
    string,
    success,
)
from support.words import words

pytestmark = pytest.mark.interop

NFS, MOUNT, VXI11 = 100003, 100005, 395183
TCP, UDP = 6, 17
LOOPBACK = ("127.0.0.1", 111)
PATH, ABSTRACT = "/run/rpcbind.sock", "\0/run/rpcbind.sock"
ECHO_PORT = 40101
ECHO_OCTETS = "156.165"
NULL, SET, UNSET, GETPORT, GETADDR, DUMP, CALLIT, INDIRECT = 0, 1, 2, 3, 3, 4, 5, 10
JOIN = """
ip link add link0 type veth peer name link0 netns {peer}
ip link set link0 addrgenmode none
ip address add 10.99.0.1/24 broadcast 10.99.0.255 dev link0
ip address add 10.99.0.2/24 broadcast 10.99.0.255 dev link0
ip address add fd98::1/64 dev link0 nodad
ip address add fd98::2/64 dev link0 nodad
ip address add fe80::1/64 dev link0 nodad
ip link set link0 up
"""
JOINED = """
ip link set link0 addrgenmode none
ip address add 10.99.0.9/24 broadcast 10.99.0.255 dev link0
ip address add fd98::9/64 dev link0 nodad
ip address add fe80::9/64 dev link0 nodad
ip link set link0 up
ip -6 route add multicast ff00::/8 dev link0 table local
"""


class Pair(NamedTuple):
    """A host with our port mapper, two addresses of each family, and another host on its link."""

    host: Host
    remote: Host


@contextmanager
def joined(*options: str) -> Iterator[Pair]:
    """Two hosts; on the first our port mapper, NFS version 3, and a program that answers."""
    with Host() as host, Host() as remote, ExitStack() as stack:
        host.sh(JOIN.format(peer=remote.holder.pid))
        remote.sh(JOINED)
        host.start(portmap("-r", *options))
        server = Server(BEHAVIOURS["echo"])
        with host.network():
            server.udp("0.0.0.0", ECHO_PORT)
            server.udp("::1", ECHO_PORT)
        stack.enter_context(server)
        set_ = host.mapper().set
        for netid, wildcard in (("udp", "0.0.0.0"), ("tcp", "0.0.0.0"), ("udp6", "::")):
            assert sync.run(set_(NFS, 3, netid, f"{wildcard}.8.1"))
            assert sync.run(set_(WELL_BEHAVED, 1, netid, f"{wildcard}.{ECHO_OCTETS}"))
        yield Pair(host, remote)


@pytest.fixture(scope="module")
def pair() -> Iterator[Pair]:
    with joined() as made:
        yield made


@pytest.fixture(scope="module")
def insecure() -> Iterator[Pair]:
    with joined("-i") as made:
        yield made


@pytest.fixture
def host(pair: Pair) -> Host:
    return pair.host


@pytest.mark.parametrize("address", [PATH, ABSTRACT], ids=["path", "abstract"])
def test_the_kernel_registers_nfsd_over_one_connection(host: Host, address: str) -> None:
    """Ping versions 2 and 4, unset old registrations, then register with version 4."""
    prog = 400601
    wanted = {"udp": "0.0.0.0.8.1", "tcp": "0.0.0.0.8.1", "udp6": "::.8.1", "tcp6": "::.8.1"}

    with stream(host, address) as kernel:
        assert kernel.ask(call(1, 2, NULL)) == success(1)
        assert kernel.ask(call(2, 4, NULL)) == success(2)
        assert kernel.ask(call(3, 4, UNSET, rpcb(prog, 3, "", "", "0"))) == success(3, TRUE)
        for xid, (netid, uaddr) in enumerate(wanted.items(), 4):
            sent = call(xid, 4, SET, rpcb(prog, 3, netid, uaddr, "0"))
            assert kernel.ask(sent) == success(xid, TRUE)

        found = host.registered(prog)
        assert {e.r_netid.decode(): e.r_addr.decode() for e in found} == wanted
        assert {e.r_owner for e in found} == {b"superuser"}
        assert kernel.ask(call(9, 4, UNSET, rpcb(prog, 3, "", "", "0"))) == success(9, TRUE)

    assert host.registered(prog) == []


@pytest.mark.parametrize(("netid", "zero"), [("udp", "0.0.0.0.0.0"), ("tcp6", "::.0.0")])
def test_kernel_unset_with_zero_address_works(host: Host, netid: str, zero: str) -> None:
    prog = 400602
    uaddr = zero[:-3] + "8.1"

    with stream(host, ABSTRACT) as kernel:
        assert kernel.ask(call(1, 4, SET, rpcb(prog, 3, netid, uaddr, "0"))) == success(1, TRUE)

        assert kernel.ask(call(2, 4, UNSET, rpcb(prog, 3, netid, zero, "0"))) == success(2, TRUE)

    assert host.registered(prog) == []


def test_second_kernel_registration_is_refused(host: Host) -> None:
    prog = 400603

    with stream(host, PATH) as kernel:
        replies = [
            kernel.ask(call(xid, 4, proc, rpcb(prog, 3, netid, uaddr, "0")))
            for xid, proc, netid, uaddr in (
                (1, SET, "udp", "0.0.0.0.8.1"),
                (2, SET, "udp", "0.0.0.0.8.1"),
                (3, SET, "udp", "0.0.0.0.8.2"),
                (4, UNSET, "", ""),
            )
        ]

    assert replies == [success(1, TRUE), success(2, TRUE), success(3, FALSE), success(4, TRUE)]


@pytest.mark.parametrize("address", [LOOPBACK, ("::1", 111)], ids=["inet", "inet6"])
def test_the_kernel_mounts_by_getport_with_auth_sys(host: Host, address: tuple[str, int]) -> None:
    with stream(host, address) as kernel:
        reply = kernel.ask(call(7, 2, GETPORT, NFS, 3, TCP, 0, cred=AUTH_SYS))

    assert reply == success(7, 2049)


def test_u_boot_gets_port_of_nfs_3(host: Host) -> None:
    with datagrams(host) as boot:
        boot.sendto(call(1, 2, GETPORT, NFS, 2, UDP, 0), LOOPBACK)
        reply, source = boot.recvfrom(9000)

    assert (reply, source) == (success(1, 2049), LOOPBACK)


def test_pynfsclient_repeats_one_xid(host: Host) -> None:
    with stream(host, LOOPBACK) as client:
        replies = [client.ask(call(5, 2, GETPORT, prog, 3, UDP, 0)) for prog in (NFS, 400699, NFS)]

    assert replies == [success(5, 2049), success(5, 0), success(5, 2049)]


def test_repeated_xid_is_a_new_call(host: Host) -> None:
    with stream(host, LOOPBACK) as client:
        for proc in (SET, UNSET, SET):
            assert client.ask(call(5, 2, proc, 400604, 1, UDP, 9)) == success(5, TRUE)

        assert client.ask(call(5, 2, GETPORT, 400604, 1, UDP, 0)) == success(5, 9)
        assert client.ask(call(5, 2, UNSET, 400604, 1, UDP, 9)) == success(5, TRUE)


def test_bytes_after_dump_arguments_are_ignored(host: Host) -> None:
    with stream(host, LOOPBACK) as client:
        with_junk = client.ask(call(5, 2, DUMP, bytes(8)))
        without = client.ask(call(5, 2, DUMP))

    assert with_junk == without
    assert words(1, NFS, 3, UDP, 2049) in with_junk


def test_nmap_learns_the_versions(host: Host) -> None:
    mismatch = words(6, 1, 0, 0, 0, 2, 2, 4)

    with stream(host, LOOPBACK) as over_tcp, datagrams(host) as over_udp:
        over_udp.sendto(call(6, 104316, NULL), LOOPBACK)

        assert over_tcp.ask(call(6, 104316, NULL)) == mismatch
        assert over_udp.recv(9000) == mismatch


@pytest.mark.parametrize("address", [LOOPBACK, PATH], ids=["tcp", "local"])
def test_pipelined_calls_are_answered_in_order(host: Host, address: str | tuple[str, int]) -> None:
    calls = [call(xid, 2, GETPORT, NFS, 3, (TCP, 99)[xid % 2], 0) for xid in range(200)]

    with stream(host, address) as client:
        client.send(b"".join(map(record, calls)))
        replies = [client.receive() for _ in calls]

    assert replies == [success(xid, (2049, 0)[xid % 2]) for xid in range(200)]


@pytest.mark.parametrize("size", [1, 4, 24, 39])
def test_call_may_have_many_fragments(host: Host, size: int) -> None:
    message = call(8, 2, GETPORT, NFS, 3, TCP, 0)
    pieces = [message[i : i + size] for i in range(0, len(message), size)]

    with stream(host, LOOPBACK) as client:
        for piece in (*pieces, b""):
            client.send(fragment(piece, last=not piece))

        assert client.receive() == success(8, 2049)


def test_vxi11_instruments_register_and_are_found_over_tcp(host: Host) -> None:
    """An instrument's server registers over TCP from any port; its owner is "unknown"."""
    with stream(host, LOOPBACK) as instrument, stream(host, LOOPBACK) as client:
        assert instrument.ask(call(1, 2, SET, VXI11, 1, TCP, 1024)) == success(1, TRUE)

        assert client.ask(call(1, 2, GETPORT, VXI11, 1, TCP, 0)) == success(1, 1024)
        assert [entry.r_owner for entry in host.registered(VXI11)] == [b"unknown"]
        assert instrument.ask(call(2, 2, UNSET, VXI11, 1, 0, 0)) == success(2, TRUE)


def test_half_a_call_does_not_delay_others(host: Host) -> None:
    with stream(host, LOOPBACK) as slow, stream(host, LOOPBACK) as other:
        slow.send(record(call(1, 2, NULL))[:20])

        assert other.ask(call(2, 2, NULL)) == success(2)


@pytest.mark.parametrize("asked", ["10.99.0.1", "10.99.0.2", "fd98::1", "fd98::2"])
def test_reply_comes_from_the_asked_address(pair: Pair, asked: str) -> None:
    with datagrams(pair.remote, _family(asked)) as client:
        client.sendto(call(1, 4, NULL), (asked, 111))
        reply, source = client.recvfrom(9000)

    assert (reply, source[:2]) == (success(1), (asked, 111))


@pytest.mark.parametrize("vers", [3, 4])
@pytest.mark.parametrize("asked", ["10.99.0.1", "10.99.0.2", "fd98::1", "fd98::2"])
def test_a_wildcard_becomes_the_address_that_was_asked(pair: Pair, asked: str, vers: int) -> None:
    with datagrams(pair.remote, _family(asked)) as client:
        client.sendto(call(1, vers, GETADDR, rpcb(NFS, 3, "udp", "")), (asked, 111))
        reply = client.recv(9000)

    assert reply == success(1, string(f"{asked}.8.1"))


def test_wildcard_becomes_the_contacted_address(pair: Pair) -> None:
    """libtirpc and the kernel send it in r_addr; behind NAT it is not an address of ours."""
    with datagrams(pair.remote) as client:
        for hint in ("10.99.0.2.0.111", "192.0.2.7.0.111"):
            client.sendto(call(1, 4, GETADDR, rpcb(NFS, 3, "udp", hint)), ("10.99.0.1", 111))
        replies = [client.recv(9000), client.recv(9000)]

    assert replies == [success(1, string("10.99.0.2.8.1")), success(1, string("10.99.0.1.8.1"))]


@pytest.mark.parametrize("asked", ["10.99.0.1", "fd98::1"])
def test_a_remote_host_may_not_register(pair: Pair, asked: str) -> None:
    netid = "tcp6" if ":" in asked else "tcp"

    with (
        stream(pair.remote, (asked, 111)) as over_tcp,
        datagrams(pair.remote, _family(asked)) as over_udp,
    ):
        over_udp.sendto(call(2, 2, SET, 400605, 1, UDP, 9), (asked, 111))

        sent = call(1, 4, SET, rpcb(400605, 1, netid, "0.0.0.0.0.9"), cred=AUTH_SYS)
        assert over_tcp.ask(sent) == refused(1, AUTH_TOOWEAK)
        assert over_udp.recv(9000) == refused(2, AUTH_TOOWEAK)
        assert over_tcp.ask(call(3, 2, UNSET, NFS, 3, TCP, 0)) == refused(3, AUTH_TOOWEAK)
    assert pair.host.registered(400605) == []
    assert len(pair.host.registered(NFS)) == 3


def test_host_registers_by_loopback_only(host: Host) -> None:
    with stream(host, ("10.99.0.1", 111)) as client:
        reply = client.ask(call(1, 2, SET, 400605, 1, UDP, 9))

    assert reply == refused(1, AUTH_TOOWEAK)


def test_a_remote_host_may_register_with_insecure(insecure: Pair) -> None:
    with stream(insecure.remote, ("10.99.0.1", 111)) as client:
        assert client.ask(call(1, 2, SET, 400606, 1, UDP, 9)) == success(1, TRUE)
        assert [e.r_owner for e in insecure.host.registered(400606)] == [b"unknown"]

        assert client.ask(call(2, 2, UNSET, 400606, 1, UDP, 9)) == success(2, TRUE)

    assert insecure.host.registered(400606) == []


def test_version_2_broadcast_is_answered_from_111(pair: Pair) -> None:
    with datagrams(pair.remote) as client:
        client.sendto(call(1, 2, CALLIT, WELL_BEHAVED, 1, NULL, 0), ("10.99.0.255", 111))
        reply, source = client.recvfrom(9000)

    assert (reply, source) == (success(1, ECHO_PORT, 0), ("10.99.0.1", 111))


@pytest.mark.parametrize("vers", [3, 4])
def test_broadcast_reply_has_a_reachable_address(pair: Pair, vers: int) -> None:
    with datagrams(pair.remote) as client:
        client.sendto(call(1, vers, CALLIT, WELL_BEHAVED, 1, NULL, 0), ("10.99.0.255", 111))
        reply, source = client.recvfrom(9000)

    assert reply == success(1, string(f"10.99.0.1.{ECHO_OCTETS}"), 0)
    assert source == ("10.99.0.1", 111)


def test_a_broadcast_getport_is_answered(pair: Pair) -> None:
    """This is how instruments are discovered."""
    with datagrams(pair.remote) as client:
        client.sendto(call(1, 2, GETPORT, NFS, 3, UDP, 0), ("10.99.0.255", 111))
        reply, source = client.recvfrom(9000)

    assert (reply, source) == (success(1, 2049), ("10.99.0.1", 111))


def test_callit_of_missing_program_is_silent(pair: Pair) -> None:
    """Only the following NULL gets a reply."""
    with datagrams(pair.remote) as client:
        client.sendto(call(1, 4, CALLIT, 400699, 1, NULL, 0), ("10.99.0.1", 111))
        client.sendto(call(2, 4, NULL), ("10.99.0.1", 111))

        assert client.recv(9000) == success(2)


def test_indirect_of_missing_program_is_refused(pair: Pair) -> None:
    with datagrams(pair.remote) as client:
        client.sendto(call(1, 4, INDIRECT, 400699, 1, NULL, 0), ("10.99.0.1", 111))

        assert client.recv(9000) == words(1, 1, 0, 0, 0, 1)


def test_restricted_program_is_not_called(pair: Pair) -> None:
    with datagrams(pair.remote) as client:
        client.sendto(call(1, 4, CALLIT, NFS, 3, 1, 0), ("10.99.0.1", 111))

        assert client.recv(9000) == refused(1, AUTH_TOOWEAK)


def test_multicast_group_is_answered_from_the_link(pair: Pair) -> None:
    with datagrams(pair.remote, "inet6") as client, pair.remote.network():
        scope = socket.if_nametoindex("link0")
        client.sendto(call(1, 4, CALLIT, WELL_BEHAVED, 1, NULL, 0), ("ff02::202", 111, 0, scope))
        reply, source = client.recvfrom(9000)

    assert reply == success(1, string(f"fe80::1.{ECHO_OCTETS}"), 0)
    assert (source[0].partition("%")[0], source[1]) == ("fe80::1", 111)


def _family(host: str) -> str:
    return "inet6" if ":" in host else "inet"
