"""Segmented replies arrive like single ones, also with a small MTU and a short queue.

The endpoint and its client are on two hosts, with a cable between them.
"""

from __future__ import annotations

import socket
import struct
import time
from collections.abc import Iterator

import pytest

from oncrpc.addr import transport
from oncrpc.aio.datagram_batch import Batch
from oncrpc.aio.udp import UdpEndpoint
from oncrpc.net.sockets import listen
from oncrpc.rpc import Call, pure
from oncrpc.rpc.dispatch import Dispatcher
from oncrpc.rpc.reply_cache import ReplyCache
from oncrpc.testing import ManualClock
from support.echo import ECHO_V1, call
from support.hosts import Host
from support.loops import run
from support.namespace import DEADLINE, need

pytestmark = pytest.mark.interop

OURS, ALSO_OURS, OURS6, LINK_LOCAL = "10.9.1.1", "10.9.1.7", "2001:db8::1", "fe80::1"
CABLE = """
ip link add near type veth peer name far netns {peer}
ip address add 10.9.1.1/24 dev near
ip address add 10.9.1.7/24 dev near
ip address add 2001:db8::1/64 dev near nodad
ip address add fe80::1/64 dev near nodad
ip link set near up
"""
OTHER_END = """
ip address add 10.9.1.2/24 dev far
ip address add 2001:db8::2/64 dev far nodad
ip address add fe80::2/64 dev far nodad
ip link set far up
"""
QUEUE = """
tc qdisc add dev near root handle 1: htb default 1
tc class add dev near parent 1: classid 1:1 htb rate 2mbit burst 3000 cburst 3000
tc qdisc add dev near parent 1:1 bfifo limit 20000
"""
FIT = 19
"""The number of replies that fit into the queue: 988 bytes, 1,030 with headers."""

Found = tuple[int, int, str]
"""The xid, the length and the source of a reply."""


class Much(ECHO_V1.Service):
    """MUCH is pure; the caller sets the length of its result."""

    generation = 0

    @pure
    def MUCH(self, call: Call, arg: int) -> bytes:
        return bytes(arg)


class Watched(Batch):
    """A batch that records the number of segments of each sent message."""

    def __init__(self, sock: socket.socket) -> None:
        super().__init__(sock)
        self.taken = list[int]()

    def send_segmented(self, first: int, count: int) -> None:
        super().send_segmented(first, count)
        self.taken.append(count)


class Cable:
    """Two hosts, and a cable between them."""

    def __init__(self, host: Host, peer: Host) -> None:
        self.host, self.peer = host, peer
        host.sh(CABLE.format(peer=peer.within))
        peer.sh(OTHER_END)


@pytest.fixture
def cable() -> Iterator[Cable]:
    with Host() as host, Host() as peer:
        yield Cable(host, peer)


