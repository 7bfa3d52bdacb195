"""Declarations that a file may use without making them.

They are looked for in C code (``%#define``, ``%typedef``) and ``-D``; then in the ``.x`` beside the
file whose header a ``%#include`` names; then in ``prelude.x``, which has the names that C headers
give to every interface. A declaration that nothing looks for is not parsed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cache
from importlib.resources import files
from typing import NamedTuple

from oncrpc.errors import IdlError
from oncrpc.idl import tree
from oncrpc.idl.parse import parse_interface
from oncrpc.idl.source import Hidden, SourceText

Load = Callable[[str], tree.Specification | None]


class Offer(NamedTuple):
    """A declaration of a name. One of C code counts only if all names that it uses are known."""

    definition: tree.Definition
    of_c: bool


class Library:
    """Finds declarations by name; ``load`` reads the ``.x`` of a header, None if there is none."""

    def __init__(self, source: SourceText, load: Load) -> None:
        self._hidden: dict[str, list[Hidden]] = {}
        for hidden in reversed(source.hidden):
            self._hidden.setdefault(hidden.name, []).append(hidden)
        self._headers, self._load = source.headers, load
        self._tables: list[dict[str, tree.Definition]] = []

    def offers(self, name: str) -> Iterator[Offer]:
        """The declarations that the name may stand for, the best first."""
        for hidden in self._hidden.get(name, ()):
            for definition in _parsed(hidden):
                yield Offer(definition, of_c=True)
        for table in self._specifications():
            if name in table:
                yield Offer(table[name], of_c=False)

    def _specifications(self) -> Iterator[dict[str, tree.Definition]]:
        yield from self._tables
        while len(self._tables) < len(self._headers):
            found = self._load(self._headers[len(self._tables)])
            self._tables.append(_by_name(found) if found else {})
            yield self._tables[-1]
        yield _prelude()


def _parsed(hidden: Hidden) -> tuple[tree.Definition, ...]:
    """The declaration; empty if it is C that only looked like one."""
    try:
        return parse_interface(
            SourceText(hidden.file, [hidden.text], [(hidden.file, hidden.line)])
        ).definitions
    except IdlError:
        return ()


def _by_name(specification: tree.Specification) -> dict[str, tree.Definition]:
    """The definitions by their names, and the enumerations by those of their members."""
    found: dict[str, tree.Definition] = {}
    for definition in specification.definitions:
        if not isinstance(definition, tree.ProgramDefinition):
            found.setdefault(definition.name, definition)
    for definition in specification.definitions:
        for enum in tree.enums_in(definition):
            for member in enum.members:
                found.setdefault(member.name, definition)
    return found


@cache
def _prelude() -> dict[str, tree.Definition]:
    text = files("oncrpc.idl").joinpath("prelude.x").read_text(encoding="utf-8")
    lines = text.split("\n")
    places = [("prelude.x", number + 1) for number in range(len(lines))]
    return _by_name(parse_interface(SourceText("prelude.x", lines, places)))
