"""Limits of UDP sources: trusted networks, and a rate limit for all others.

The source of a datagram can be forged, so a reply may go to a victim. A source that is not trusted
gets no reply that is longer than its call, and its replies are taken from a token bucket that all
addresses of its network share. The loopback interface cannot be forged from outside and is always
trusted.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from typing import Protocol
from weakref import WeakValueDictionary

from oncrpc.aio.guard import SourceRights
from oncrpc.caching import Bounded
from oncrpc.rpc.program import Caller

SourceNetwork = IPv4Network | IPv6Network

PREFIXES = {4: 24, 6: 56}
"""Length of the prefix that shares a bucket.

This groups more than ``Caller.origin`` does (one IPv4 address, an IPv6 /64), on purpose. An origin
tells callers apart that shall not take each other's place in a table. A bucket limits what can be
sent to a victim with forged sources, and whoever forges them can use every address of the victim's
network: the smallest one that is routed on its own is a /24, and a site has at least a /56.
"""

MAX_BUCKETS = 4096
"""Source networks (/24, /56) that have a token bucket; the one silent longest is dropped."""


class AdmissionRules(Protocol):
    """The rules that decide about single calls (``oncrpc.access.admission.Admission``)."""

    @property
    def generation(self) -> int:
        """Grows with every change."""

    def open_to(self, caller: Caller) -> bool:
        """Whether no call of the caller's host can be refused."""


class TokenBucket:
    """Allows ``burst`` replies at once, and ``rate`` replies a second."""

    __slots__ = ("__weakref__", "at", "burst", "rate", "tokens")

    def __init__(self, rate: float, burst: float, now: float) -> None:
        self.rate, self.burst = rate, burst
        self.tokens, self.at = burst, now

    def take(self, now: float) -> bool:
        """Whether one more reply may be sent; if so it is counted."""
        if now != self.at:  # the calls of a batch have the same time
            self.tokens = min(self.burst, self.tokens + (now - self.at) * self.rate)
            self.at = now
        if self.tokens < 1.0:
            return False
        self.tokens -= 1.0
        return True


class UdpLimits:
    """The guard of UDP endpoints (``oncrpc.aio.guard.Guard``).

    ``replies`` are allowed a second for a source network, 0 for no limit, and ``burst`` at once.
    ``rules`` say which callers' calls may be answered from the reply cache without being judged.
    ``trusts`` names further trusted hosts; their replies have a bucket all the same, unless
    ``proves`` says that the address cannot be forged. Call ``look_again`` when an answer changes.
    """

    def __init__(
        self,
        rules: AdmissionRules,
        *,
        replies: float,
        burst: float,
        trusts: Callable[[str], bool] = lambda _: False,
        proves: Callable[[str], bool] = lambda _: False,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.rules, self.trusts, self.proves, self.clock = rules, trusts, proves, clock
        self._changes = 0
        self._closed = False
        # The buckets by source network. MAX_BUCKETS of them are held here; the least recently used
        # one is let go. Routes of endpoints hold theirs, too: as long as one does, its network gets
        # the same bucket again. So nothing is invalidated when a bucket is let go, and a flood of
        # forged sources cannot empty the caches of the endpoints.
        self._recent = Bounded[SourceNetwork, TokenBucket](MAX_BUCKETS)
        self._buckets: WeakValueDictionary[SourceNetwork, TokenBucket] = WeakValueDictionary()
        self.configure(replies=replies, burst=burst)

    def configure(
        self, *, replies: float, burst: float, trusted: Iterable[SourceNetwork] = ()
    ) -> None:
        """Replace the limits, and the networks that are trusted in addition to loopback."""
        self.trusted = tuple(trusted)
        self.replies, self.burst = replies, burst
        self._recent.clear()
        self._buckets.clear()
        self._changes += 1

    def look_again(self) -> None:
        """Ask ``trusts`` and ``proves`` again about every source."""
        self._changes += 1

    def close_caches(self, closed: bool) -> None:
        """While closed, no call is answered from a cache, whatever the rules allow."""
        self._closed = closed
        self._changes += 1

    @property
    def buckets(self) -> int:
        """The number of buckets that are held, here or by routes."""
        return len(self._buckets)

    @property
    def generation(self) -> tuple[int, int]:
        """Differs after every change of what ``rights`` and ``open_to`` return."""
        return self._changes, self.rules.generation

    def rights(self, caller: Caller) -> SourceRights:
        """The rights of the caller's host."""
        if caller.loopback:
            return SourceRights(open=self.open_to(caller))
        address = ip_address(caller.host)
        configured = any(address in network for network in self.trusted)
        trusted = configured or self.trusts(caller.host)
        unlimited = configured or not self.replies or (trusted and self.proves(caller.host))
        bucket = None if unlimited else self._bucket(caller.host, PREFIXES[address.version])
        return SourceRights(trusted=trusted, open=self.open_to(caller), bucket=bucket)

    def open_to(self, caller: Caller) -> bool:
        """Whether the calls of a connection may be answered from the reply cache."""
        return not self._closed and self.rules.open_to(caller)

    def _bucket(self, host: str, bits: int) -> TokenBucket:
        network = ip_network(f"{host}/{bits}", strict=False)
        bucket = self._buckets.get(network)
        if bucket is None:
            bucket = TokenBucket(self.replies, self.burst, self.clock())
            self._buckets[network] = bucket
        self._recent.keep(network, bucket)
        return bucket
