"""Bytes from the wire as text."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oncrpc.snoop.words.text import LONGEST_TEXT, clean, is_text, shortened


@pytest.mark.parametrize(
    ("data", "shown"),
    [
        (b"notes.txt", "notes.txt"),
        ("Grüße".encode(), "Grüße"),
        (b"a\tb\r\n", r"a\x09b\x0d\x0a"),
        (b"\x1b[31m", r"\x1b[31m"),
        (b"\x7f", r"\x7f"),
        ("\x9b31m".encode(), r"\x9b31m"),
        ("\u202egpj".encode(), r"\u202egpj"),
        (b"\xff\xfe", r"\xff\xfe"),
        (b"a\\x1b", r"a\\x1b"),
    ],
)
def test_unsafe_characters_are_escaped(data: bytes, shown: str) -> None:
    assert clean(data) == shown


@given(st.binary())
def test_any_bytes_become_harmless_text(data: bytes) -> None:
    assert all(unicodedata.category(each)[0] != "C" for each in clean(data))


def test_long_text_is_shortened() -> None:
    assert shortened(b"a" * 1000) == "a" * LONGEST_TEXT + "..."


def test_text_needs_no_escape() -> None:
    assert is_text("Grüße".encode())
    assert is_text(b"two\n\tlines\r\n")
    assert not is_text(b"\x00")
    assert not is_text(b"\xff")
    assert not is_text("\u202e".encode())
