"""Any text is compiled or refused."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oncrpc.errors import IdlError
from oncrpc.idl import compile_text

WORDS = [
    "struct", "union", "enum", "typedef", "const", "program", "version", "switch", "case",
    "default", "void", "opaque", "string", "int", "unsigned", "hyper", "bool", "quadruple",
    "a", "b", "c", "def", "list", "0", "1", "08", "0xF", "-", "*", "<", ">", "<<", "[", "]", "{",
    "}", "(", ")", "=", ";", ",", ":", "'x'", '"x"', "/*", "*/", "//", "\n", "\n%", "\n#define",
    "\n#ifdef", "\n#endif", "TRUE",
]  # fmt: skip
DEFINITIONS = [
    "struct a { int x; a *next; };", "struct b { a x; b *next; };", "typedef a *b;",
    "typedef b c<>;", "union c switch (bool x) { case TRUE: c y; default: void; };",
    "const a = b;", "const b = 1 / c;", "enum a { b, c = a };", "enum c { x = 1 };",
    "union b switch (c x) { case 1: a y; };", "struct *c { b y; c z; };", "typedef c *c;",
    "program c { version b { a x(b) = 1; } = 1; } = a;", "struct a { struct { b c; } b; };",
]  # fmt: skip


def compiles_or_refuses(text: str) -> None:
    """The compiler's promise: Python that Python reads, or its own error."""
    try:
        made = compile_text(text, "any.x")
    except IdlError:
        return
    compile(made, "any.py", "exec")


@pytest.mark.slow
@given(st.lists(st.sampled_from(WORDS), max_size=25))
def test_any_words_are_compiled_or_refused(words: list[str]) -> None:
    compiles_or_refuses(" ".join(words))


@pytest.mark.slow
@given(st.lists(st.sampled_from(DEFINITIONS), max_size=5))
def test_any_definitions_are_compiled_or_refused(definitions: list[str]) -> None:
    compiles_or_refuses("\n".join(definitions))


@given(st.text(max_size=60))
def test_any_text_is_compiled_or_refused(text: str) -> None:
    compiles_or_refuses(text)
