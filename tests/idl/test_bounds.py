"""Interfaces made to take long or to break the compiler: work grows with the text, depth ends."""

from __future__ import annotations

import sys
from collections.abc import Callable
from types import FrameType

import pytest

from oncrpc.errors import IdlError
from oncrpc.idl import compile_text
from oncrpc.xdr import decode, encode
from support.compiled import module_of
from support.words import words

FEW = 100
MOST_GROWTH = 2.3
"""Twice the text makes twice the calls; what was quadratic made over three times as many."""


def each(count: int, line: str) -> str:
    """The line for every number; ``{n}`` is the next one."""
    return "".join(line.replace("{i}", str(i)).replace("{n}", str(i + 1)) for i in range(count))


LONG: dict[str, Callable[[int], str]] = {
    "comments in a line": lambda n: "/* a */" * n + "\nconst A = 1;",
    "comments behind a token": lambda n: "const A = 1; " + "/* a */" * n,
    "comments above one another": lambda n: "// a\n" * n + "\nconst A = 1;",
    "comments apart": lambda n: "/* a */\n\n" * n + "const A = 1;",
    "typedefs": lambda n: "typedef int t0;" + each(n, "typedef t{i} t{n};"),
    "typedefs reversed": lambda n: each(n, "typedef t{n} t{i};") + f"typedef int t{n};",
    "typedefs of an enumeration": lambda n: (
        "enum t0 { A };"
        + each(n, "typedef t{i} t{n}; union u{i} switch (t{n} k) { case A: void; };")
    ),
    "structures by pointer": lambda n: (
        each(n, "struct s{i} { s{n} *a; };") + f"struct s{n} {{ int a; }};"
    ),
    "structures by array": lambda n: (
        each(n, "struct s{i} { s{n} a<>; };") + f"struct s{n} {{ int a; }};"
    ),
    "unions within unions": lambda n: (
        each(n, "union s{i} switch (bool b) { case TRUE: s{n} a; default: void; };")
        + f"struct s{n} {{ int a; }};"
    ),
    "unions above their enumeration": lambda n: (
        each(n, "union u{i} switch (e k) { case A: void; };") + "enum e { A };"
    ),
    "lists": lambda n: each(n, "struct s{i} { int a; s{i} *next; };"),
    "fields": lambda n: "struct s {" + each(n, "int f{i};") + "};",
    "enumerators": lambda n: "enum e {" + each(n, "e{i}, ") + "};",
    "cases": lambda n: "union u switch (int k) {" + each(n, "case {i}: void;") + "};",
    "cases of an enumeration": lambda n: (
        "enum e {" + each(n, "e{i}, ") + "};"
        "union u switch (e k) {" + each(n, "case e{i}: void;") + "};"
    ),
    "constants": lambda n: "const c0 = 1;" + each(n, "const c{n} = c{i};"),
    "defines": lambda n: each(n, "#define c{i} {i}\n"),
    "C defines": lambda n: each(n, "%#define c{i} {i}\n") + "typedef opaque t<c7>;",
    "conditions": lambda n: "#ifdef RPC_HDR\n" * n + "const A = 1;\n" + "#endif\n" * n,
    "procedures": lambda n: (
        "program P { version V {" + each(n, "int f{i}(int) = {i};") + "} = 1; } = 1;"
    ),
    "versions": lambda n: (
        "program P {" + each(n, "version V{i} { int f(int) = 1; } = {i};") + "} = 1;"
    ),
    "names that are hidden": lambda n: (
        each(n, "struct s{i} { int a; }; struct t{i} { s{i} s{i}; };")
    ),
}  # fmt: skip


def calls_for(text: str) -> int:
    """How many functions are called to compile the text."""
    calls = 0

    def count(frame: FrameType, event: str, argument: object) -> None:
        nonlocal calls
        calls += event in ("call", "c_call")

    before = sys.getprofile()
    sys.setprofile(count)
    try:
        compile_text(text, "test.x")
    finally:
        sys.setprofile(before)
    return calls


