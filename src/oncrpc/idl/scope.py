"""Where the names of an interface are found (RFC 4506 §6.4, RFC 5531 §12.3).

Constants, types and programs share one name space. A name that the file does not declare may be a
constant of a ``%#define``, be declared in the ``.x`` beside it whose header a ``%#include`` names,
or be one of those that C headers give to every interface (``prelude.x``).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import cache
from importlib.resources import files

from oncrpc.errors import IdlError
from oncrpc.idl import names, tree
from oncrpc.idl.parse import parse
from oncrpc.idl.preprocess import Source

C_TYPES = {
    "bool_t": "Bool", "u_int": "UInt", "u_long": "UInt", "u_short": "UInt", "u_char": "UInt",
    "int8_t": "Int", "int16_t": "Int", "int32_t": "Int", "int64_t": "Hyper",
    "uint8_t": "UInt", "uint16_t": "UInt", "uint32_t": "UInt", "uint64_t": "UHyper",
    "u_int8_t": "UInt", "u_int16_t": "UInt", "u_int32_t": "UInt", "u_int64_t": "UHyper",
    "quad_t": "Hyper", "u_quad_t": "UHyper", "longlong_t": "Hyper", "u_longlong_t": "UHyper",
    "u_hyper": "UHyper",
}  # fmt: skip
"""Types of the C headers; a file may declare them for itself."""

BOOLEANS = {"FALSE": 0, "TRUE": 1}


class Scope:
    """The definitions of a file by name, and those that it borrows; ``shown`` are their names."""

    def __init__(
        self, specification: tree.Specification, libraries: Iterable[tree.Specification]
    ) -> None:
        self.own = list(_unrepeated(specification))
        self.borrowed: list[tree.Definition] = []
        self.definitions = {definition.name: definition for definition in self.own}
        self.enumerators = _enumerators(self.own)
        self._libraries = [Scope(library, ()) for library in libraries]
        self._borrow()
        self.shown = names.in_scope(self.definitions, names.global_name)

    @property
    def all(self) -> list[tree.Definition]:
        """The borrowed ones first, each after those that it uses."""
        return self.borrowed + self.own

    def _borrow(self) -> None:
        for definition in self.own:
            self._borrow_for(definition)

    def _borrow_for(self, definition: tree.Definition) -> None:
        for name in names_in(definition):
            if name not in self.definitions and name not in self.enumerators:
                self._borrow_name(name)

    def _borrow_name(self, name: str) -> None:
        for library in self._libraries:
            found = library.definitions.get(name) or library.enumerators.get(name)
            if found is not None and not isinstance(found, tree.Program):
                self.definitions[found.name] = found
                self.enumerators |= _enumerators([found])
                self._borrow_for(found)
                self.borrowed.append(found)
                return


def names_in(node: object) -> Iterator[str]:
    """The names that a node of the tree uses."""
    if isinstance(node, (tree.Name, tree.Named)):
        yield node.name
    else:
        for part in _parts(node):
            yield from names_in(part)


def declarations_in(node: object) -> Iterator[tree.Declaration]:
    """The declarations within a node, to any depth."""
    if isinstance(node, tree.Declaration):
        yield node
    for part in _parts(node):
        yield from declarations_in(part)


def _parts(node: object) -> Iterator[object]:
    """What a node of the tree, or a row of them, is made of; others have no parts."""
    if isinstance(node, tuple):
        yield from node
    elif isinstance(node, tree.Node):
        slots = (slot for slot in node.__dataclass_fields__ if slot not in ("place", "comment"))
        yield from (getattr(node, slot) for slot in slots)


def libraries(
    source: Source, load: Callable[[str], tree.Specification | None]
) -> Iterator[tree.Specification]:
    """What the file's pass-through lines offer, then the prelude; ``load`` finds a header's .x."""
    for line in reversed(source.hidden):
        hidden = Source(source.file, [line], [(source.file, 0)])
        try:
            yield parse(hidden)
        except IdlError:
            continue  # C that only looked like a constant
    for header in source.headers:
        found = load(header)
        if found is not None:
            yield found
    yield prelude()


@cache
def prelude() -> tree.Specification:
    """The declarations of the C headers that rpcgen's output includes."""
    text = files("oncrpc.idl").joinpath("prelude.x").read_text(encoding="utf-8")
    lines = text.splitlines()
    places = [("prelude.x", number + 1) for number in range(len(lines))]
    return parse(Source("prelude.x", lines, places))


def _unrepeated(specification: tree.Specification) -> Iterator[tree.Definition]:
    """The definitions without repetitions: of the same constant, and C's ``typedef x x``."""
    seen: dict[str, tree.Definition] = {}
    for definition in specification.definitions:
        if isinstance(definition, tree.Typedef) and _same_name(definition):
            continue
        before = seen.setdefault(definition.name, definition)
        if before is definition:
            yield definition
        elif before != definition or not isinstance(before, tree.Constant):
            reason = f"'{definition.name}' is already declared in line {before.place.line}"
            raise definition.place.error(reason)


def _same_name(typedef: tree.Typedef) -> bool:
    declared = typedef.declaration
    named = isinstance(declared.type, tree.Named) and declared.type.name == typedef.name
    return named and declared.form == "plain"


def _enumerators(definitions: Iterable[tree.Definition]) -> dict[str, tree.Enum]:
    """The enumerations by the names of their members, those declared in line included."""
    found: dict[str, tree.Enum] = {}
    for definition in definitions:
        for enum in _enums_in(definition):
            for member in enum.members:
                if member.name in found:
                    before = next(m for m in found[member.name].members if m.name == member.name)
                    reason = f"'{member.name}' is already declared in line {before.place.line}"
                    raise member.place.error(reason)
                found[member.name] = enum
    return found


def _enums_in(definition: tree.Definition) -> Iterator[tree.Enum]:
    if isinstance(definition, tree.Enum):
        yield definition
    for declared in declarations_in(definition):
        if isinstance(declared.type, tree.Enum):
            yield declared.type
