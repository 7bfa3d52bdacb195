"""Receiving and sending many datagrams with one system call each: recvmmsg(2) and sendmmsg(2).

A batch is a number of slots in one block of memory. A received datagram is scattered over its slot
so that everything that its reply depends on is contiguous, and can be looked up with one slice.
What differs from call to call, the xid and the port of the source, lies before it::

    | xid, 4 | family, 2 | port, 2 | source, 24 | control message, 40 | rest of the call |
                                   |<--------------- the identity --------------------->|

The control message says which address of ours the datagram was sent to (IP_PKTINFO). The reply goes
back to the source in the same slot, with the xid in the same slot; only the rest of it is copied,
into a second block. There it stays until another reply is put into the slot, so a slot that gives
the same reply again copies nothing::

    | segment size, 24 | control message, 40 | rest of the reply |

Replies of one size to one source can leave as one message that the kernel cuts into datagrams
(UDP_SEGMENT, Linux 4.18): it passes through the network stack once, at the price of little more
than one datagram. Where libc has no recvmmsg the same slots are filled and sent one by one.
"""

from __future__ import annotations

import ctypes
import errno
import os
import socket
import struct
import sys
from collections.abc import Callable
from ctypes import c_int, c_size_t, c_uint, c_void_p, sizeof
from mmap import MAP_PRIVATE, mmap
from typing import Any

SLOTS = 64
"""Datagrams that one system call takes. Twice as many is not measurably faster."""

XID = 4
ADDRESS_AT, PORT_AT, IDENTITY_AT, CONTROL_AT, REST_AT = 4, 6, 8, 32, 72
"""Where the parts of a slot begin."""

IDENTITY_BEFORE = REST_AT - IDENTITY_AT - XID
"""The identity of a datagram of ``size`` bytes has ``IDENTITY_BEFORE + size`` bytes."""

CONTROL_ROOM = REST_AT - CONTROL_AT
SEGMENT_ROOM = socket.CMSG_SPACE(2)
REPLY_AT = SEGMENT_ROOM + CONTROL_ROOM
ALIGNMENT = 16
UDP_SEGMENT = 103
SEGMENT = struct.Struct("@NiiH")
DO_NOT_WAIT = getattr(socket, "MSG_DONTWAIT", 0)


class _iovec(ctypes.Structure):  # noqa: N801  # the C names
    _fields_ = (("iov_base", c_void_p), ("iov_len", c_size_t))


class msghdr(ctypes.Structure):  # noqa: N801
    """``struct msghdr`` of the C library."""

    _fields_ = (
        ("msg_name", c_void_p),
        ("msg_namelen", c_uint),
        ("msg_iov", c_void_p),
        ("msg_iovlen", c_size_t),
        ("msg_control", c_void_p),
        ("msg_controllen", c_size_t),
        ("msg_flags", c_int),
    )


class _parts(ctypes.Structure):  # noqa: N801
    _fields_ = (("xid", _iovec), ("rest", _iovec))


class _mmsghdr(ctypes.Structure):  # noqa: N801
    _fields_ = (("msg_hdr", msghdr), ("msg_len", c_uint))


HEADER = sizeof(_mmsghdr)

_libc: Any = ctypes.CDLL(None, use_errno=True)