@pytest.mark.slow
@pytest.mark.parametrize("kind", LONG)
def test_work_grows_as_the_text_does(kind: str) -> None:
    base = calls_for("const A = 1;")

    some, twice = (calls_for(LONG[kind](count)) - base for count in (FEW, 2 * FEW))

    assert twice / some < MOST_GROWTH


LEVELS = "over 50 levels of declarations or operations"
TOO_LARGE = "the number does not fit in 64 bits"
TEXT = "a text has printable ASCII characters only"
BROKEN = {
    "nested structures": (
        "struct s {" + "struct {" * 2000 + "int a;" + "} x;" * 2000 + "};", 411, LEVELS,
    ),
    "operators": ("const A = " + "-" * 5000 + "1;", 61, LEVELS),
    "sums": ("const A = " + "1+" * 5000 + "1;", 11, LEVELS),
    "constants": (
        each(1000, "const c{i} = c{n};") + "const c1000 = 1;", 2496,
        "over 150 values depend on one another",
    ),
    "structures by value": (
        each(1000, "struct s{i} { s{n} a; };") + "struct s1000 { int a; };", 22247,
        "over 64 types are nested in one another",
    ),
    "pointers to pointers": (
        "typedef int *t0;" + each(1000, "typedef t{i} *t{n};"), 1069,
        "over 64 types are nested in one another",
    ),
    "twice itself": ("struct s { struct { s a; } b; };", 1, "'s' contains itself: s -> s"),
    "typedefs in a circle": ("typedef b a<>; typedef a *b;", 1, "'a' contains itself: a -> b -> a"),
    "hexadecimal": ("typedef opaque t<0x" + "f" * 200_000 + ">;", 18, TOO_LARGE),
    "decimal": ("const A = " + "9" * 200_000 + ";", 11, TOO_LARGE),
    "products": ("const A = (1 << 63) * (1 << 63);", 11, TOO_LARGE),
    "a letter in a text": ('const A = "é";', 11, TEXT),
    "a carriage return in a text": ('const A = "a\rb";', 11, TEXT),
    "NUL in a comment": ("/* a\0b */ const A = 1;", 5, r"unexpected character '\x00'"),
    "NUL": ("const\0A = 1;", 6, r"unexpected character '\x00'"),
    "open comments": ("/*" + "/* " * 40_000, 1, "a comment without an end"),
}  # fmt: skip


@pytest.mark.parametrize("kind", BROKEN)
def test_a_refusal_names_its_place(kind: str) -> None:
    text, column, reason = BROKEN[kind]

    with pytest.raises(IdlError) as caught:
        compile_text(text, "test.x")

    error = caught.value
    assert (error.file, error.line, error.column, error.reason) == ("test.x", 1, column, reason)
    assert len(str(error)) < 600


def test_a_long_word_is_cut_in_errors() -> None:
    with pytest.raises(IdlError, match=r"found 'a{40}\.\.\.'\n"):
        compile_text("const A = 1 " + "a" * 1000, "test.x")


@pytest.mark.parametrize("name", ["\r import os", "\x0c\x1b[2J", "\u2028\u202e", "\x85"])
def test_control_characters_of_comments_are_spaces(name: str) -> None:
    made = compile_text(f"/* a {name} b */ struct s {{ int x; /* c {name} d */ }};", "test.x")

    assert all(character.isprintable() or character == "\n" for character in made)
    assert "import os" not in {line.strip() for line in made.splitlines()}


@pytest.mark.parametrize("form", ["s{n} *a;", "s{n} a<>;"])
def test_deeply_nested_values_come_back(form: str) -> None:
    made = module_of(each(100, f"struct s{{i}} {{ {form} }};") + "struct s100 { int a; };")
    value = made.s100(7)
    for number in reversed(range(100)):
        value = getattr(made, f"s{number}")(value if "*" in form else [value])

    wire = words(*[1] * 100, 7)

    assert encode(made.s0, value) == wire
    assert decode(made.s0, wire) == value
