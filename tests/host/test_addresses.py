"""Whether an address is this host's own."""

from __future__ import annotations

import errno
import os
import socket

import pytest

from oncrpc.host import addresses
from oncrpc.host.addresses import OwnAddresses, is_local
from oncrpc.testing import ManualClock
from support.hosts import Host

SECOND_ADDRESSES = """
ip address add 10.9.0.2/24 dev lan0
ip -6 address add 2001:db8::5/64 dev lan0 nodad
ip -6 address add 2001:db8::6/64 dev lan0 nodad
ip route add local 198.51.100.0/24 dev lo
echo 1 > /proc/sys/net/ipv4/ip_nonlocal_bind
"""


@pytest.mark.parametrize("host", ["127.0.0.1", "127.9.9.9", "::1", "::ffff:127.0.0.1"])
def test_loopback_addresses_are_own(host: str) -> None:
    assert is_local(host)


@pytest.mark.parametrize(
    "host",
    ["203.0.113.7", "0.0.0.0", "::", "224.0.0.1", "255.255.255.255", "127.255.255.255",
     "ff02::202", "2001:db8::7", "fe80::1"],
)  # fmt: skip
def test_other_addresses_are_not_own(host: str) -> None:
    assert not is_local(host)


@pytest.mark.interop
def test_every_address_of_an_interface_is_own() -> None:
    """The second one is reached from the first; where any address can be bound, most are not."""
    with Host() as host:
        host.sh(SECOND_ADDRESSES)
        with host.network():
            own = {
                each: is_local(each)
                for each in (
                    "10.9.0.1", "10.9.0.2", "10.9.0.3", "10.9.0.255", "198.51.100.9",
                    "2001:db8::5", "2001:db8::6", "2001:db8::7", "2001:db8::",
                )
            }  # fmt: skip

    assert {each for each, found in own.items() if found} == {
        "10.9.0.1", "10.9.0.2", "198.51.100.9", "2001:db8::5", "2001:db8::6",
    }  # fmt: skip


def refuses(*_: object) -> socket.socket:
    raise OSError(errno.EAFNOSUPPORT, os.strerror(errno.EAFNOSUPPORT))


def test_nothing_is_own_without_netlink(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket, "socket", refuses)

    assert not is_local("127.0.0.1")


@pytest.mark.parametrize("answer", [b"", b"short", bytes(16), bytes(64)])
def test_malformed_answer_is_not_a_route(answer: bytes) -> None:
    assert addresses.route_type(answer) is None


class Kernel:
    """Knows which addresses are own, and which it was asked about."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.own = {"192.0.2.1"}

    def __call__(self, host: str) -> bool:
        self.asked.append(host)
        return host in self.own


def test_answer_is_valid_for_its_lifetime() -> None:
    kernel, clock = Kernel(), ManualClock()
    own = OwnAddresses(lifetime=5.0, ask=kernel, clock=clock)
    assert own("192.0.2.1")
    kernel.own.clear()

    clock.advance(4.9)
    assert own("192.0.2.1")
    assert kernel.asked == ["192.0.2.1"]

    clock.advance(0.1)
    assert not own("192.0.2.1")


def test_oldest_answer_is_removed_first() -> None:
    kernel = Kernel()
    own = OwnAddresses(most=2, ask=kernel)

    for host in ("192.0.2.1", "192.0.2.2", "192.0.2.3", "192.0.2.2", "192.0.2.1"):
        own(host)

    assert kernel.asked == ["192.0.2.1", "192.0.2.2", "192.0.2.3", "192.0.2.1"]


def test_forget_empties_the_cache() -> None:
    kernel = Kernel()
    own = OwnAddresses(ask=kernel)
    assert own("192.0.2.1")
    kernel.own.clear()

    own.forget()

    assert not own("192.0.2.1")
