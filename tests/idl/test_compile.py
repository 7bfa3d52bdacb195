"""Any text is compiled or refused."""

from __future__ import annotations

import ast
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any

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


def test_threads_take_turns_in_ast_parse(monkeypatch: pytest.MonkeyPatch) -> None:
    """CPython 3.11 raises SystemError if a thread begins while another one is in ``ast.parse``."""
    parse, busy, met = ast.parse, threading.Lock(), threading.Barrier(2)

    def alone(text: str, *options: Any, **more: Any) -> Any:
        assert busy.acquire(blocking=False), "two threads parse"
        try:
            with suppress(threading.BrokenBarrierError):
                met.wait(0.02)
            return parse(text, *options, **more)
        finally:
            busy.release()

    with monkeypatch.context() as patched, ThreadPoolExecutor(2) as pool:
        patched.setattr(ast, "parse", alone)
        found = [pool.submit(compile_text, "const a = 1;", "any.x") for _ in range(2)]
        one, other = (each.result() for each in found)

    assert "a = 1" in one
    assert one == other
