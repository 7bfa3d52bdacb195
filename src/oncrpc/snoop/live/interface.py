"""Capture on a network interface with a packet socket (packet(7))."""

from __future__ import annotations

import ctypes
import errno
import os
import select
import socket
import struct
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Protocol

from oncrpc.errors import OncRpcError
from oncrpc.snoop.capture.frames import CapturedFrame, LinkType, frames_at
from oncrpc.snoop.live.kernel_filter import (
    ETHERNET_HARDWARE,
    LOOPBACK_HARDWARE,
    attach,
    nothing,
    program_for,
)
from oncrpc.snoop.live.plain import PlainPackets
from oncrpc.snoop.live.ring import RETIRE, SIZES, SOL_PACKET, Batch, PacketRing

ANY = "any"
"""The name that stands for all interfaces."""

ETH_P_ALL = 3
ETHERNET_HEADER = 14
PACKET_ADD_MEMBERSHIP, PACKET_STATISTICS, PACKET_MR_PROMISC = 1, 6, 1
WHOLE = 1 << 18
"""Bytes captured of a frame by default."""

STATISTICS = struct.Struct("=4xI")
"""The dropped frames, in ``struct tpacket_stats``."""

STATISTICS_SIZE = 12
"""The size of ``struct tpacket_stats_v3``."""

LINK_ADDRESS = struct.Struct("=HHi12x")
"""``struct sockaddr_ll``: the family, the protocol and the interface."""

MEMBERSHIP = struct.Struct("=iH10x")
LAST_FRAMES = 4 * RETIRE
"""Milliseconds to wait for frames that the kernel captured before the end."""

NEEDS_PRIVILEGE = (
    "capturing needs the capability CAP_NET_RAW: use sudo, or see PRIVILEGES in rpcsnoop(8)"
)
REASONS = {
    errno.EPERM: NEEDS_PRIVILEGE,
    errno.EACCES: NEEDS_PRIVILEGE,
    errno.ENODEV: "no such interface; 'ip link' lists them, and 'any' is all of them",
    errno.ENETDOWN: "the interface is down; 'ip link set {} up' starts it",
    errno.EAFNOSUPPORT: "this kernel cannot capture: it was built without packet sockets",
}


class LiveCaptureError(OncRpcError):
    """An interface cannot be captured, or no longer; the text begins with its name."""

    def __init__(self, interface: str, error: OSError) -> None:
        number = error.errno or 0
        reason = REASONS.get(number, error.strerror or str(error))
        super().__init__(f"{interface}: {reason.format(interface)}")


class _Source(Protocol):
    """A source of frames; ``received`` counts them."""

    received: int

    def next_batch(self) -> Batch | None:
        """The frames that have arrived, None if there are none."""
        ...

    def close(self) -> None:
        """Release the buffers."""
        ...


