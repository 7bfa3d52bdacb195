"""The lines of a ``.x`` for the C preprocessor, and the declarations made by ``#define``."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

DIRECTIVE = re.compile(r"\s*#\s*(\w+)?\s*(.*)")
DEFINE = re.compile(r"(\w+)(?:\s+(.*))?$")
CONSTANT = re.compile(r'(?!.*\w\s+\w)[\w\s()+\-*/%&|^~<>]+|"[^"]*"')
WORDS = re.compile(r"[A-Za-z_]\w*(?:\s+[A-Za-z_]\w*)*")
"""A possible name of a type, such as ``unsigned long long`` or ``struct entry``."""

COMMENT = re.compile(r"/\*.*?(?:\*/|$)|//.*$")
OPENING = re.compile(r'"[^"\n]*"|/\*|//')


class Directive(NamedTuple):
    """``word`` is what follows ``#``, None if nothing does; ``rest`` what follows the word."""

    number: int
    line: str
    word: str | None
    rest: str


def directives(lines: list[str]) -> Iterator[Directive]:
    """The preprocessor lines that are not inside a comment; ``number`` counts from 0."""
    inside = False
    for index, line in enumerate(lines):
        found = None if inside else DIRECTIVE.match(line)
        if found:
            yield Directive(index, line, found[1], found[2])
        inside = ends_in_comment(line, inside)


def ends_in_comment(line: str, inside: bool) -> bool:
    """Whether a comment goes on after the line; ``inside`` says that one went on before it."""
    at = 0
    while True:
        if inside:
            end = line.find("*/", at)
            if end < 0:
                return True
            at, inside = end + 2, False
        opening = OPENING.search(line, at)
        if opening is None or opening[0] == "//":
            return False
        at, inside = opening.end(), opening[0] == "/*"


def without_comments(text: str) -> str:
    """The text with a space in place of each comment."""
    return COMMENT.sub(" ", text).strip()


def is_simple(rest: str) -> bool:
    """Whether what follows ``#define`` is a name, alone or with a constant."""
    found = DEFINE.match(without_comments(rest))
    return bool(found and (not found[2] or CONSTANT.fullmatch(found[2])))


def declarations_of(name: str, value: str) -> list[str]:
    """The declarations that ``#define name value`` can stand for."""
    made = [f"const {name} = {value};"] if CONSTANT.fullmatch(value) else []
    return made + ([f"typedef {value} {name};"] if WORDS.fullmatch(value) else [])
