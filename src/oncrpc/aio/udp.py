"""Serving datagrams: a drain loop over one socket, without asyncio's datagram endpoint.

The control buffer that says which address was asked goes back with the reply, so that a client of a
host with many addresses gets it from the one that it sent to. A datagram that is no call is
dropped; an error of one datagram (port 0, unreachable) never ends the endpoint.
"""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import Awaitable

from oncrpc.aio.sockets import Ancillary, arrival, loopback_interfaces
from oncrpc.errors import ProtocolError, SystemFailure
from oncrpc.rpc.dispatch import Dispatcher, Reply, refuse
from oncrpc.rpc.program import Caller

log = logging.getLogger("oncrpc.aio")

MAX_CALL = 9000
MAX_REPLY = 9000
"""What the C clients have room for; a longer reply becomes SYSTEM_ERR."""

BATCH = 64
CONTROL_SIZE = socket.CMSG_SPACE(20) + socket.CMSG_SPACE(12)
MAX_WAITING = 256
"""Calls whose handler has not finished; while there are so many, datagrams are dropped."""


class UdpEndpoint:
    """Answers the calls that arrive at a bound socket, from ``start`` to ``close``."""

    def __init__(self, sock: socket.socket, netid: str, dispatcher: Dispatcher) -> None:
        self.sock, self.netid, self.dispatcher = sock, netid, dispatcher
        self.loop = asyncio.get_running_loop()
        self.waiting: set[asyncio.Future[None]] = set()
        self.loopback = loopback_interfaces()

    def start(self) -> None:
        """Begin to answer."""
        self.loop.add_reader(self.sock.fileno(), self._drain)

    def stop(self) -> None:
        """Take nothing more; calls that are being worked on are still answered."""
        self.loop.remove_reader(self.sock.fileno())

    def close(self) -> None:
        """Stop; calls that are being worked on are not answered."""
        self.loop.remove_reader(self.sock.fileno())
        for task in self.waiting:
            self.loop.call_soon(task.cancel)  # a task that has not begun yet would leak its call
        self.sock.close()

    def _drain(self) -> None:
        for _ in range(BATCH):
            try:
                message, ancillary, flags, source = self.sock.recvmsg(MAX_CALL, CONTROL_SIZE)
            except BlockingIOError:
                return
            except OSError as error:
                log.debug("%s: %s", self.netid, error)
                continue
            if not flags & socket.MSG_TRUNC and len(self.waiting) < MAX_WAITING:
                self._answer(message, ancillary, source)

    def _answer(self, message: bytes, ancillary: Ancillary, source: tuple[str, int, int]) -> None:
        local, interface, control = arrival(self.sock, ancillary, source)
        caller = Caller(
            self.netid,
            (source[0].partition("%")[0], source[1], 0),
            local,
            loopback=interface in self.loopback,
            datagram=True,
        )
        try:
            reply = self.dispatcher.handle(message, caller)
        except ProtocolError as error:
            log.debug("%s: dropped a datagram: %s", self.netid, error)
            return
        if isinstance(reply, bytes | None):
            self._send(reply, message, control, source)
        else:
            task = asyncio.ensure_future(self._send_later(reply, message, control, source))
            self.waiting.add(task)
            task.add_done_callback(self.waiting.discard)

    async def _send_later(
        self, reply: Awaitable[Reply], message: bytes, control: Ancillary, to: tuple[str, int, int]
    ) -> None:
        self._send(await reply, message, control, to)

    def _send(
        self, reply: Reply, message: bytes, control: Ancillary, to: tuple[str, int, int]
    ) -> None:
        if reply is None:
            return
        if len(reply) > MAX_REPLY:
            reply = refuse(message[:4], SystemFailure())
        try:
            self.sock.sendmsg([reply], control, 0, to)
        except OSError as error:
            log.debug("%s: reply to %s: %s", self.netid, to[0], error)
