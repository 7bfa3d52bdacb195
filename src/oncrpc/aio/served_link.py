"""A link over a served UDP socket: calls leave from the port at which a program answers.

Some protocols call back: a lock manager tells its client that a lock is granted, and the client
looks at the port from which that call comes. Replies and calls then arrive at one socket; the
endpoint hands a reply to the link to its sender, and to no other.
"""

from __future__ import annotations

import os

from oncrpc.addr import join_uaddr, transport
from oncrpc.aio.link import AioLink
from oncrpc.aio.udp import UdpEndpoint
from oncrpc.checks import check_timeout
from oncrpc.net.lookup import is_name, look_up
from oncrpc.net.sockets import admit_replies
from oncrpc.net.targets import place_text
from oncrpc.rpc.auth import AUTH_NONE, Auth
from oncrpc.rpc.calls import DEFAULT_TIMEOUT, Calls, Pending


class ServedLink(AioLink):
    """A link to one peer over the socket of an endpoint, which it shares and does not close."""

    def __init__(
        self,
        endpoint: UdpEndpoint,
        peer: tuple[str, int],
        *,
        auth: Auth = AUTH_NONE,
        timeout: float = DEFAULT_TIMEOUT,
    ) -> None:
        entry = transport(endpoint.netid)
        check_timeout(timeout)
        place = place_text(entry, *peer)
        if is_name(entry, peer[0]):
            raise ValueError(f"invalid address {peer[0]!r}: link_from does not look up names")
        self.endpoint, self.address = endpoint, look_up(entry, *peer)
        host = self.address[0].partition("%")[0]
        scope = self.address[3] if len(self.address) == 4 else 0  # of a link-local address
        self.key = host, self.address[1], scope
        if self.key in endpoint.links:
            raise ValueError(f"a link to {place} is open already")
        first_xid = int.from_bytes(os.urandom(4), "big")
        calls = Calls(first_xid=first_xid, retransmit=True, auth=auth, place=place)
        super().__init__(join_uaddr(host, self.address[1]), calls, timeout)
        admit_replies(endpoint.sock)
        endpoint.links[self.key] = self

    @property
    def works(self) -> bool:
        """Whether the link is open: a shared socket says nothing about one peer."""
        return self.broken is None

    def take(self, reply: bytes) -> None:
        """Called with a reply of the peer; one that no call waits for is dropped."""
        self._take(reply)

    def _fileno(self) -> int:
        return self.endpoint.sock.fileno()

    def _send(self, call: Pending) -> None:
        try:
            self.endpoint.sock.sendto(call.message, self.address)
        except BlockingIOError:  # dropped, as the network might: it is sent again
            pass
        except OSError as error:
            raise self._error(error) from None

    def _forget(self, call: Pending) -> None:
        pass  # every call was sent, or dropped

    def _close_socket(self) -> None:
        self.endpoint.links.pop(self.key, None)