class Batch:
    """The slots of one datagram socket, each with room for ``datagram`` bytes.

    - ``block`` is the memory of the slots; the identity of slot ``n`` begins at ``identities[n]``.
    - ``_received`` and ``_sent`` are the kernel's headers, one for each slot. They point into the
      blocks and are set up once. Receiving writes sizes, flags and control lengths into
      ``_received``; ``_pristine`` is a copy from before that, which the next receipt needs.
    - ``_sizes``, ``_flags``, ``_controls`` and ``_lengths`` are views of one field of all headers,
      so that a batch is read with one slice instead of 64 attribute look-ups.
    - The headers of ``_sent`` have the addresses and xids of the received slots: a reply always
      goes where the datagram in the same slot came from.
    """

    def __init__(self, sock: socket.socket, *, slots: int = SLOTS, datagram: int = 9000) -> None:
        self.descriptor, self.slots, self.datagram = sock.fileno(), slots, datagram
        ipv6 = sock.family == socket.AF_INET6
        self.address_size = 28 if ipv6 else 16
        self.control_size = socket.CMSG_SPACE(20 if ipv6 else 12)
        self._slot_size = _aligned(REST_AT + datagram - XID)
        self._reply_size = _aligned(REPLY_AT + datagram - XID)
        self.identities = tuple(range(IDENTITY_AT, slots * self._slot_size, self._slot_size))
        # Private mappings: pages are taken when a datagram first reaches them, so that slots for
        # 65,507 bytes cost no more than the datagrams that come.
        self.block = mmap(-1, slots * self._slot_size, MAP_PRIVATE)
        self._replies = mmap(-1, slots * self._reply_size, MAP_PRIVATE)
        self._received, self._parts = self._headers(self.block, REST_AT, self._slot_size)
        self._sent, parts = self._headers(self._replies, REPLY_AT, self._reply_size)
        self._lengths = column(
            memoryview(parts).cast("B"),
            _iovec.iov_len,
            within=_parts.rest.offset,
            step=sizeof(_parts),
        )
        self._memory = memoryview(self._received).cast("B")
        self._pristine = bytes(self._memory)
        self._sizes = column(self._memory, _mmsghdr.msg_len)
        self._flags = column(self._memory, msghdr.msg_flags)
        self._controls = column(self._memory, msghdr.msg_controllen)
        self._full_controls = self._controls.tolist()
        self._ports = memoryview(self.block).cast("H")[PORT_AT // 2 :: self._slot_size // 2]
        self._places = ctypes.addressof(self._received), ctypes.addressof(self._sent)
        self.can_segment = can_segment(sock)
        self._segmented = msghdr()

    def receive(self) -> int:
        """Fill the first slots with waiting datagrams. Returns their number, 0 if none waits.

        Raises:
            OSError: an error of the socket, which this clears; there may be more to receive.
        """
        self._memory[:] = self._pristine
        count = _receive(self.descriptor, self._places[0], self.slots)
        return max(count, 0) if count >= 0 or _would_block() else _fail()

    def sizes(self, count: int) -> list[int]:
        """The sizes of the first datagrams; of a truncated one, the bytes that were received."""
        return self._sizes[:count].tolist()

    def all_addressed(self, count: int) -> bool:
        """Whether all of the first datagrams say which address they were sent to.

        The kernel leaves out a control message if it has no memory for it. The slot then still
        holds that of an earlier datagram, so its identity would be wrong.
        """
        return self._controls[:count].tolist() == self._full_controls[:count]

    def is_truncated(self, n: int) -> bool:
        """Whether the datagram was longer than the slot."""
        return bool(self._flags[n] & socket.MSG_TRUNC)

    def message(self, n: int) -> bytes:
        """The datagram in a slot."""
        begin, size = n * self._slot_size, self._sizes[n]
        xid = self.block[begin : begin + min(size, XID)]
        return xid + self.block[begin + REST_AT : begin + REST_AT + size - XID]

    def source(self, n: int) -> bytes:
        """The sockaddr that a slot's datagram came from."""
        begin = n * self._slot_size
        return self.block[begin + ADDRESS_AT : begin + CONTROL_AT]

    def control(self, n: int) -> bytes:
        """The control message of a slot's datagram, empty if there was none."""
        begin = n * self._slot_size + CONTROL_AT
        return self.block[begin : begin + self._controls[n]]

    def identity(self, n: int) -> bytes:
        """Everything that the reply to a slot's datagram depends on."""
        begin = self.identities[n]
        return self.block[begin : begin + IDENTITY_BEFORE + self._sizes[n]]

    def route(self, n: int) -> bytes:
        """Source address without port, plus control message: the key of a route."""
        begin = n * self._slot_size
        return self.block[begin + IDENTITY_AT : begin + REST_AT]

    def put(self, n: int, tail: bytes, control: bytes) -> None:
        """Make the slot's xid and ``tail`` its reply, with a control message."""
        begin = n * self._reply_size
        at = begin + SEGMENT_ROOM
        self._replies[at : at + len(control)] = control
        at = begin + REPLY_AT
        self._replies[at : at + len(tail)] = tail
        self._lengths[n] = len(tail)

    def send(self, first: int, count: int) -> int:
        """Send the replies of ``count`` slots. Returns how many the kernel took.

        Raises:
            OSError: the first of them cannot be sent.
        """
        taken = _send(self.descriptor, self._places[1] + first * HEADER, count)
        return taken if taken >= 0 else _fail()

    def from_one_port(self, first: int, count: int) -> bool:
        """Whether ``count`` datagrams have the same source port."""
        ports = self._ports[first : first + count].tolist()
        return ports.count(ports[0]) == count

    def send_segmented(self, first: int, count: int) -> None:
        """Send the replies of ``count`` slots as one message, all of one size and to one source.

        The parts of all slots are one array, so the message takes those of the first ``count``
        slots as they are: xid, rest, xid, rest. The control message with the size of a segment
        goes before the one with the address to send from; there is room for it.

        Raises:
            OSError: none was sent; they may still be sent one by one.
        """
        begin, header = first * self._reply_size, self._sent[first].msg_hdr
        size = XID + self._lengths[first]
        segment = SEGMENT.pack(socket.CMSG_LEN(2), socket.IPPROTO_UDP, UDP_SEGMENT, size)
        self._replies[begin : begin + len(segment)] = segment
        message = self._segmented
        message.msg_name, message.msg_namelen = header.msg_name, header.msg_namelen
        message.msg_iov, message.msg_iovlen = header.msg_iov, 2 * count
        message.msg_control = header.msg_control - SEGMENT_ROOM
        message.msg_controllen = header.msg_controllen + SEGMENT_ROOM
        if _sendmsg(self.descriptor, ctypes.addressof(message), DO_NOT_WAIT) < 0:
            _fail()

    def _headers(self, rests: mmap, rest_at: int, size: int) -> tuple[Any, Any]:
        """The headers of all slots, and the parts that they point to.

        Addresses and xids lie in ``block``, for replies too; control messages and the rest of the
        messages in ``rests``.
        """
        headers, parts = (_mmsghdr * self.slots)(), (_parts * self.slots)()
        slots, rests_at = _address(self.block), _address(rests)
        for n, (header, part) in enumerate(zip(headers, parts, strict=True)):
            slot, rest = slots + n * self._slot_size, rests_at + n * size
            part.xid = _iovec(slot, XID)
            part.rest = _iovec(rest + rest_at, self.datagram - XID)
            header.msg_hdr = msghdr(
                slot + ADDRESS_AT, self.address_size,
                ctypes.addressof(part), 2,
                rest + rest_at - CONTROL_ROOM, self.control_size, 0,
            )  # fmt: skip
        return headers, parts


def column(array: memoryview, field: Any, *, within: int = 0, step: int = HEADER) -> memoryview:
    """A view of one field of every structure in an array.

    Structures are ``step`` bytes apart; the structure that has the field begins ``within`` bytes
    after that. An item of the view is as wide as the field: ``msg_controllen`` is a ``size_t``, of
    which a 64-bit big-endian machine has only zeros in the first 32 bits.
    """
    size, at = field.size, within + field.offset
    items = array.cast("I") if size == sizeof(c_uint) else array.cast("Q")
    return items[at // size :: step // size]


def can_segment(sock: socket.socket) -> bool:
    """Whether the kernel can cut one message into datagrams (UDP_SEGMENT)."""
    try:
        return sys.platform == "linux" and sock.getsockopt(socket.IPPROTO_UDP, UDP_SEGMENT) == 0
    except OSError:
        return False


def _aligned(size: int) -> int:
    return -(-size // ALIGNMENT) * ALIGNMENT


def _address(block: mmap) -> int:
    return ctypes.addressof(ctypes.c_char.from_buffer(block))


def _would_block() -> bool:
    return ctypes.get_errno() in (errno.EAGAIN, errno.EWOULDBLOCK, errno.EINTR)


def _fail() -> int:
    number = ctypes.get_errno()
    raise OSError(number, os.strerror(number))


def _function(name: str, *arguments: Any) -> Callable[..., int]:
    function: Any = getattr(_libc, name)
    function.argtypes = arguments
    return function  # type: ignore[no-any-return]  # of ctypes


def _receive_together() -> Callable[[int, int, int], int]:
    recvmmsg = _function("recvmmsg", c_int, c_void_p, c_uint, c_int, c_void_p)
    return lambda fd, headers, count: recvmmsg(fd, headers, count, DO_NOT_WAIT, None)


def _send_together() -> Callable[[int, int, int], int]:
    sendmmsg = _function("sendmmsg", c_int, c_void_p, c_uint, c_int)
    return lambda fd, headers, count: sendmmsg(fd, headers, count, DO_NOT_WAIT)


def one_by_one(name: str) -> Callable[[int, int, int], int]:
    """A replacement for recvmmsg or sendmmsg that calls ``recvmsg`` or ``sendmsg``."""
    function = _function(name, c_int, c_void_p, c_int)
    at = _mmsghdr.msg_len.offset

    def together(descriptor: int, headers: int, count: int) -> int:
        for n in range(count):
            length = function(descriptor, headers + n * HEADER, DO_NOT_WAIT)
            if length < 0:
                return n or -1
            c_uint.from_address(headers + n * HEADER + at).value = length
        return count

    return together


_sendmsg = _function("sendmsg", c_int, c_void_p, c_int)
_receive = _receive_together() if hasattr(_libc, "recvmmsg") else one_by_one("recvmsg")
_send = _send_together() if hasattr(_libc, "sendmmsg") else one_by_one("sendmsg")
