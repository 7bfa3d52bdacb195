"""Broadcast RPC through port mappers: CALLIT in both of its versions (RFC 1833 §2.2.1, §3.2).

A host that has the program answers with its address and the results; other hosts stay silent.
The call is sent in version 3 and in version 2, so that every port mapper knows one of them; most
answer both.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from oncrpc.addr import join_uaddr
from oncrpc.errors import OncRpcError
from oncrpc.net.broadcast import Destination
from oncrpc.programs.portmap import PMAP_VERS, call_args, call_result
from oncrpc.programs.rpcb import RPCBVERS, rpcb_rmtcallargs, rpcb_rmtcallres
from oncrpc.rpc.auth import Auth
from oncrpc.rpc.calls import Calls, Pending, results_at


class BroadcastReply(NamedTuple):
    """A host's answer: the universal address of the program, and the encoded results."""

    uaddr: bytes
    results: bytes


class BroadcastCalls(NamedTuple):
    """The two calls that are sent; replies are matched by their xids."""

    version_3: Pending
    version_2: Pending

    @classmethod
    def of(cls, called: tuple[int, int, int], arguments: bytes, *, auth: Auth) -> BroadcastCalls:
        """CALLIT of (program, version, procedure) in both versions."""
        first_xid = int.from_bytes(os.urandom(4), "big")
        calls = Calls(first_xid=first_xid, retransmit=False, auth=auth)
        asked_3, asked_2 = rpcb_rmtcallargs(*called, arguments), call_args(*called, arguments)
        return cls(
            calls.start(RPCBVERS.RPCBPROC_CALLIT, (asked_3,), now=0.0, timeout=0.0),
            calls.start(PMAP_VERS.PMAPPROC_CALLIT, (asked_2,), now=0.0, timeout=0.0),
        )

    @property
    def messages(self) -> tuple[bytes, bytes]:
        """The two messages, in the order in which they are sent."""
        return self.version_3.message, self.version_2.message

    def send(
        self, sockets: Mapping[int, socket.socket], places: Sequence[Destination], port: int
    ) -> int:
        """Send both calls to every destination; return how many were sent. Errors are skipped."""
        sent = 0
        for place in places:
            for message in self.messages:
                try:
                    sockets[place.family].sendto(message, place.sockaddr(port))
                except OSError:
                    continue
                sent += 1
        return sent

    def answer(self, message: bytes, host: str) -> BroadcastReply | None:
        """The answer in a message, None if it is a refusal or not a reply to these calls.

        Version 2 returns a port only; the host is the source of the reply.
        """
        asked = {call.xid: call for call in self}.get(int.from_bytes(message[:4], "big"))
        if asked is None:
            return None
        try:
            found = asked.procedure.decode_result(message, results_at(message))
        except OncRpcError:
            return None
        if isinstance(found, rpcb_rmtcallres):
            return BroadcastReply(found.addr, found.results)
        assert isinstance(found, call_result)
        return BroadcastReply(join_uaddr(host, found.port & 0xFFFF).encode(), found.res)
