"""Datagrams that were answered before: their replies, found without parsing anything.

Two caches, which are emptied together:

- routes: data derived from a source and the address that it calls (``oncrpc.aio.udp_route``);
- known datagrams: the reply to exactly these bytes on exactly this route, an entry of the reply
  cache (``oncrpc.rpc.reply_cache``).

A reply is kept in both the reply cache and here as soon as it was computed. The same datagram
from the same host is answered from here; the same call from another host from the reply cache.
"""

from __future__ import annotations

from collections.abc import Mapping

from oncrpc.aio.datagram_batch import Batch
from oncrpc.aio.guard import Bucket, Guard
from oncrpc.aio.limits import Limits
from oncrpc.aio.udp_route import Route, route_of
from oncrpc.caching import Bounded, Epoch
from oncrpc.net.sockets import loopback_interfaces
from oncrpc.rpc.reply_cache import REPLY_LIFETIME, CachedReply, Repeatable, ReplyCache

MAX_IDENTITY = 512
"""Bytes of an identity that is kept: a call, and 64 bytes about where it came from and went to."""

MAX_SEGMENT = 1000
"""Bytes of a reply that may be sent as a segment: less than the MTU of any network."""


class KnownDatagram:
    """The answer to a datagram that came on the same route before.

    ``segmented`` is whether several of these replies may leave as one message. It is cleared once
    that has failed for this destination.
    """

    __slots__ = ("bucket", "control", "reply", "segmented")

    def __init__(self, reply: CachedReply, control: bytes, bucket: Bucket | None) -> None:
        self.reply, self.control, self.bucket = reply, control, bucket
        self.segmented = len(reply.tail) <= MAX_SEGMENT


KNOWN_NOTHING: Mapping[bytes, KnownDatagram] = {}


class KnownDatagrams:
    """The routes and the known datagrams of one endpoint.

    - Key of a route: the source's address without its port, and the control message, which names
      our address and the interface. Key of a known datagram: its identity, which is the key of its
      route and the call after its xid.
    - Bound: ``limits.routes`` and ``limits.known_datagrams``; the oldest entry is evicted.
    - Emptied: when the reply cache has dropped replies, when the guard changes, when the
      interfaces change (``look_again``), and after 5 seconds.

    Known datagrams are read through ``entries`` only, which checks all of that.
    """

    def __init__(
        self, netid: str, port: int, *, guard: Guard, cache: ReplyCache | None, limits: Limits
    ) -> None:
        self.netid, self.port, self.guard, self.cache = netid, port, guard, cache
        self.loopbacks = loopback_interfaces()
        self._routes = Bounded[bytes, Route](limits.routes)
        self._entries = Bounded[bytes, KnownDatagram](limits.known_datagrams)
        self._guard_epoch = Epoch(guard, lifetime=REPLY_LIFETIME)
        self._cache_generation = -1

    def __len__(self) -> int:
        return len(self._entries)

    @property
    def routes(self) -> int:
        """The number of routes that are remembered."""
        return len(self._routes)

    def look_again(self) -> None:
        """Called when the interfaces of this host have changed."""
        self.loopbacks = loopback_interfaces()
        self._guard_epoch.end()

    def entries(self, now: float) -> Mapping[bytes, KnownDatagram]:
        """The known datagrams by their identities; valid until the next call is dispatched."""
        cached = 0 if self.cache is None else self.cache.generation_at(now)
        if self._guard_epoch.has_ended(now) or cached != self._cache_generation:
            self._routes.clear()
            self._entries.clear()
            self._cache_generation = cached
        return self._entries

    def route(self, batch: Batch, n: int) -> Route:
        """The route of a slot's datagram; kept if the datagram has its destination address.

        Call it only while the result of ``entries`` is valid.
        """
        control = batch.control(n)
        if len(control) != batch.control_size or batch.is_truncated(n):
            return self._new_route(batch.source(n), control)
        key = batch.route(n)
        route = self._routes.get(key)
        if route is None:
            route = self._new_route(batch.source(n), control)
            if route.control is not None:
                self._routes.keep(key, route)
        return route

    def _new_route(self, source: bytes, control: bytes) -> Route:
        route = route_of(source, control, self.port, loopbacks=self.loopbacks)
        rights = self.guard.rights(route.caller(self.netid, 0))
        route.trusted, route.bucket = rights.trusted, rights.bucket
        if rights.open and route.control is not None:
            # ``trusted`` decides how long a reply may be, so it is one of the circumstances.
            where = route.local, route.loopback, route.to_group
            route.circumstances = self.netid, *where, route.trusted
        return route

    def cached(self, route: Route, message: bytes, now: float) -> CachedReply | None:
        """The reply to the same call from another host in the same circumstances."""
        if self.cache is None or route.circumstances is None:
            return None
        return self.cache.replies(route.circumstances, now).get(message[4:])

    def keep(
        self, route: Route, message: bytes, reply: bytes, counters: list[Repeatable]
    ) -> CachedReply | None:
        """Keep the reply to a call in the reply cache, if calls on its route may be cached."""
        if self.cache is None or route.circumstances is None:
            return None
        return self.cache.keep(route.circumstances, message, reply, counters)

    def add(self, identity: bytes, reply: CachedReply, route: Route) -> KnownDatagram:
        """Answer the next such datagram with this reply."""
        known = KnownDatagram(reply, route.message, route.bucket)
        if len(identity) <= MAX_IDENTITY:
            self._entries.keep(identity, known)
        return known