class Desk:
    """An endpoint at one end of a cable, and its client at the other."""

    def __init__(self, cable: Cable, *, ipv6: bool = False) -> None:
        self.peer, much = cable.peer, Much()
        answering = Dispatcher([much], clock=ManualClock(), reply_cache=ReplyCache(much))
        netid, wildcard = ("udp6", "::") if ipv6 else ("udp", "0.0.0.0")
        with cable.host.network():
            sock = listen(transport(netid), wildcard, 0)
            self.endpoint = UdpEndpoint(sock, netid, answering)
        self.port = sock.getsockname()[1]
        self.batch = self.endpoint.batch = Watched(sock)
        with cable.peer.network():
            self.client = socket.socket(sock.family, socket.SOCK_DGRAM)
        self.client.settimeout(DEADLINE)

    def close(self) -> None:
        self.endpoint.close()
        self.client.close()

    def ask(self, *asked: str, size: int = 8, first: int = 0) -> None:
        """Send a call to each address, and reply to all of them as one batch."""
        with self.peer.network():
            to = {
                each: socket.getaddrinfo(
                    f"{each}%far" if each == LINK_LOCAL else each, self.port, type=self.client.type
                )[0][4]
                for each in set(asked)
            }
        for xid, each in enumerate(asked, first):
            self.client.sendto(call(xid, ECHO_V1.MUCH, size), to[each])
        self.answer(len(asked))

    def answer(self, count: int) -> None:
        deadline = time.monotonic() + DEADLINE
        while count > 0 and time.monotonic() < deadline:
            count -= self.endpoint.drain()

    def replies(self, count: int) -> list[Found]:
        """Up to that many replies, as far as they arrive in time."""
        found = list[Found]()
        while len(found) < count:
            try:
                data, source = self.client.recvfrom(65536)
            except TimeoutError:
                break
            found.append((int.from_bytes(data[:4], "big"), len(data), source[0].partition("%")[0]))
        return found

    def told(self, *asked: str, size: int = 8) -> list[Found]:
        """The replies from the cache; checks that they are the same without segments."""
        for address in dict.fromkeys(asked):
            self.ask(address, address, size=size)
            self.replies(2)
        self.ask(*asked, size=size, first=100)
        found = self.replies(len(asked))
        self.batch.can_segment = False
        self.ask(*asked, size=size, first=100)
        assert found == self.replies(len(asked))
        return found


def all_from(*asked: str, size: int = 8) -> list[Found]:
    return [(100 + n, 28 + size, address) for n, address in enumerate(asked)]


@pytest.mark.parametrize("size", [8, 960])
@pytest.mark.parametrize("address", [OURS, ALSO_OURS, OURS6, LINK_LOCAL])
def test_segments_come_from_the_called_address(cable: Cable, address: str, size: int) -> None:
    async def scenario() -> None:
        desk = Desk(cable, ipv6=":" in address)
        together = desk.batch.can_segment
        asked = [address] * 16
        assert desk.told(*asked, size=size) == all_from(*asked, size=size)
        assert bool(desk.batch.taken) == together
        desk.close()

    run(scenario())


def test_each_called_address_answers_its_calls(
    cable: Cable,
) -> None:
    async def scenario() -> None:
        desk = Desk(cable)
        asked = [OURS] * 5 + [ALSO_OURS] + [OURS] * 4 + [ALSO_OURS] * 8
        assert desk.told(*asked) == all_from(*asked)
        desk.close()

    run(scenario())


def test_replies_beyond_the_mtu_arrive(cable: Cable) -> None:
    cable.host.sh("ip link set near mtu 576")
    cable.peer.sh("ip link set far mtu 576")

    async def scenario() -> None:
        desk = Desk(cable)
        asked = [OURS] * 16
        assert desk.told(*asked, size=960) == all_from(*asked, size=960)
        assert desk.batch.taken == []
        desk.close()

    run(scenario())


def test_short_queue_passes_what_fits(cable: Cable) -> None:
    need("tc")
    cable.host.sh(QUEUE)

    async def scenario() -> None:
        desk = Desk(cable)
        desk.ask(OURS, OURS, size=960)
        desk.replies(2)
        asked = [OURS] * 64
        desk.ask(*asked, size=960, first=100)
        assert desk.replies(FIT) == all_from(*asked, size=960)[:FIT]
        desk.close()

    run(scenario())


def test_an_unreachable_caller_does_not_delay_others(cable: Cable) -> None:
    async def scenario() -> None:
        desk = Desk(cable)
        together = desk.batch.can_segment
        desk.ask(OURS, OURS)
        desk.replies(2)
        forged = call(1, ECHO_V1.MUCH, 8)
        with cable.peer.network():
            forger = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_UDP)
        with forger:
            datagram = struct.pack("!4H", 0, desk.port, 8 + len(forged), 0) + forged
            for _ in range(8):
                forger.sendto(datagram, (OURS, 0))
        desk.answer(8)

        asked = [ALSO_OURS] * 8
        assert desk.told(*asked) == all_from(*asked)
        assert bool(desk.batch.taken) == together
        desk.close()

    run(scenario())
