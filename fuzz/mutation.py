"""Changing what is valid a little: words, lengths and pieces of binary input, tokens of text."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from random import Random

WORDS = (
    0, 1, 2, 3, 4, 5, 16, 17, 255, 256, 400, 401, 1023, 1024, 8752, 8999, 9000, 9001, 65535, 65536,
    1_000_000_000, 0x7FFFFFFC, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFC, 0xFFFFFFFD, 0xFFFFFFFF,
)  # fmt: skip
"""Numbers at which something ends."""

MOST_CHANGES = 4
BLANKS = (" ", "\t", "\n", "\r", "\\\n", "\0", "\ufeff", "\u2028", "")


def word(source: Random) -> bytes:
    """Four bytes that are a number of interest."""
    number = source.choice(WORDS) if source.random() < 0.9 else source.getrandbits(32)
    return number.to_bytes(4, "big")


def overwrite_word(data: bytearray, source: Random, _: bytes) -> None:
    at = source.randrange(len(data) // 4 + 1) * 4
    data[at : at + 4] = word(source)


def flip_bit(data: bytearray, source: Random, _: bytes) -> None:
    if data:
        data[source.randrange(len(data))] ^= 1 << source.randrange(8)


def cut(data: bytearray, source: Random, _: bytes) -> None:
    del data[source.randrange(len(data) + 1) :]


def drop(data: bytearray, source: Random, _: bytes) -> None:
    at = source.randrange(len(data) + 1)
    del data[at : at + source.choice((1, 4, 8, 12))]


def insert(data: bytearray, source: Random, _: bytes) -> None:
    at = source.randrange(len(data) + 1)
    data[at:at] = word(source) if source.random() < 0.5 else source.randbytes(source.randrange(9))


def repeat(data: bytearray, source: Random, _: bytes) -> None:
    at = source.randrange(len(data) + 1)
    piece = data[at : at + source.choice((1, 4, 20, 100))]
    data[at:at] = piece * source.choice((1, 2, 10, 100))


def splice(data: bytearray, source: Random, other: bytes) -> None:
    at, of = source.randrange(len(data) + 1), source.randrange(len(other) + 1)
    data[at:] = other[of:]


Change = Callable[[bytearray, Random, bytes], None]
CHANGES: Sequence[Change] = (
    overwrite_word, overwrite_word, flip_bit, cut, drop, insert, repeat, splice,
)  # fmt: skip


def mutated(data: bytes, source: Random, others: Sequence[bytes]) -> bytes:
    """The bytes with a few changes, or none."""
    changed = bytearray(data)
    for _ in range(source.randrange(MOST_CHANGES + 1)):
        source.choice(CHANGES)(changed, source, source.choice(others))
    return bytes(changed)


def mutated_text(text: str, source: Random, tokens: Sequence[str]) -> str:
    """The text with a few tokens gone, doubled, changed for others, or run together."""
    for _ in range(source.randrange(2 * MOST_CHANGES)):
        at = source.randrange(len(text) + 1)
        end = min(len(text), at + source.choice((0, 0, 1, 1, 3, 10, 40)))
        text = text[:at] + _put(text[at:end], source, tokens) + text[end:]
    return text


def _put(piece: str, source: Random, tokens: Sequence[str]) -> str:
    match source.randrange(6):
        case 0:
            return ""
        case 1:
            return piece * source.choice((2, 3, 50, 400))
        case 2:
            return source.choice(BLANKS) + piece
        case 3:
            return chr(source.choice((source.randrange(128), source.randrange(0xD800))))
        case _:
            return source.choice(tokens) * source.choice((1, 1, 1, 2, 100))


def joined(*parts: bytes) -> bytes:
    """Several inputs as one, see ``parted``."""
    return b"".join(len(part).to_bytes(4, "big") + part for part in parts)


def parted(data: bytes, count: int) -> list[bytes]:
    """So many inputs; what says nothing about its length is the last."""
    parts = []
    for _ in range(count):
        size = int.from_bytes(data[:4], "big")
        parts.append(data[4 : 4 + size])
        data = data[4 + size :]
    return parts
