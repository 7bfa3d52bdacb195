"""Bytes from the wire as text that a terminal may show."""

from __future__ import annotations

import re
import unicodedata

LONGEST_TEXT = 256
"""Characters of a name or a path in a line; the rest is replaced by ``...``."""

PLAIN = re.compile(rb"[ -~]*")
UNSAFE = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}
"""Categories of Unicode that are shown as escapes: they move the cursor, hide or reorder text."""

BREAKS = "\t\n\r"


def clean(data: bytes) -> str:
    """The bytes as UTF-8, with an escape in place of each byte or character that is not text.

    >>> clean(b"a\\x1b[2Jb\\xff")
    'a\\\\x1b[2Jb\\\\xff'
    """
    if PLAIN.fullmatch(data):
        return data.decode("ascii").replace("\\", "\\\\")
    text = data.decode("utf-8", "surrogateescape").replace("\\", "\\\\")
    return "".join(map(_shown, text))


def shortened(data: bytes) -> str:
    """The same for a line, not longer than ``LONGEST_TEXT`` characters."""
    if len(data) <= LONGEST_TEXT:
        return clean(data)
    return clean(data[:LONGEST_TEXT]) + "..."


def _shown(character: str) -> str:
    if "\udc80" <= character <= "\udcff":  # a byte that is not UTF-8
        return f"\\x{ord(character) - 0xDC00:02x}"
    if unicodedata.category(character) not in UNSAFE:
        return character
    code = ord(character)
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"


def is_text(data: bytes) -> bool:
    """Whether the bytes are UTF-8 without characters that need an escape, save ends of lines."""
    if PLAIN.fullmatch(data):
        return True
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return all(each in BREAKS or unicodedata.category(each) not in UNSAFE for each in text)
