"""Preprocessor lines, and the declarations that a ``#define`` makes."""

from __future__ import annotations

import pytest

from oncrpc.idl.directives import declarations_of, directives, ends_in_comment, is_simple


@pytest.mark.parametrize(
    ("line", "inside", "expected"),
    [
        ("a", False, False), ("a", True, True), ("/* a", False, True), ("/* a */", False, False),
        ("a */", True, False), ("a */ /* b", True, True), ("// /* a", False, False),
        ('"/*"', False, False), ('"/*" /*', False, True), ('"', False, False),
        ("/*/", False, True), ("/*/ */", False, False), ("/* // */ b", False, False),
        ("/*" * 5, False, True), ("*/", True, False), ("", True, True),
    ],
)  # fmt: skip
def test_a_comment_goes_on_until_its_end(line: str, inside: bool, expected: bool) -> None:
    assert ends_in_comment(line, inside) is expected


def test_directives_within_comments_do_not_count() -> None:
    lines = ["#ifdef A", "/* a", "#endif", "*/", "  # define B 1 // b", "#", "a #"]

    found = [(each.number, each.word, each.rest) for each in directives(lines)]

    assert found == [(0, "ifdef", "A"), (4, "define", "B 1 // b"), (5, None, "")]


@pytest.mark.parametrize(
    ("rest", "simple"),
    [
        ("A", True), ("A 1", True), ("A (B + 1) /* why */", True), ('A "x y"', True),
        ("A struct b", False), ("A(x) x", False), ("A 1 2", False), ("A {", False), ("", False),
    ],
)  # fmt: skip
def test_simple_defines_are_names_and_constants(rest: str, simple: bool) -> None:
    assert is_simple(rest) is simple


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("5", ["const A = 5;"]),
        ("B + 1", ["const A = B + 1;"]),
        ("B", ["const A = B;", "typedef B A;"]),
        ("unsigned long long", ["typedef unsigned long long A;"]),
        ("struct s *", []),
        ("B(x)", ["const A = B(x);"]),
    ],
)
def test_a_value_makes_constants_and_types(value: str, expected: list[str]) -> None:
    assert declarations_of("A", value) == expected
