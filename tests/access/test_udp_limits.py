"""Limits of UDP sources."""

from __future__ import annotations

from ipaddress import ip_network

from hypothesis import given
from hypothesis import strategies as st

from oncrpc.access import udp_limits
from oncrpc.access.udp_limits import TokenBucket, UdpLimits
from oncrpc.daemon.config.tables import BURST, REPLIES
from oncrpc.rpc import Caller
from oncrpc.testing import ManualClock


class Rules:
    """Rules that are about some hosts."""

    def __init__(self, *about: str) -> None:
        self.about, self.generation = about, 0

    def open_to(self, caller: Caller) -> bool:
        return caller.host not in self.about


TRUSTED = [ip_network("192.0.2.0/24"), ip_network("2001:db8::/56")]


def limits(rules: Rules) -> UdpLimits:
    return UdpLimits(rules, replies=REPLIES, burst=BURST, clock=ManualClock())


def made(*about: str) -> UdpLimits:
    return limits(Rules(*about))


def of(host: str, *, loopback: bool = False) -> Caller:
    return Caller("udp", (host, 0, 0), loopback=loopback, datagram=True)


def test_loopback_is_trusted_without_bucket() -> None:
    rights = made().rights(of("127.0.0.1", loopback=True))

    assert (rights.trusted, rights.open, rights.bucket) == (True, True, None)


def test_forged_loopback_address_is_not_trusted() -> None:
    rights = made().rights(of("127.0.0.1"))

    assert not rights.trusted
    assert rights.bucket is not None


def test_networks_are_trusted_while_configured() -> None:
    guard = made()
    before = guard.generation

    guard.configure(replies=1, burst=1, trusted=TRUSTED)

    assert guard.generation != before
    for host, trusted in (("192.0.2.200", True), ("2001:db8::1", True), ("192.0.3.1", False)):
        rights = guard.rights(of(host))
        assert (rights.trusted, rights.bucket is None) == (trusted, trusted)
    guard.configure(replies=1, burst=1)
    assert not guard.rights(of("192.0.2.200")).trusted


def test_network_shares_a_bucket() -> None:
    guard = made()

    def bucket(host: str) -> object:
        return guard.rights(of(host)).bucket

    assert bucket("192.0.2.1") is bucket("192.0.2.254")
    assert bucket("192.0.2.1") is not bucket("192.0.3.1")
    assert bucket("2001:db8:0:1::1") is bucket("2001:db8:0:ff::1")
    assert bucket("2001:db8:0:1::1") is not bucket("2001:db8:0:100::1")


def test_rate_zero_means_no_bucket() -> None:
    guard = made()

    guard.configure(replies=0, burst=1)

    assert guard.rights(of("192.0.2.1")).bucket is None


def test_source_with_rules_is_not_open() -> None:
    rules = Rules("192.0.2.1")
    guard = limits(rules)
    before = guard.generation

    assert not guard.rights(of("192.0.2.1")).open
    assert guard.rights(of("192.0.2.2")).open
    rules.generation += 1
    assert guard.generation != before


def tokens(guard: UdpLimits, host: str) -> float:
    """The replies that a source may have at once."""
    bucket = guard.rights(of(host)).bucket
    assert isinstance(bucket, TokenBucket)
    return bucket.tokens


def take(guard: UdpLimits, host: str) -> None:
    """Take one reply from a source's bucket."""
    bucket = guard.rights(of(host)).bucket
    assert bucket is not None
    assert bucket.take(0.0)


def test_least_recently_used_bucket_is_removed() -> None:
    guard = made()
    for host in ("10.0.0.1", "11.0.0.1"):
        take(guard, host)
    for n in range(2, udp_limits.MAX_BUCKETS):
        guard.rights(of(f"12.{n >> 8}.{n & 255}.1"))
    take(guard, "10.0.0.1")

    guard.rights(of("13.0.0.1"))

    assert guard.buckets == udp_limits.MAX_BUCKETS
    assert (tokens(guard, "10.0.0.1"), tokens(guard, "11.0.0.1")) == (BURST - 2, BURST)


def test_a_bucket_in_use_is_given_again() -> None:
    guard = made()
    before, held = guard.generation, guard.rights(of("10.0.0.1")).bucket

    for n in range(udp_limits.MAX_BUCKETS):
        guard.rights(of(f"11.{n >> 8}.{n & 255}.1"))

    assert guard.rights(of("10.0.0.2")).bucket is held
    assert guard.generation == before


@given(st.lists(st.floats(min_value=0, max_value=2), max_size=300))
def test_bucket_never_exceeds_burst_and_rate(pauses: list[float]) -> None:
    bucket, now, taken = TokenBucket(10.0, 20.0, 0.0), 0.0, 0
    for pause in pauses:
        now += pause
        taken += bucket.take(now)

        assert taken <= 20 + 10.0 * now


def test_bucket_fills_again() -> None:
    bucket = TokenBucket(2.0, 3.0, 0.0)

    assert [bucket.take(0.0) for _ in range(4)] == [True, True, True, False]
    assert [bucket.take(1.0) for _ in range(3)] == [True, True, False]
    assert [bucket.take(100.0) for _ in range(4)] == [True, True, True, False]


def test_quiet_bucket_holds_no_more_than_burst() -> None:
    bucket = TokenBucket(2.0, 3.0, 0.0)

    assert [bucket.take(100.0) for _ in range(5)] == [True, True, True, False, False]


def test_booting_rack_of_500_clients_is_answered() -> None:
    """Each asks for MOUNT, NFS, NLM and NSM over both versions of IP, and retransmits once."""
    guard = limits(Rules())
    bucket = guard.rights(of("192.0.2.1")).bucket
    assert bucket is not None

    assert all(bucket.take(0.0) for _ in range(500 * 4 * 2 * 2))
    assert BURST >= 20 * 500
    assert REPLIES >= 2 * 500


def test_named_hosts_are_trusted_until_asked_again() -> None:
    trusted = {"192.0.2.7"}
    guard = UdpLimits(Rules(), replies=1, burst=1, trusts=trusted.__contains__)

    assert guard.rights(of("192.0.2.7")).trusted
    assert not guard.rights(of("192.0.2.8")).trusted
    before = guard.generation
    guard.look_again()
    assert guard.generation != before


def test_only_a_proven_address_has_no_bucket() -> None:
    everybody = {"192.0.2.7", "192.0.2.8"}
    guard = UdpLimits(
        Rules(), replies=1, burst=1,
        trusts=everybody.__contains__, proves={"192.0.2.8", "192.0.2.9"}.__contains__,
    )  # fmt: skip

    assert guard.rights(of("192.0.2.7")).bucket is not None
    assert guard.rights(of("192.0.2.8")) == (True, True, None)
    assert guard.rights(of("192.0.2.9")).bucket is not None


def test_closed_caches_answer_nobody_until_reopened() -> None:
    guard, caller = made(), of("127.0.0.1", loopback=True)
    before = guard.generation

    guard.close_caches(True)
    closed = guard.rights(caller).open, guard.open_to(caller), guard.generation != before
    guard.close_caches(False)

    assert closed == (False, False, True)
    assert guard.open_to(caller)
