"""Receiving and sending many datagrams with one system call each: recvmmsg(2) and sendmmsg(2).

A batch is a number of slots in one block of memory. What is received is scattered so that all
that a reply follows from lies together, and the xid and the port of the source before it::

    | xid, 4 | family, 2 | port, 2 | source, 24 | control message, 40 | rest of the call, 8996 |
                                   |<------------------- what was asked ----------------->|

The control message says which address was asked. A reply goes back to the slot's source with the
slot's xid; the rest of it lies in a block of its own and stays there until another one is put in
its place::

    | size of a train's datagrams, 24 | control message, 40 | rest of the reply, 8996 |

Replies of one size to one source can go as a train: one message that the kernel cuts into datagrams
(UDP_SEGMENT, Linux 4.18), for the price of little more than one. Where libc has no recvmmsg the
same slots are filled and sent one by one.
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
MAX_DATAGRAM = 9000
"""Bytes of a slot for a datagram."""

XID = 4
REST_SIZE = MAX_DATAGRAM - XID
ADDRESS_AT, PORT_AT, ASKED_AT, CONTROL_AT, REST_AT, SLOT_SIZE = 4, 6, 8, 32, 72, 9072
ASKED = tuple(range(ASKED_AT, SLOTS * SLOT_SIZE, SLOT_SIZE))
"""Where in the block each slot has what was asked: from here on ``asked_before`` + datagram."""

ASKED_BEFORE = REST_AT - ASKED_AT - XID
REPLY_CONTROL_AT, REPLY_AT, REPLY_SIZE = 24, 64, 9064
MAX_TRAIN_REPLY = 1000
"""Bytes of a reply that goes as one of a train: less than any network takes."""

MAX_TRAIN = 16 << 10
"""Bytes of a train: a queue that has no room for it drops all of it, where some would have fit."""

UDP_SEGMENT = 103
SEGMENT = struct.Struct("@LiiH6x")
WORD = sizeof(c_uint)
WAIT_FOR_NOTHING = getattr(socket, "MSG_DONTWAIT", 0)


class _iovec(ctypes.Structure):  # noqa: N801  # the C names
    _fields_ = (("iov_base", c_void_p), ("iov_len", c_size_t))


class _msghdr(ctypes.Structure):  # noqa: N801
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
    _fields_ = (("msg_hdr", _msghdr), ("msg_len", c_uint))


HEADER = sizeof(_mmsghdr)
HEADER_WORDS = HEADER // WORD
SIZE = _mmsghdr.msg_len.offset // WORD
FLAGS = _msghdr.msg_flags.offset // WORD
CONTROL_LENGTH = _msghdr.msg_controllen.offset // WORD
CONTROL_ROOM = REST_AT - CONTROL_AT
CMSG_SEGMENT = socket.CMSG_LEN(2)
PASSING = {errno.EAGAIN, errno.EINTR, errno.ENOBUFS, errno.ENOMEM}
"""Errors that say nothing about where a datagram was to go."""

PARTS_WORDS = sizeof(_parts) // sizeof(c_size_t)
TAIL_LENGTH = (_parts.rest.offset + _iovec.iov_len.offset) // sizeof(c_size_t)

_libc: Any = ctypes.CDLL(None, use_errno=True)


class Batch:
    """The slots of one datagram socket; ``block`` is the memory that they lie in.

    Slot ``n`` has what was asked, by a datagram of ``size`` bytes, in ``block[ASKED[n] :
    ASKED[n] + ASKED_BEFORE + size]``.
    """

    def __init__(self, sock: socket.socket, *, slots: int = SLOTS) -> None:
        self.descriptor, self.slots = sock.fileno(), slots
        ipv6 = sock.family == socket.AF_INET6
        self.address_size = 28 if ipv6 else 16
        self.control_size = socket.CMSG_SPACE(20 if ipv6 else 12)
        self.block = mmap(-1, slots * SLOT_SIZE, MAP_PRIVATE)  # only what is used takes memory
        self._replies = mmap(-1, slots * REPLY_SIZE, MAP_PRIVATE)
        self._received, self._parts = self._headers(_address(self.block), REST_AT, SLOT_SIZE)
        self._sent, parts = self._headers(_address(self._replies), REPLY_AT, REPLY_SIZE)
        self._lengths = memoryview(parts).cast("B").cast("L")
        self._memory = memoryview(self._received).cast("B")
        self._fresh = bytes(self._memory)
        words = self._memory.cast("I")
        self._sizes, self._flags = words[SIZE::HEADER_WORDS], words[FLAGS::HEADER_WORDS]
        self._controls = words[CONTROL_LENGTH::HEADER_WORDS]
        self._all_whole = self._controls.tolist()
        self._places = ctypes.addressof(self._received), ctypes.addressof(self._sent)
        self._ports = memoryview(self.block).cast("H")[PORT_AT // 2 :: SLOT_SIZE // 2]
        self.trains = can_segment(sock)
        self._train = _msghdr()

    def receive(self) -> int:
        """Fill the first slots with the datagrams that wait; how many, 0 if none does.

        Raises:
            OSError: an error of the socket, which is cleared by that; there may be more to receive.
        """
        self._memory[:] = self._fresh
        count = _receive(self.descriptor, self._places[0], self.slots)
        return max(count, 0) if count >= 0 or _would_block() else _fail()

    def sizes(self, count: int) -> list[int]:
        """The bytes of the first datagrams; of one that was cut, what is left."""
        return self._sizes[:count].tolist()

    def whole(self, count: int) -> bool:
        """Whether it is known of all of the first slots which address was asked."""
        return self._controls[:count].tolist() == self._all_whole[:count]

    def cut(self, n: int) -> bool:
        """Whether the datagram was longer than there is room for."""
        return bool(self._flags[n] & socket.MSG_TRUNC)

    def message(self, n: int) -> bytes:
        """The datagram in a slot."""
        begin, size = n * SLOT_SIZE, self._sizes[n]
        xid = self.block[begin : begin + min(size, XID)]
        return xid + self.block[begin + REST_AT : begin + REST_AT + size - XID]

    def source(self, n: int) -> bytes:
        """The sockaddr that a slot's datagram came from."""
        return self.block[n * SLOT_SIZE + ADDRESS_AT : n * SLOT_SIZE + CONTROL_AT]

    def control(self, n: int) -> bytes:
        """The control message of a slot's datagram, empty if there was none."""
        begin = n * SLOT_SIZE + CONTROL_AT
        return self.block[begin : begin + self._controls[n]]

    def asked(self, n: int) -> bytes:
        """All that the reply to a slot's datagram follows from."""
        return self.block[ASKED[n] : ASKED[n] + ASKED_BEFORE + self._sizes[n]]

    def route(self, n: int) -> bytes:
        """The source but its port, and the control message: the same for all datagrams of a way."""
        return self.block[n * SLOT_SIZE + ASKED_AT : n * SLOT_SIZE + REST_AT]

    def put(self, n: int, tail: bytes, control: bytes) -> None:
        """Make the slot's xid and ``tail`` its reply, with a control message."""
        begin = n * REPLY_SIZE
        self._replies[begin + REPLY_CONTROL_AT : begin + REPLY_CONTROL_AT + len(control)] = control
        self._replies[begin + REPLY_AT : begin + REPLY_AT + len(tail)] = tail
        self._lengths[PARTS_WORDS * n + TAIL_LENGTH] = len(tail)

    def send(self, first: int, count: int) -> int:
        """Send ``count`` slots' replies from the ``first`` on; how many the kernel took.

        Raises:
            OSError: the first of them cannot be sent.
        """
        taken = _send(self.descriptor, self._places[1] + first * HEADER, count)
        return taken if taken >= 0 else _fail()

    def from_one_port(self, first: int, count: int) -> bool:
        """Whether the source's port is the same in so many slots."""
        ports = self._ports[first : first + count].tolist()
        return ports.count(ports[0]) == count

    def send_train(self, first: int, count: int) -> None:
        """Send the replies of ``count`` slots, all as long as the first one and to its source.

        Raises:
            OSError: none of them was sent; they may be one by one.
        """
        begin, header = first * REPLY_SIZE, self._sent[first].msg_hdr
        size = XID + self._lengths[PARTS_WORDS * first + TAIL_LENGTH]
        segment = SEGMENT.pack(CMSG_SEGMENT, socket.IPPROTO_UDP, UDP_SEGMENT, size)
        self._replies[begin : begin + REPLY_CONTROL_AT] = segment
        self._train.msg_name, self._train.msg_namelen = header.msg_name, header.msg_namelen
        self._train.msg_iov, self._train.msg_iovlen = header.msg_iov, 2 * count
        self._train.msg_control = header.msg_control - REPLY_CONTROL_AT
        self._train.msg_controllen = header.msg_controllen + REPLY_CONTROL_AT
        if _sendmsg(self.descriptor, ctypes.addressof(self._train), WAIT_FOR_NOTHING) < 0:
            _fail()

    def _headers(self, rests: int, rest_at: int, size: int) -> tuple[Any, Any]:
        """The headers of all slots, and the parts that they point to; ``rests`` has the others."""
        headers, parts = (_mmsghdr * self.slots)(), (_parts * self.slots)()
        slots = _address(self.block)
        for n, (header, part) in enumerate(zip(headers, parts, strict=True)):
            slot, rest = slots + n * SLOT_SIZE, rests + n * size
            part.xid = _iovec(slot, XID)
            part.rest = _iovec(rest + rest_at, REST_SIZE)
            header.msg_hdr = _msghdr(
                slot + ADDRESS_AT, self.address_size,
                ctypes.addressof(part), 2,
                rest + rest_at - CONTROL_ROOM, self.control_size, 0,
            )  # fmt: skip
        return headers, parts


