"""Datagrams from outside with a forged source address.

Of the two ends of a cable between interfaces of one host the one is the host's, and the other the
attacker's: what is written there byte by byte arrives as from the network.
"""

from __future__ import annotations

import json
import socket
import struct
import threading
from collections.abc import Iterator

import pytest

from oncrpc import sync
from oncrpc.errors import OncRpcError
from oncrpc.programs.portmap import PMAP_VERS
from oncrpc.programs.rpcb import RPCBVERS4
from support.hosts import Host, portmap
from support.namespace import DEADLINE
from support.wire import call, rpcb, string
from support.words import words

pytestmark = pytest.mark.interop

OURS, OURS6 = "10.9.0.1", "2001:db8::1"
STRANGER, STRANGER6 = "10.9.0.2", "2001:db8::2"
ENTRY = rpcb(400001, 1, "udp", "0.0.0.0.8.1")
FORGERIES = {
    "SET of version 2": call(1, 2, 1, 400001, 1, 17, 2049),
    "SET of version 3": call(1, 3, 1, ENTRY),
    "SET of version 4": call(1, 4, 1, ENTRY),
    "UNSET of version 2": call(1, 2, 2, 100024, 1, 17, 0),
    "UNSET of version 4": call(1, 4, 2, rpcb(100024, 1, "", "")),
}
LET_IN = """
cd /proc/sys/net/ipv4/conf
for interface in all lan0; do
  echo 1 > $interface/route_localnet
  echo 1 > $interface/accept_local
  echo 0 > $interface/rp_filter
done
"""
"""Lets the kernel accept packets from outside with a source or destination in 127/8."""

IPV6 = f"ip -6 address add {OURS6}/64 dev lan0 nodad"


@pytest.fixture(scope="module")
def host() -> Iterator[Host]:
    """A port mapper with a registration, on a host that lets forged datagrams in."""
    with Host() as made:
        made.sh(LET_IN)
        made.sh(IPV6)
        made.start(portmap("--no-state"))
        assert sync.run(made.mapper().set(100024, 1, "udp", "0.0.0.0.3.1"))
        yield made


def seen(host: Host) -> int:
    """The number of calls that could change the registry."""

    async def statistics() -> int:
        with await host.dial("local", "/run/rpcbind.sock") as link:
            found = await RPCBVERS4.Client(link).RPCBPROC_GETSTAT()
        return sum(each.info[1] + each.info[2] for each in found)

    return sync.run(statistics())


def arrive(host: Host, source: str, message: bytes, to: str = OURS, port: int = 700) -> None:
    """Deliver a datagram for the port mapper at the host's interface."""
    (interface,) = json.loads(host.run(["ip", "-json", "link", "show", "lan0"]).stdout)
    address = bytes.fromhex(interface["address"].replace(":", ""))
    packet = ipv6_packet if ":" in to else ipv4_packet
    kind = b"\x86\xdd" if ":" in to else b"\x08\x00"
    with host.network():
        sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
    with sock:
        sock.bind(("lan1", 0))
        sock.send(address + bytes(5) + b"\x02" + kind + packet(source, to, message, port=port))


def ipv4_packet(source: str, to: str, message: bytes, *, port: int) -> bytes:
    """A UDP datagram in an IPv4 packet; checksum 0 means that it has none."""
    udp = struct.pack(">4H", port, 111, 8 + len(message), 0) + message
    places = socket.inet_aton(source) + socket.inet_aton(to)
    header = struct.pack(">BBHHHBBH", 0x45, 0, 20 + len(udp), 1, 0, 64, 17, 0) + places
    return header[:10] + checksum(header) + header[12:] + udp


def ipv6_packet(source: str, to: str, message: bytes, *, port: int) -> bytes:
    """The same in an IPv6 packet, where the checksum is required."""
    places = b"".join(socket.inet_pton(socket.AF_INET6, host) for host in (source, to))
    length = 8 + len(message)
    udp = struct.pack(">4H", port, 111, length, 0) + message
    summed = checksum(places + words(length, 17) + udp)
    return struct.pack(">IHBB", 0x60000000, length, 17, 64) + places + udp[:6] + summed + udp[8:]


def checksum(data: bytes) -> bytes:
    """The Internet checksum (RFC 1071)."""
    padded = data + bytes(len(data) % 2)
    total = sum(struct.unpack(f">{len(padded) // 2}H", padded))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return struct.pack(">H", ~total & 0xFFFF)


