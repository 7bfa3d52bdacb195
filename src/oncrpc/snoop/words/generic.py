"""The words for a program that has no words of its own: its fields by their names."""

from __future__ import annotations

from collections.abc import Iterator

from oncrpc.rpc.program import AnyProcedure
from oncrpc.snoop.words.cursor import Cursor
from oncrpc.snoop.words.fields import Traversal, WireField
from oncrpc.snoop.words.names import name_of_program
from oncrpc.snoop.words.templates import MORE
from oncrpc.snoop.words.text import is_text, shortened

MAX_SHOWN = 12
"""Fields that a line shows."""

MAX_HEX = 8
"""Bytes of opaque data that a line shows."""


def declared_call(procedure: AnyProcedure, cursor: Cursor) -> str:
    """The line of a call: ``NIS C YPPROC_MATCH domain=example map=passwd key=root``."""
    words = _fields(list(procedure.arguments), cursor)
    return f"{_label(procedure)} C {procedure.name} {words}".rstrip()


def declared_reply(procedure: AnyProcedure, cursor: Cursor) -> str:
    """The line of a reply."""
    declared = [] if procedure.result is None else [procedure.result]
    return f"{_label(procedure)} R {procedure.name} {_fields(declared, cursor)}".rstrip()


def _label(procedure: AnyProcedure) -> str:
    """The name of the program, or else the one of the version in the interface file."""
    name = name_of_program(procedure.version.prog)
    return procedure.version.__name__ if name in ("?", "transient") else name


def _fields(declared: list[object], cursor: Cursor) -> str:
    traversal = Traversal(cursor.data, cursor.at)
    words: list[str] = []
    for each in declared:
        for part in _leaves(traversal.read(each, "")):
            if len(words) == MAX_SHOWN:
                return " ".join([*words, MORE])
            words.append(_shown(part))
        if traversal.problem:
            return " ".join([*words, MORE])
    return " ".join(words)


def _leaves(part: WireField) -> Iterator[WireField]:
    """The fields that have values; a list is one, of which the number of elements is shown."""
    if part.compound:
        for inner in part.parts:
            yield from _leaves(inner)
    else:
        yield part


def _shown(part: WireField) -> str:
    value = _value(part)
    return f"{part.name}={value}" if part.name else value


def _value(part: WireField) -> str:
    if part.listed:
        return f"({len(part.parts)})"
    match part.value:
        case bytes(data) if data and not is_text(data):
            return data[:MAX_HEX].hex() + ("..." if len(data) > MAX_HEX else "")
        case bytes(data):
            return shortened(data)
        case None:
            return "-"
        case bool():
            return "true" if part.value else "false"
    return str(part.value)
