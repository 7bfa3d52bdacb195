"""What the compiler says of a text that it cannot take, to the letter."""

from __future__ import annotations

import pytest

from oncrpc.errors import IdlError
from oncrpc.idl import compile_text

ERRORS = {
    "strct foo { int a; };": (1, 1, "expected a definition, found 'strct'"),
    "int a;": (1, 1, "expected a definition, found 'int'"),
    "struct foo { int a };": (1, 20, "expected ';' or '<' or '[', found '}'"),
    "struct foo {\n\tstring name[3];\n};": (2, 13, "expected '<', found '['"),
    "struct foo { opaque x; };": (1, 22, "expected '<' or '[', found ';'"),
    "struct foo { };": (1, 14, "expected a type or 'void', found '}'"),
    "struct foo {\n": (1, 13, "expected a type or 'void', found the end of the file"),
    "struct foo { int a[]; };": (1, 20, "expected a value, found ']'"),
    "struct foo { int int; };": (1, 21, "expected a type or '*', found ';'"),
    "struct foo { int @; };": (1, 18, "unexpected character '@'"),
    "/* never\nstruct foo { int a; };": (1, 1, "a comment without an end"),
    "enum e { };": (1, 10, "expected a name, found '}'"),
    "union u switch (string s) { case 1: int a; };": (1, 25, "expected '<', found ')'"),
    "union u switch (int k) { };": (1, 26, "expected 'case', found '}'"),
    "program P { };": (1, 13, "expected 'version', found '}'"),
    "program P { version V { void F(void); } = 1; } = 1;": (1, 37, "expected '=', found ';'"),
    "const A;": (1, 8, "expected '=', found ';'"),
    "const A = ;": (1, 11, "expected a text or a value, found ';'"),
    "struct s { short hyper x; };": (1, 12, "'short hyper' is not a type"),
    "struct foo { strng name; };": (1, 14, "unknown type 'strng'"),
    "struct foo { quadruple q; };": (1, 14, "quadruple has no Python type"),
    "struct foo { int a; int a; };": (1, 21, "two fields are named 'a'"),
    "const A = B;": (1, 11, "unknown constant 'B'; -D B=VALUE defines it"),
    "const A = B;\nconst B = A;": (2, 11, "the value of 'A' depends on itself: A -> B -> A"),
    "const A = 1 / 0;": (1, 11, "division by zero"),
    "const A = 1 << 100;": (1, 11, "cannot shift by 100"),
    "const A = 089;": (1, 11, "'089' is not an octal number"),
    "const A = 1;\nconst A = 2;": (2, 1, "'A' is already declared in line 1"),
    "struct A { int a; };\nconst B = A;": (2, 11, "'A' is a type, not a value"),
    "struct s { A a; };\nconst A = 1;": (1, 12, "'A' is not a type"),
    'const T = "x";\ntypedef opaque a<T>;': (2, 18, "'T' is a text, not a number"),
    "typedef opaque a<-1>;": (1, 18, "a size is from 0 to 2**32 - 1, not -1"),
    "typedef void;": (1, 1, "a typedef of void names nothing"),
    "typedef a b;\ntypedef b a;": (1, 1, "'b' contains itself: b -> a -> b"),
    "typedef a *a;": (1, 1, "'a' contains itself: a -> a"),
    "struct a { b x; };\nstruct b { a x[2]; };": (1, 1, "'a' contains itself: a -> b -> a"),
    "enum e { A };\nenum f { A };": (2, 10, "'A' is already declared in line 1"),
    "enum e { A = 5000000000 };": (1, 10, "5000000000 is out of range for an enum"),
    "union u switch (hyper k) { case 1: void; };": (
        1, 17, "a discriminant is an int, unsigned int, bool or enum",
    ),
    "union u switch (int k) { case 2: void; case 2: void; };": (1, 45, "a second arm for 2"),
    "union u switch (bool b) { case 2: void; };": (1, 32, "2 is not a bool"),
    "enum e { A };\nunion u switch (e k) { case 5: void; };": (2, 29, "5 is not a value of e"),
    "program P { version V { void F(void) = 1; void G(void) = 1; } = 1; } = 1;": (
        1, 43, "number 1 occurs twice",
    ),
    "program P { version V { void F(void) = 1; void F(void) = 2; } = 1; } = 1;": (
        1, 43, "'F' occurs twice",
    ),
    "program P { version V { void F(void) = -1; } = 1; } = 1;": (
        1, 40, "-1 is not an unsigned int",
    ),
    "program P { version V { int F(int a, int a) = 1; } = 1; } = 1;": (
        1, 38, "two parameters are named 'a'",
    ),
}  # fmt: skip


@pytest.mark.parametrize("text", ERRORS)
def test_an_error_says_where_and_why(text: str) -> None:
    line, column, reason = ERRORS[text]

    with pytest.raises(IdlError) as caught:
        compile_text(text, "bad.x")

    error = caught.value
    assert (error.file, error.line, error.column, error.reason) == ("bad.x", line, column, reason)


def test_an_error_points_at_its_column() -> None:
    with pytest.raises(IdlError) as caught:
        compile_text("struct foo {\n\tstring name[3];\n};\n", "folder/hello.x")

    assert str(caught.value) == (
        "folder/hello.x:2:13: expected '<', found '['\n    \tstring name[3];\n    \t           ^"
    )


def test_an_error_lists_expected_words() -> None:
    with pytest.raises(IdlError) as caught:
        compile_text("struct foo { opaque x; };", "hello.x")

    assert caught.value.expected == ("'<'", "'['")