@pytest.mark.slow
@pytest.mark.parametrize("to", [OURS, "127.0.0.1"])
@pytest.mark.parametrize("message", FORGERIES.values(), ids=FORGERIES)
def test_forged_loopback_source_does_not_register(host: Host, message: bytes, to: str) -> None:
    registered, before = sync.run(host.mapper().dump()), seen(host)

    arrive(host, "127.0.0.1", message, to)

    assert seen(host) == before + 1  # the kernel let it in
    assert sync.run(host.mapper().dump()) == registered


@pytest.mark.slow
def test_forged_set_does_not_poison_the_honest_one(host: Host) -> None:
    message = call(7, 2, 1, 400002, 1, 17, 2049)
    arrive(host, "127.0.0.1", message, "127.0.0.1")

    with host.network():
        sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    with sock:
        sock.bind(("127.0.0.1", 700))
        sock.settimeout(DEADLINE)
        sock.sendto(message, ("127.0.0.1", 111))
        reply = sock.recv(100)

    assert reply[-4:] == words(1)  # TRUE
    assert sync.run(host.mapper().unset(400002, 1, "udp"))


@pytest.mark.slow
def test_kernel_drops_forged_loopback_sources_by_default() -> None:
    with Host() as strict:
        strict.start(portmap("--no-state"))
        before = seen(strict)

        for message in FORGERIES.values():
            arrive(strict, "127.0.0.1", message)
            arrive(strict, "127.0.0.1", message, "127.0.0.1")
        arrive(strict, STRANGER, FORGERIES["SET of version 2"])

        assert seen(strict) == before + 1  # that of the stranger, which came last
        assert strict.registered(400001) == []


@pytest.mark.slow
def test_kernel_drops_forged_ipv6_loopback_sources(host: Host) -> None:
    registered, before = sync.run(host.mapper().dump()), seen(host)

    for message in FORGERIES.values():
        arrive(host, "::1", message, OURS6)
        arrive(host, "::1", message, "::1")
    arrive(host, STRANGER6, FORGERIES["SET of version 2"], OURS6)

    assert seen(host) == before + 1
    assert sync.run(host.mapper().dump()) == registered


@pytest.mark.slow
def test_forged_source_gets_no_longer_replies(host: Host) -> None:
    with host.network():
        victim = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(0x0800))
    host.sh(f"ip neighbour replace {STRANGER} lladdr 02:00:00:00:00:02 dev lan0")
    calls = [call(7, vers, 4) for vers in (2, 3, 4)]
    calls += [call(7, 4, 12), call(7, 4, 11, ENTRY), call(7, 3, 7, string("1.2.3.4.5.6"))]
    with victim:
        victim.bind(("lan1", 0))
        victim.settimeout(DEADLINE)
        for message in calls:
            arrive(host, STRANGER, message, port=701)
            arrive(host, STRANGER, call(8, 2, 0), port=701)
            while (reply := udp_to(victim.recv(65536), 701))[:4] != words(8):
                assert len(reply) <= len(message)


def udp_to(frame: bytes, port: int) -> bytes:
    """The datagram for a port in a frame; empty if the frame has none."""
    if frame[12:14] != b"\x08\x00" or frame[23] != 17:
        return b""
    udp = frame[14 + 4 * (frame[14] & 15) :]
    return udp[8:] if udp[2:4] == port.to_bytes(2) else b""


@pytest.mark.slow
def test_client_survives_a_flood_of_icmp_errors(host: Host) -> None:
    with host.network():
        raw = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP)
        silent = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    ended = threading.Event()
    silent.bind(("127.0.0.1", 0))
    port = silent.getsockname()[1]
    with raw, silent, sync.run(host.dial("udp", "127.0.0.1", port)) as link:
        errors = unreachable(link.sock.getsockname()[1], port)
        flood = threading.Thread(target=_send_until, args=(raw, errors, ended))
        flood.start()
        try:
            for _ in range(200):
                with pytest.raises(OncRpcError):
                    sync.run(PMAP_VERS.Client(link).PMAPPROC_NULL())
        finally:
            ended.set()
            flood.join(DEADLINE)


def unreachable(source: int, port: int) -> bytes:
    """The ICMP error of a router: port unreachable for a datagram of ours."""
    quoted = ipv4_packet("127.0.0.1", "127.0.0.1", b"", port=source)
    quoted = quoted[:22] + port.to_bytes(2) + quoted[24:]
    error = struct.pack(">BBHI", 3, 3, 0, 0) + quoted
    return error[:2] + checksum(error) + error[4:]


def _send_until(sock: socket.socket, data: bytes, ended: threading.Event) -> None:
    while not ended.is_set():
        sock.sendto(data, ("127.0.0.1", 0))
