"""The address for a caller, and whether an address is this host's."""

from __future__ import annotations

import pytest

from oncrpc.portmap import merged_address as choose
from oncrpc.portmap.merged_address import OwnAddresses, merged
from oncrpc.rpc import Caller
from oncrpc.testing import ManualClock
from support.callers import OURS, REMOTE, REMOTE6, ROOT

WILDCARD = b"0.0.0.0.8.1"


def chosen(registered: bytes, hint: bytes = b"", caller: Caller = REMOTE) -> bytes | None:
    return merged(registered, hint, caller, is_ours=OURS.__contains__)


def test_without_a_hint_it_is_the_address_that_was_asked_with_the_registered_port() -> None:
    assert chosen(WILDCARD) == b"192.0.2.1.8.1"
    assert chosen(b"::.8.1", caller=REMOTE6) == b"2001:db8::1.8.1"


def test_a_service_on_another_address_is_given_with_the_one_asked() -> None:
    assert chosen(b"198.51.100.1.8.1") == b"192.0.2.1.8.1"


def test_the_hint_is_taken_where_it_is_ours() -> None:
    assert chosen(WILDCARD, b"198.51.100.1.0.111") == b"198.51.100.1.8.1"


def test_a_hint_that_is_not_ours_gives_the_address_asked() -> None:
    assert chosen(WILDCARD, b"203.0.113.7.0.111") == b"192.0.2.1.8.1"


@pytest.mark.parametrize("hint", [b"nonsense", b"\xff\xfe", b"/run/rpcbind.sock", b"::1.0.111"])
def test_a_hint_of_another_form_or_family_gives_no_merged_address(hint: bytes) -> None:
    assert chosen(WILDCARD, hint) is None


@pytest.mark.parametrize("registered", [b"/run/one.sock", b"::.8.1", b""])
def test_a_registration_of_another_form_or_family_gives_none(registered: bytes) -> None:
    assert chosen(registered) is None


def test_over_a_local_socket_there_is_nothing_to_merge() -> None:
    assert chosen(WILDCARD, caller=ROOT) is None


def test_the_address_asked_is_not_looked_up() -> None:
    def never(host: str) -> bool:
        raise AssertionError(host)

    assert merged(WILDCARD, b"192.0.2.1.0.111", REMOTE, is_ours=never) == b"192.0.2.1.8.1"


def test_the_loopback_addresses_are_ours() -> None:
    ours = OwnAddresses()

    assert ours("127.0.0.1")
    assert ours("127.0.0.2")


@pytest.mark.parametrize(
    "host",
    ["203.0.113.7", "0.0.0.0", "::", "224.0.0.1", "255.255.255.255", "ff02::202", "2001:db8::7"],
)
def test_other_addresses_and_those_of_nobody_are_not_ours(host: str) -> None:
    assert not OwnAddresses()(host)


def test_the_broadcast_address_of_a_subnet_is_not_ours() -> None:
    assert not OwnAddresses()("127.255.255.255")


class Kernel:
    """In place of the kernel: knows which addresses are ours, and was asked about ``hosts``."""

    def __init__(self, clock: ManualClock) -> None:
        self.monotonic = clock
        self.hosts: list[str] = []
        self.ours = {"192.0.2.1"}

    def can_bind(self, host: str) -> bool:
        self.hosts.append(host)
        return host in self.ours


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def kernel(monkeypatch: pytest.MonkeyPatch, clock: ManualClock) -> Kernel:
    made = Kernel(clock)
    monkeypatch.setattr(choose, "_can_bind", made.can_bind)
    monkeypatch.setattr(choose, "time", made)
    return made


def test_the_answer_is_remembered_for_its_lifetime(kernel: Kernel, clock: ManualClock) -> None:
    ours = OwnAddresses(lifetime=5.0)
    assert ours("192.0.2.1")
    kernel.ours.clear()

    clock.advance(4.9)
    assert ours("192.0.2.1")
    assert kernel.hosts == ["192.0.2.1"]

    clock.advance(0.1)
    assert not ours("192.0.2.1")


def test_ever_new_hints_are_forgotten_the_oldest_first(kernel: Kernel) -> None:
    ours = OwnAddresses(most=2)

    for host in ("192.0.2.1", "192.0.2.2", "192.0.2.3", "192.0.2.2", "192.0.2.1"):
        ours(host)

    assert kernel.hosts == ["192.0.2.1", "192.0.2.2", "192.0.2.3", "192.0.2.1"]
