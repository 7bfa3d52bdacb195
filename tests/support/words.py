"""Bytes laid out as the RFCs draw them."""

from __future__ import annotations

import struct


def words(*parts: int | bytes) -> bytes:
    """Numbers as big-endian words of four bytes, and bytes as they are.

    >>> words(2, b"abc\\0")
    b'\\x00\\x00\\x00\\x02abc\\x00'
    """
    return b"".join(
        part if isinstance(part, bytes) else struct.pack(">I", part & 0xFFFFFFFF) for part in parts
    )
