"""Who may have how much over UDP: trusted networks, and a share of replies for everyone else.

The source of a datagram can be forged, so what we send may go to a victim. Hosts that are not
trusted get no reply that is longer than its call, and replies come from a bucket that their network
shares: it holds ``burst`` replies, and ``replies`` a second are added. The loopback interface
cannot be forged from outside and is always trusted.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable, Iterable
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from typing import Protocol

from oncrpc.aio.guard import Standing
from oncrpc.rpc.program import Caller

Network = IPv4Network | IPv6Network

PREFIXES = {4: 24, 6: 56}
"""Bits of an address that a bucket is for: what one owner has at least."""

REPLIES = 1000
"""Replies a second to a source network, unless configured otherwise."""

BURST = 10_000
"""Replies at once: 500 clients behind one address send 20 calls each, then 2 a second."""

MAX_BUCKETS = 4096


class Rules(Protocol):
    """What decides on single calls (``oncrpc.access.admission.Admission``)."""

    @property
    def generation(self) -> int:
        """Grows with every change."""

    def open_to(self, caller: Caller) -> bool:
        """Whether no call of the caller's host could be refused."""


class TokenBucket:
    """So many replies at once, and so many a second."""

    __slots__ = ("at", "burst", "rate", "tokens")

    def __init__(self, rate: float, burst: float, now: float) -> None:
        self.rate, self.burst = rate, burst
        self.tokens, self.at = burst, now

    def take(self, now: float) -> bool:
        """Whether one more reply may go out; it is counted."""
        if now != self.at:  # those of a batch come at the same time
            self.tokens = min(self.burst, self.tokens + (now - self.at) * self.rate)
            self.at = now
        if self.tokens < 1.0:
            return False
        self.tokens -= 1.0
        return True


class Sources:
    """The guard of the UDP endpoints (``oncrpc.aio.guard.Guard``).

    The ``rules`` tell which sources' calls need not be asked about before they are answered from
    memory.
    """

    def __init__(self, rules: Rules, *, clock: Callable[[], float] = time.monotonic) -> None:
        self.rules, self.clock = rules, clock
        self._changes = 0
        self._buckets: OrderedDict[Network, TokenBucket] = OrderedDict()
        self.configure()

    def configure(
        self,
        *,
        trusted: Iterable[Network] = (),
        replies: float = REPLIES,
        burst: float = BURST,
    ) -> None:
        """Trust these networks besides loopback; the others have ``replies`` a second, 0: any."""
        self.trusted = tuple(trusted)
        self.replies, self.burst = replies, burst
        self._buckets.clear()
        self._changes += 1

    @property
    def generation(self) -> tuple[int, int]:
        """Another one whenever what was said of a source may have changed."""
        return self._changes, self.rules.generation

    def standing(self, caller: Caller) -> Standing:
        """What the caller's host may have."""
        if caller.loopback:
            return Standing(open=self.rules.open_to(caller))
        address = ip_address(caller.host)
        trusted = any(address in network for network in self.trusted)
        unlimited = trusted or not self.replies
        bucket = None if unlimited else self._bucket(caller.host, PREFIXES[address.version])
        return Standing(trusted=trusted, open=self.rules.open_to(caller), bucket=bucket)

    def open_to(self, caller: Caller) -> bool:
        """Whether the calls of a connection may be answered from memory."""
        return self.rules.open_to(caller)

    def _bucket(self, host: str, bits: int) -> TokenBucket:
        network = ip_network(f"{host}/{bits}", strict=False)
        bucket = self._buckets.get(network)
        if bucket is None:
            bucket = TokenBucket(self.replies, self.burst, self.clock())
            self._buckets[network] = bucket
            if len(self._buckets) > MAX_BUCKETS:
                self._buckets.popitem(last=False)
                self._changes += 1  # nobody goes on with the bucket that has been dropped
        self._buckets.move_to_end(network)
        return bucket