def can_segment(sock: socket.socket) -> bool:
    """Whether the kernel can cut one message into datagrams."""
    try:
        return sys.platform == "linux" and sock.getsockopt(socket.IPPROTO_UDP, UDP_SEGMENT) == 0
    except OSError:
        return False


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
    return lambda fd, headers, count: recvmmsg(fd, headers, count, WAIT_FOR_NOTHING, None)


def _send_together() -> Callable[[int, int, int], int]:
    sendmmsg = _function("sendmmsg", c_int, c_void_p, c_uint, c_int)
    return lambda fd, headers, count: sendmmsg(fd, headers, count, WAIT_FOR_NOTHING)


def one_by_one(name: str) -> Callable[[int, int, int], int]:
    """What recvmmsg or sendmmsg does, with ``recvmsg`` or ``sendmsg``."""
    function = _function(name, c_int, c_void_p, c_int)
    at = _mmsghdr.msg_len.offset

    def together(descriptor: int, headers: int, count: int) -> int:
        for n in range(count):
            length = function(descriptor, headers + n * HEADER, WAIT_FOR_NOTHING)
            if length < 0:
                return n or -1
            c_uint.from_address(headers + n * HEADER + at).value = length
        return count

    return together


_sendmsg = _function("sendmsg", c_int, c_void_p, c_int)
_receive = _receive_together() if hasattr(_libc, "recvmmsg") else one_by_one("recvmsg")
_send = _send_together() if hasattr(_libc, "sendmmsg") else one_by_one("sendmsg")
