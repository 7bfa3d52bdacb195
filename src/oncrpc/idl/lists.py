"""Linked lists: which structures are the elements of one (RFC 4506 §4.19).

A structure is an element if its last field is an optional of itself and no other field is:
``struct x {...; x *next;}``, the same with ``typedef x *xlist`` and ``xlist next``, and RFC 1833's
``struct *xlist {...; xlist next;}``. Nothing else in the file counts. Any other structure that
contains itself stays as it is written.
"""

from __future__ import annotations

from oncrpc.idl import tree
from oncrpc.idl.scope import Scope


class Lists:
    """The elements of a scope; ``names`` has what the file calls each one's list, or ""."""

    def __init__(self, scope: Scope) -> None:
        self.scope = scope
        self._check_typedefs()
        self._check_sizes()
        structs = [item for item in scope.all if isinstance(item, tree.Struct)]
        self.elements = {item.name for item in structs if self._is_chained(item)}
        self.names = {name: self._list_name(name) for name in self.elements}

    def canonical(self, kind: tree.Type | None) -> tree.Type | None:
        """The type behind C's other names for it."""
        while isinstance(kind, tree.Named):
            definition = self.scope.definitions.get(kind.name)
            if not isinstance(definition, tree.Typedef) or definition.declaration.form != "plain":
                break
            kind = definition.declaration.type
        return kind

    def target(self, declared: tree.Declaration) -> str:
        """The structure that the declaration is a pointer to, or ""."""
        if declared.form == "pointer":
            return self.struct_of(declared.type)
        kind = self.canonical(declared.type) if declared.form == "plain" else None
        if not isinstance(kind, tree.Named):
            return ""
        definition = self.scope.definitions.get(kind.name)
        if isinstance(definition, tree.Typedef) and definition.declaration.form == "pointer":
            return self.struct_of(definition.declaration.type)
        return kind.name if isinstance(definition, tree.Struct) and definition.pointer else ""

    def struct_of(self, kind: tree.Type | None) -> str:
        """The name of the structure that the type is, or ""."""
        kind = self.canonical(kind)
        if not isinstance(kind, tree.Named):
            return ""
        definition = self.scope.definitions.get(kind.name)
        return kind.name if isinstance(definition, tree.Struct) and not definition.pointer else ""

    def _is_chained(self, struct: tree.Struct) -> bool:
        targets = [self.target(field) for field in struct.fields]
        return targets[-1] == struct.name and targets.count(struct.name) == 1

    def _list_name(self, name: str) -> str:
        """That of the first typedef of a pointer to it."""
        for definition in self.scope.all:
            declared = definition.declaration if isinstance(definition, tree.Typedef) else None
            pointer = declared is not None and declared.form == "pointer"
            if declared and pointer and self.struct_of(declared.type) == name:
                return definition.name
        return ""

    def _check_typedefs(self) -> None:
        for definition in self.scope.all:
            if isinstance(definition, tree.Typedef):
                self._walk(definition, [])

    def _check_sizes(self) -> None:
        for definition in self.scope.all:
            if isinstance(definition, tree.Struct):
                self._walk(definition, [])

    def _walk(self, definition: tree.Definition, above: list[str]) -> None:
        """Refuse a type that is part of itself with nothing optional between: it has no end."""
        if definition.name in above:
            circle = " -> ".join([*above[above.index(definition.name) :], definition.name])
            raise definition.place.error(f"'{definition.name}' contains itself: {circle}")
        for part in _parts(definition):
            if isinstance(part.type, tree.Named) and part.form in ("plain", "fixed"):
                inner = self.scope.definitions.get(part.type.name)
                if isinstance(inner, (tree.Struct, tree.Typedef)) and not _is_pointer(inner):
                    self._walk(inner, [*above, definition.name])
            if part.form == "pointer" and isinstance(definition, tree.Typedef):
                self._walk_pointer(part, [*above, definition.name])

    def _walk_pointer(self, part: tree.Declaration, above: list[str]) -> None:
        """``typedef x *x`` names nothing."""
        if isinstance(part.type, tree.Named):
            inner = self.scope.definitions.get(part.type.name)
            if isinstance(inner, tree.Typedef):
                self._walk(inner, above)


def _parts(definition: tree.Definition) -> tuple[tree.Declaration, ...]:
    if isinstance(definition, tree.Typedef):
        return (definition.declaration,)
    return definition.fields if isinstance(definition, tree.Struct) else ()


def _is_pointer(definition: tree.Definition) -> bool:
    return isinstance(definition, tree.Struct) and definition.pointer
