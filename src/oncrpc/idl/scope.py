"""The names of an interface (RFC 4506 §6.4, RFC 5531 §12.3).

Constants, types and programs share one name space. A name that the file does not declare is
borrowed from the library, together with what its declaration uses.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from oncrpc.errors import IdlError
from oncrpc.idl import names, tree
from oncrpc.idl.library import Library
from oncrpc.idl.words import C_TYPES

BOOLEANS = {"FALSE": 0, "TRUE": 1}
DEEPEST_DEFINE = 100
"""How many ``%#define`` may stand for one another; more are treated as a circle."""

Use = tree.Name | tree.Named
"""A name where a value or a type is needed."""


class Scope:
    """The definitions of a file by name, and those that it borrows; ``shown`` are their names."""

    def __init__(self, specification: tree.Specification, library: Library) -> None:
        self.own = list(_unrepeated(specification))
        self.borrowed: list[tree.Definition] = []
        self.definitions = {definition.name: definition for definition in self.own}
        self.enumerators = _enumerators(self.own)
        self._check_constants()
        self.library = library
        for definition in self.own:
            self._borrow_for(definition)
        self.shown = names.in_scope(self.definitions, names.global_name)

    @property
    def all(self) -> list[tree.Definition]:
        """The borrowed ones first, each after those that it uses."""
        return self.borrowed + self.own

    def _check_constants(self) -> None:
        """Refuse an enumerator that is a constant too: the class of the enumeration hides it."""
        for enum in {id(enum): enum for enum in self.enumerators.values()}.values():
            for member in enum.members:
                constant = self.definitions.get(member.name)
                if isinstance(constant, tree.ConstantDefinition):
                    raise _repeated(member, constant)

    def _borrow_for(self, definition: tree.Definition) -> None:
        """Borrow the definitions that a definition uses, and those that these use."""
        waiting = [(definition, tree.names_in(definition))]
        while waiting:
            current, uses = waiting[-1]
            borrowed = (self._borrowed(use) for use in uses)
            found = next((each for each in borrowed if each is not None), None)
            if found is not None:
                waiting.append((found, tree.names_in(found)))
                continue
            waiting.pop()
            if waiting:
                self.borrowed.append(current)

    def _borrowed(self, use: Use) -> tree.Definition | None:
        """The definition of a name that is not declared yet, which it is from now on."""
        if self._is_declared(use.name):
            return None
        found = self._find(use, set())
        if found is not None:
            self.definitions[found.name] = found
            self.enumerators |= _enumerators([found])
        return found

    def _is_declared(self, name: str) -> bool:
        return name in self.definitions or name in self.enumerators

    def _find(self, use: Use, asked: set[str]) -> tree.Definition | None:
        """The library's definition of the name; ``asked`` are the names that wait for it."""
        asked = asked | {use.name}
        for offer in self.library.offers(use.name):
            if _fits(offer.definition, use) and (
                not offer.of_c or self._is_complete(offer.definition, asked)
            ):
                return offer.definition
        return None

    def _is_complete(self, definition: tree.Definition, asked: set[str]) -> bool:
        """Whether all names that a declaration of C code uses are known."""
        if len(asked) > DEEPEST_DEFINE:
            return False
        return all(self._is_known(use, asked) for use in tree.names_in(definition))

    def _is_known(self, use: Use, asked: set[str]) -> bool:
        if isinstance(use, tree.Named):
            declared = self.definitions.get(use.name)
            known = use.name in C_TYPES or isinstance(declared, TYPES)
        else:
            declared = self.definitions.get(use.name)
            known = use.name in BOOLEANS or use.name in self.enumerators
            known = known or isinstance(declared, tree.ConstantDefinition)
        if known or declared is not None or use.name in asked:
            return known
        return self._find(use, asked) is not None


TYPES = (tree.EnumDefinition, tree.StructDefinition, tree.UnionDefinition, tree.Typedef)


def _fits(definition: tree.Definition, use: Use) -> bool:
    """Whether the definition is a type where a type is needed, a value where a value is."""
    if isinstance(use, tree.Named):
        return isinstance(definition, TYPES) and definition.name == use.name
    return not isinstance(definition, TYPES) or definition.name != use.name


def _unrepeated(specification: tree.Specification) -> Iterator[tree.Definition]:
    """The definitions without repetitions: of the same constant, and C's ``typedef x x``."""
    seen: dict[str, tree.Definition] = {}
    for definition in specification.definitions:
        if isinstance(definition, tree.Typedef) and _same_name(definition):
            continue
        before = seen.setdefault(definition.name, definition)
        if before is definition:
            yield definition
        elif before != definition or not isinstance(before, tree.ConstantDefinition):
            raise _repeated(definition, before)


def _same_name(typedef: tree.Typedef) -> bool:
    declared = typedef.declaration
    named = isinstance(declared.type, tree.Named) and declared.type.name == typedef.name
    return named and declared.form == "plain"


def _enumerators(definitions: Iterable[tree.Definition]) -> dict[str, tree.EnumDefinition]:
    """The enumerations by the names of their members, those declared in line included."""
    found: dict[str, tree.EnumDefinition] = {}
    for definition in definitions:
        for enum in tree.enums_in(definition):
            for member in enum.members:
                if member.name in found:
                    others = found[member.name].members
                    raise _repeated(member, next(m for m in others if m.name == member.name))
                found[member.name] = enum
    return found


def _repeated(
    node: tree.Definition | tree.Enumerator, before: tree.Definition | tree.Enumerator
) -> IdlError:
    reason = f"'{node.name}' is already declared in line {before.place.line}"
    return node.place.error(reason)
