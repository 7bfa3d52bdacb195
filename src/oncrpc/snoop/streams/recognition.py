"""What the header of an RPC message looks like (RFC 5531 §9).

``is_message`` accepts what a peer may send, also the invalid: it is used where a message is
expected. ``is_certain_message`` is used to find messages among other bytes, and accepts only what
ordinary peers send.
"""

from __future__ import annotations

from struct import Struct

HEAD = Struct(">IIIIII")
WORD = Struct(">I")
OPAQUE_AUTH = Struct(">II")
TRIPLE = Struct(">III")
CALL, REPLY, RPC_VERSION = 0, 1, 2
MSG_ACCEPTED, MSG_DENIED = 0, 1
MAX_AUTH = 400
"""Bytes of a credential or verifier (RFC 5531 §8.2)."""

MIN_CALL, MIN_REPLY = 40, 20
FLAVORS = {0, 1, 2, 3, 6, 7}
HIGHEST_PROGRAM = 0x7FFFFFFF
"""The highest program number that a peer uses."""

HIGHEST = 0xFFFF
"""The highest version and procedure of a call that is found among other bytes."""

HEAD_BYTES = 12


def is_message(data: bytes | bytearray, at: int = 0) -> bool:
    """True if the 12 bytes at a place may begin a message."""
    kind, second = OPAQUE_AUTH.unpack_from(data, at + 4)
    return bool(second < 16 if kind == CALL else kind == REPLY and second <= MSG_DENIED)


def is_certain_message(data: bytes | bytearray, at: int, length: int) -> bool | None:
    """Whether a message of that length is at a place; None if too few bytes of it are there."""
    if len(data) < at + HEAD_BYTES:
        return None
    kind, second = OPAQUE_AUTH.unpack_from(data, at + 4)
    if kind == CALL and second == RPC_VERSION:
        return _is_call(data, at, length)
    if kind == REPLY and second <= MSG_DENIED:
        return _is_reply(data, at, length)
    return False


def _is_call(data: bytes | bytearray, at: int, length: int) -> bool | None:
    if length < MIN_CALL:
        return False
    if len(data) < at + 32:
        return None
    _, _, _, prog, vers, proc = HEAD.unpack_from(data, at)
    flavor, size = OPAQUE_AUTH.unpack_from(data, at + 24)
    if not 0 < prog <= HIGHEST_PROGRAM or vers > HIGHEST or proc > HIGHEST:
        return False
    if not _is_auth(flavor, size) or length < MIN_CALL + size:
        return False
    if len(data) < at + 40 + size:
        return None
    flavor, verifier = OPAQUE_AUTH.unpack_from(data, at + 32 + size)
    return _is_auth(flavor, verifier) and length >= MIN_CALL + size + verifier


def _is_reply(data: bytes | bytearray, at: int, length: int) -> bool | None:
    if length < MIN_REPLY:
        return False
    if len(data) < at + MIN_REPLY:
        return None
    second, flavor, size = TRIPLE.unpack_from(data, at + 8)
    if second == MSG_DENIED:  # here ``flavor`` is reject_stat, ``size`` what follows it
        return flavor <= 1 and size <= 0xFF and length in (20, 24)
    if not _is_auth(flavor, size) or length < 24 + size:
        return False
    if len(data) < at + 24 + size:
        return None
    return bool(WORD.unpack_from(data, at + 20 + size)[0] <= 5)


def _is_auth(flavor: int, size: int) -> bool:
    return size <= MAX_AUTH and size % 4 == 0 and flavor in FLAVORS
