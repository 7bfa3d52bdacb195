"""The work of rpcgen before it reads a ``.x``: ``%`` lines and the C preprocessor.

Conditions on names and ``#define`` of constants are done here (``conditions``). A text that needs
more is left to the system's ``cpp``. A ``#define`` of a constant becomes ``const``. ``%`` lines, C
code for rpcgen's output, are dropped (``passthrough``), except for their comments. The names that
they declare, and the headers that they include, count if nothing else declares a name.
"""

from __future__ import annotations

import re
from typing import NoReturn

from oncrpc.errors import IdlError
from oncrpc.idl.conditions import Conditions
from oncrpc.idl.cpp import copy_by_cpp
from oncrpc.idl.directives import CONSTANT, declarations_of, directives, is_simple
from oncrpc.idl.source import CompileOptions, Hidden, SourceText

PREDEFINED = {"RPC_HDR": "1"}
"""rpcgen defines another name for each of its outputs; this is the one for declarations."""

NAME = re.compile(r"\b[A-Za-z_]")
BYTE_ORDER_MARK = "\ufeff"
OPTION = "command line"
"""The file that errors in a value of ``-D`` name."""


def preprocess(text: str, file: str, *, settings: CompileOptions | None = None) -> SourceText:
    """The text that the grammar reads.

    Raises:
        IdlError: a condition without an end, or a directive that ``cpp`` refuses, or that needs
            ``cpp`` when there is none.
    """
    settings = settings or CompileOptions()
    source = SourceText(file)
    names = {**PREDEFINED, **settings.define}
    text = text.removeprefix(BYTE_ORDER_MARK).replace("\r\n", "\n").removesuffix("\n")
    lines = text.split("\n")
    if "\0" in text:
        _refuse_nul(source, lines)
    needed_at = _needs_cpp(lines)
    if needed_at is None:
        Conditions(source, names).copy(lines)
    else:
        copy_by_cpp(source, text + "\n", names, settings, needed_at=needed_at)
    for name, value in settings.define.items():
        _declare(source, name, value)
    return source


def _refuse_nul(source: SourceText, lines: list[str]) -> NoReturn:
    index = next(index for index, line in enumerate(lines) if "\0" in line)
    line, column = lines[index].replace("\0", " "), lines[index].index("\0") + 1
    reason = r"unexpected character '\x00'"
    raise IdlError(source.file, index + 1, column, reason=reason, text=line)


def _declare(source: SourceText, name: str, value: str) -> None:
    """Declare a name of ``-D``: a number always, another constant or a type where it is used."""
    made = declarations_of(name, value)
    if CONSTANT.fullmatch(value) and (value.startswith('"') or not NAME.search(value)):
        source.add(made[0], OPTION, 1)
    else:
        source.hidden += [Hidden(name, each, OPTION, 1) for each in made]


def _needs_cpp(lines: list[str]) -> int | None:
    """The first line that is more than a condition on a name or a constant."""
    for index, line, word, rest in directives(lines):
        if word in ("if", "elif", "include", "error") or line.endswith("\\"):
            return index
        if word == "define" and not is_simple(rest):
            return index
    return None
