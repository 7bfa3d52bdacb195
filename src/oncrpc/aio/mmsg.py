"""Receiving and sending many datagrams with one system call each: recvmmsg(2) and sendmmsg(2).

A batch is a number of slots in one block of memory. Each has room for the other end's address, the
control message that says which address was asked, and the datagram::

    | 4 unused | address, 28 | control message, 40 | datagram, 9000 | 16 unused |

A reply is written over its call and goes back to the same address. Where libc has no recvmmsg the
same slots are filled and sent one by one.
"""

from __future__ import annotations

import ctypes
import errno
import os
import socket
from collections.abc import Callable
from ctypes import c_int, c_size_t, c_uint, c_void_p, sizeof
from mmap import MAP_PRIVATE, mmap
from typing import Any

SLOTS = 64
MAX_DATAGRAM = 9000
ADDRESS_AT, CONTROL_AT, DATA_AT, SLOT_SIZE = 4, 32, 72, 9088
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


class _mmsghdr(ctypes.Structure):  # noqa: N801
    _fields_ = (("msg_hdr", _msghdr), ("msg_len", c_uint))


HEADER = sizeof(_mmsghdr)
HEADER_WORDS = HEADER // WORD
LENGTH = _mmsghdr.msg_len.offset // WORD
FLAGS = _msghdr.msg_flags.offset // WORD
CONTROL_LENGTH = _msghdr.msg_controllen.offset // WORD

_libc: Any = ctypes.CDLL(None, use_errno=True)


class Batch:
    """The slots of one datagram socket.

    Slot ``n`` begins at ``n * SLOT_SIZE`` of ``memory``; its header as received at
    ``n * HEADER_WORDS`` of ``words``; the length of what is to be sent is ``lengths[2 * n + 1]``.
    """

    def __init__(self, sock: socket.socket, *, slots: int = SLOTS) -> None:
        self.descriptor, self.slots = sock.fileno(), slots
        ipv6 = sock.family == socket.AF_INET6
        self.address_size = 28 if ipv6 else 16
        self.control_size = socket.CMSG_SPACE(20 if ipv6 else 12)
        block = mmap(-1, slots * SLOT_SIZE, MAP_PRIVATE)  # only what is used takes memory
        self.memory = memoryview(block)
        at = ctypes.addressof(ctypes.c_char.from_buffer(block))
        self._received, self._parts = _headers(self, at, MAX_DATAGRAM)
        self._sent, parts = _headers(self, at, 0)
        self.lengths = memoryview(parts).cast("B").cast("L")
        self._headers = memoryview(self._received).cast("B")
        self._fresh = bytes(self._headers)
        self.words = self._headers.cast("I")
        self._places = ctypes.addressof(self._received), ctypes.addressof(self._sent)

    def receive(self) -> int:
        """Fill the first slots with the datagrams that wait; how many, 0 if none does.

        Raises:
            OSError: an error of the socket, which is cleared by that; there may be more to receive.
        """
        self._headers[:] = self._fresh
        count = _receive(self.descriptor, self._places[0], self.slots)
        return max(count, 0) if count >= 0 or _would_block() else _fail()

    def send(self, first: int, count: int) -> int:
        """Send ``count`` slots from the ``first`` on; how many the kernel took.

        Raises:
            OSError: the first of them cannot be sent.
        """
        taken = _send(self.descriptor, self._places[1] + first * HEADER, count)
        return taken if taken >= 0 else _fail()


def _headers(batch: Batch, at: int, room: int) -> tuple[Any, Any]:
    """The headers of all slots, and the parts that they point to."""
    headers, parts = (_mmsghdr * batch.slots)(), (_iovec * batch.slots)()
    for n, (header, part) in enumerate(zip(headers, parts, strict=True)):
        slot = at + n * SLOT_SIZE
        part.iov_base, part.iov_len = slot + DATA_AT, room
        header.msg_hdr = _msghdr(
            slot + ADDRESS_AT, batch.address_size,
            ctypes.addressof(parts) + n * sizeof(_iovec), 1,
            slot + CONTROL_AT, batch.control_size, 0,
        )  # fmt: skip
    return headers, parts


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


_receive = _receive_together() if hasattr(_libc, "recvmmsg") else one_by_one("recvmsg")
_send = _send_together() if hasattr(_libc, "sendmmsg") else one_by_one("sendmsg")