class LiveCapture:
    """The frames of an interface, from opening until ``stop``.

    Only opening needs the privilege to capture. ``most`` is the limit of bytes of each frame. If
    there are ``hosts``, only frames from or to these addresses are captured. ``promiscuous`` adds
    frames that the network card receives but that are not for this host, ``errors`` adds ICMP and
    ARP. Tests set ``ring`` to False to capture without a ring.

    Raises:
        LiveCaptureError: the interface cannot be captured.
    """

    def __init__(
        self,
        interface: str,
        *,
        most: int = WHOLE,
        hosts: Collection[str] = (),
        promiscuous: bool = False,
        errors: bool = False,
        ring: bool = True,
    ) -> None:
        self.interface = interface
        self._dropped, self._stopping = 0, False
        try:
            self._socket, self.link = _opened(interface)
            with _closed_on_error(self._socket):
                # Nothing is captured before the socket is bound to a protocol.
                place = ETHERNET_HEADER if self.link == LinkType.ETHERNET else 0
                attach(self._socket, program_for(hosts, place=place, most=most, errors=errors))
                self._source = self._opened_source(SIZES if ring else ())
                if promiscuous and interface != ANY:
                    _join_promiscuous(self._socket, interface)
                _bind(self._socket, interface)
                self._check()
                self._wake = os.eventfd(0)
        except OSError as error:
            raise LiveCaptureError(interface, error) from None

    def close(self) -> None:
        """End the capture at once."""
        self._source.close()
        self._socket.close()
        os.close(self._wake)

    def stop(self) -> None:
        """End ``frames`` after those captured until now; may be called in a signal handler."""
        self._stopping = True
        os.eventfd_write(self._wake, 1)

    @property
    def captured(self) -> int:
        """The frames so far."""
        return self._source.received

    @property
    def dropped(self) -> int:
        """The frames so far that the kernel dropped because they were not read fast enough."""
        # The kernel sets its counters to 0 at each read.
        found = self._socket.getsockopt(SOL_PACKET, PACKET_STATISTICS, STATISTICS_SIZE)
        self._dropped += int(STATISTICS.unpack_from(found)[0])
        return self._dropped

    def frames(self, idle: Callable[[], None] = lambda: None) -> Iterator[CapturedFrame]:
        """The frames as they arrive; see ``batches``."""
        for data, places in self.batches(idle):
            yield from frames_at(data, places)

    def batches(self, idle: Callable[[], None] = lambda: None) -> Iterator[Batch]:
        """The frames as they arrive; ``idle`` is called before each wait for more.

        Raises:
            LiveCaptureError: the interface went down or was removed, after the last frame.
        """
        source, lost = self._source, None
        poll = select.poll()
        poll.register(self._socket, select.POLLIN)
        poll.register(self._wake, select.POLLIN)
        while not self._stopping and lost is None:
            batch = source.next_batch()
            if batch is not None:
                yield batch
                continue
            idle()
            if any(events & select.POLLERR for _, events in poll.poll()):
                lost = self._fault()
        yield from self._last_batches()
        if lost is not None:
            raise lost

    def _last_batches(self) -> Iterator[Batch]:
        """The frames that the kernel still holds; a filter stops further ones."""
        attach(self._socket, nothing())
        poll = select.poll()
        poll.register(self._socket, select.POLLIN)
        while True:
            while (batch := self._source.next_batch()) is not None:
                yield batch
            if not any(events & select.POLLIN for _, events in poll.poll(LAST_FRAMES)):
                return

    def _opened_source(self, sizes: Sequence[int]) -> _Source:
        """A ring of the first size that the kernel accepts; if there is none, plain packets."""
        for blocks in sizes:
            with suppress(OSError):
                return PacketRing(self._socket, self.link, blocks=blocks)
        return PlainPackets(self._socket, self.link)

    def _check(self) -> None:
        error = self._socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if error:
            raise OSError(error, os.strerror(error))

    def _fault(self) -> LiveCaptureError | None:
        """Why the socket reports an error."""
        try:
            self._check()
        except OSError as error:
            removed = error.errno == errno.ENETDOWN and not _exists(self.interface)
            reason = OSError(0, "the interface was removed") if removed else error
            return LiveCaptureError(self.interface, reason)
        return None


def _opened(interface: str) -> tuple[socket.socket, LinkType]:
    """A packet socket for an interface, and the link type of its frames.

    Raises:
        OSError: the interface does not exist, or the privilege is missing.
    """
    if interface != ANY:
        raw = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
        with _closed_on_error(raw):
            raw.bind((interface, 0))
        if raw.getsockname()[3] in (ETHERNET_HARDWARE, LOOPBACK_HARDWARE):
            return raw, LinkType.ETHERNET
        raw.close()
    return socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, 0), LinkType.LINUX_SLL2


@contextmanager
def _closed_on_error(sock: socket.socket) -> Iterator[None]:
    try:
        yield
    except OSError:
        sock.close()
        raise


def _bind(sock: socket.socket, interface: str) -> None:
    """Begin to capture; with ``ctypes``, because Python cannot bind to all interfaces."""
    index = 0 if interface == ANY else socket.if_nametoindex(interface)
    address = LINK_ADDRESS.pack(socket.AF_PACKET, socket.htons(ETH_P_ALL), index)
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.bind(sock.fileno(), address, len(address)):
        raise OSError(number := ctypes.get_errno(), os.strerror(number))


def _join_promiscuous(sock: socket.socket, interface: str) -> None:
    index = socket.if_nametoindex(interface)
    membership = MEMBERSHIP.pack(index, PACKET_MR_PROMISC)
    sock.setsockopt(SOL_PACKET, PACKET_ADD_MEMBERSHIP, membership)


def _exists(interface: str) -> bool:
    with suppress(OSError):
        return bool(socket.if_nametoindex(interface))
    return False
